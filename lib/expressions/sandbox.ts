/**
 * The time, the random source and the links that an expression sees; set before each evaluation, so that a replay sees the same.
 */
export const given = { now: 0, random: (): number => 0, links: {} as Readonly<Record<string, string>> };

/** Globals that JSONata and our functions need. All others are removed, including `process` and `fetch`. */
const kept = new Set([
  'Array',
  'BigInt',
  'Boolean',
  'Buffer',
  'Date',
  'Error',
  'EvalError',
  'Infinity',
  'Intl',
  'JSON',
  'Map',
  'Math',
  'NaN',
  'Number',
  'Object',
  'Promise',
  'RangeError',
  'ReferenceError',
  'Reflect',
  'RegExp',
  'Set',
  'String',
  'Symbol',
  'SyntaxError',
  'TypeError',
  'URIError',
  'Uint8Array',
  'WeakMap',
  'WeakSet',
  'decodeURI',
  'decodeURIComponent',
  'encodeURI',
  'encodeURIComponent',
  'global',
  'globalThis',
  'isFinite',
  'isNaN',
  'parseFloat',
  'parseInt',
  'undefined',
]);

/**
 * Restricts this process: time and randomness come from `given`, deadlines are measured with `now`, no text is evaluated as code, most globals are removed, and the
 * rest cannot be changed. Expressions cannot reach JavaScript anyway; this is defence in depth.
 */
export function closeSandbox(now: () => number): void {
  const RealDate = Date;
  // JSONata's deadline reads `Date.now`, and no expression can.
  RealDate.now = now;
  class GivenDate extends RealDate {
    constructor(...parts: []) {
      // The spread hides the many forms of Date's constructor from the compiler.
      super(...(parts.length === 0 ? ([given.now] as unknown as []) : parts));
    }
  }
  Object.defineProperty(globalThis, 'Date', { value: GivenDate, writable: true, configurable: true });
  Math.random = () => given.random();
  for (const sample of [() => undefined, async () => undefined, function* () {}, async function* () {}]) {
    Object.defineProperty(Object.getPrototypeOf(sample), 'constructor', { value: undefined });
  }
  for (const name of Object.getOwnPropertyNames(globalThis)) {
    if (!kept.has(name)) Reflect.deleteProperty(globalThis, name);
  }
  for (const name of kept) freeze(Reflect.get(globalThis, name));
  freeze(RealDate);
  for (const sample of [async () => undefined, function* () {}, async function* () {}]) {
    Object.freeze(Object.getPrototypeOf(sample));
  }
}

function freeze(value: unknown): void {
  if (value === globalThis || (typeof value !== 'object' && typeof value !== 'function') || value === null) return;
  Object.freeze(value);
  if (typeof value === 'function' && value.prototype !== undefined) Object.freeze(value.prototype);
}

import { createHash } from 'node:crypto';
import type { Expression } from 'jsonata';
import { parseJson } from '../core/json.ts';
import { parseTime } from '../core/zone-time.ts';
import { given } from './sandbox.ts';

/** Adds the functions that recipes need. */
export function registerFunctions(expression: Expression): void {
  for (const [name, implementation, signature] of functions) {
    expression.registerFunction(name, implementation, signature);
  }
}

type Row = Required<Parameters<Expression['registerFunction']>>;

const functions: readonly Row[] = [
  ['hash', (text?: string) => (text === undefined ? undefined : sha256(text)), '<s-:s>'],
  ['ref', (event?: { id?: unknown } | string) => reference(event), '<(os)-:s>'],
  [
    'base64',
    (text?: string) => (text === undefined ? undefined : Buffer.from(text, 'utf8').toString('base64')),
    '<s-:s>',
  ],
  ['decodeURIComponentSafe', (text?: string) => (text === undefined ? undefined : decodeSafely(text)), '<s-:s>'],
  [
    'parseTime',
    (text?: string, zone?: string) => (text === undefined ? undefined : parseTime(text, zone, given.now)),
    '<s-s?:n>',
  ],
  ['parse', (text?: string) => (text === undefined ? undefined : parseJson(text)), '<s-:x>'],
  ['eval', refuseEval, '<sx?:x>'],
];

function refuseEval(): never {
  throw new TypeError('$eval is not available: what is data must not become an expression');
}

function reference(event: { id?: unknown } | string | undefined): string | undefined {
  const id = typeof event === 'object' && event !== null ? event.id : event;
  return typeof id === 'string' ? sha256(id).slice(0, 4).toUpperCase() : undefined;
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}

function decodeSafely(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

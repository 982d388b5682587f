import { hasVersion } from './server-version.ts';

/** One field as in the document's table. Numbers are whole and fit a Java int. */
export interface FieldRule {
  readonly type: 'string' | 'number' | 'boolean';
  readonly mandatory?: boolean;
  /** Servers before this one do not know the field. */
  readonly since?: string;
  /** The only numbers allowed. */
  readonly allow?: readonly number[];
  readonly pattern?: RegExp;
  /** Returns what is wrong with a string. */
  readonly check?: (value: string) => string | undefined;
}

/** The body of an endpoint, by field name. */
export type FieldRules = Readonly<Record<string, FieldRule>>;

type ValueOf<Rule extends FieldRule> = { string: string; number: number; boolean: boolean }[Rule['type']];
type Surely<Rules extends FieldRules> = {
  [Name in keyof Rules]: Rules[Name] extends { mandatory: true; since?: never } ? Name : never;
}[keyof Rules];

/** The type of a body that its rules accept. */
export type FieldValues<Rules extends FieldRules> = { [Name in Surely<Rules>]: ValueOf<Rules[Name]> } & {
  [Name in Exclude<keyof Rules, Surely<Rules>>]?: ValueOf<Rules[Name]>;
};

const largestInteger = 2 ** 31 - 1;

/** Returns what is wrong with a body: an unknown, missing or wrongly typed field. */
export function fieldFault(body: Record<string, unknown>, rules: FieldRules, version: string): string | undefined {
  for (const name of Object.keys(body)) {
    const rule = Object.hasOwn(rules, name) ? rules[name] : undefined;
    if (!rule) return `unknown field ${name}`;
    if (rule.since && !hasVersion(version, rule.since)) return `field ${name} needs server ${rule.since}`;
    const fault = valueFault(body[name], rule);
    if (fault) return `field ${name} ${fault}`;
  }
  for (const name of Object.keys(rules)) {
    const rule = rules[name];
    if (!rule?.mandatory || Object.hasOwn(body, name)) continue;
    if (!rule.since || hasVersion(version, rule.since)) return `field ${name} is missing`;
  }
  return undefined;
}

function valueFault(value: unknown, rule: FieldRule): string | undefined {
  const type = value === null ? 'null' : typeof value;
  if (type !== rule.type) return `must be a ${rule.type}, not ${type}`;
  if (typeof value === 'number') {
    if (!Number.isInteger(value) || value < 0 || value > largestInteger) return 'must be a whole number of 0 to 2^31-1';
    if (rule.allow && !rule.allow.includes(value)) return `must be one of ${rule.allow.join(', ')}`;
  }
  if (typeof value === 'string') {
    if (rule.pattern && !rule.pattern.test(value)) return 'has the wrong form';
    return rule.check?.(value);
  }
  return undefined;
}

/** Reads a JSON object; no bytes are an empty one, as on the vendor's server. */
export function readJsonObject(bytes: Buffer): { body: Record<string, unknown> } | { fault: string } {
  if (bytes.length === 0) return { body: {} };
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes));
  } catch {
    return { fault: 'the body is not JSON in UTF-8' };
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    return { fault: 'the body is no JSON object' };
  return { body: value as Record<string, unknown> };
}

const encoded = /^(?:[A-Za-z0-9\-._~!*'()&=]|%[0-9A-Fa-f]{2})*$/;
const wholeNumber = /^(?:0|[1-9]\d{0,9})$/;

/**
 * Returns what is wrong with a query string: a character that should be percent-encoded (`@`, `+`), an unknown, repeated
 * or missing parameter. `optional` ones are whole numbers.
 */
export function queryFault(
  target: string,
  query: URLSearchParams,
  mandatory: readonly string[],
  optional: readonly string[] = [],
): string | undefined {
  const mark = target.indexOf('?');
  if (mark >= 0 && !encoded.test(target.slice(mark + 1))) return 'the query is not percent-encoded';
  let found = 0;
  const seen = new Set<string>();
  for (const [name, value] of query) {
    if (seen.has(name)) return `parameter ${name} is repeated`;
    seen.add(name);
    if (mandatory.includes(name)) found += 1;
    else if (!optional.includes(name)) return `unknown parameter ${name}`;
    else if (!wholeNumber.test(value) || Number(value) > largestInteger)
      return `parameter ${name} must be a whole number`;
  }
  if (found === mandatory.length) return undefined;
  return `parameter ${mandatory.find((name) => !seen.has(name))} is missing`;
}

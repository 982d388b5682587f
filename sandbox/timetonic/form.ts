import { parseExact } from './exact-json.ts';
import { refused } from './refusal.ts';

type Kind = 'text' | 'any' | 'int' | 'bigint' | 'boolean' | 'json' | 'id' | 'rowId' | 'idList' | 'phone';

/** What a field may hold: a kind, with `?` when it may be left out or empty; a list names all values of an optional field. */
export type FieldRule = Kind | `${Kind}?` | readonly string[];

const forms: Record<Exclude<Kind, 'json'>, RegExp> = {
  text: /\S/,
  any: /^/,
  int: /^-?\d{1,15}$/,
  bigint: /^-?\d{1,19}$/,
  boolean: /^(?:true|false|TRUE|FALSE|0|1)$/,
  id: /^\d{1,19}$/,
  rowId: /^(?:\d{1,19}|tmp.*)$/,
  idList: /^\s*\d{1,19}(?:\s*,\s*\d{1,19})*\s*$/,
  phone: /^\+?\d{6,15}$/,
};

/** The fields of one request, already checked against its rules. */
export class Form {
  readonly #values: ReadonlyMap<string, string>;

  constructor(values: ReadonlyMap<string, string>) {
    this.#values = values;
  }

  /** The value of a field, or undefined if it was omitted or sent empty. */
  maybe(name: string): string | undefined {
    const value = this.#values.get(name);
    return value === '' ? undefined : value;
  }

  /** The value of a mandatory field. */
  text(name: string): string {
    return this.#values.get(name) ?? '';
  }

  number(name: string, fallback: number): number {
    const value = this.maybe(name);
    return value === undefined ? fallback : Number(value);
  }

  flag(name: string, fallback = false): boolean {
    const value = this.maybe(name);
    return value === undefined ? fallback : /^(?:true|1)$/i.test(value);
  }

  json(name: string): unknown {
    return parseExact(this.text(name));
  }

  ids(name: string): string[] {
    return this.text(name)
      .split(',')
      .map((id) => id.trim());
  }
}

/** Checks fields against rules; throws the vendor's refusal for the first that is unknown, missing or of the wrong kind. */
export function checkFields(values: ReadonlyMap<string, string>, rules: Readonly<Record<string, FieldRule>>): Form {
  for (const name of values.keys()) {
    if (!Object.hasOwn(rules, name)) throw refused(`unknown parameter ${name}`);
  }
  for (const [name, rule] of Object.entries(rules)) checkField(name, values.get(name), rule);
  return new Form(values);
}

function checkField(name: string, value: string | undefined, rule: FieldRule): void {
  if (typeof rule !== 'string') {
    if (value && !rule.includes(value)) throw refused(`invalid ${name}: must be one of ${rule.join(', ')}`);
    return;
  }
  const optional = rule.endsWith('?');
  const kind = (optional ? rule.slice(0, -1) : rule) as Kind;
  if (value === undefined && !optional) throw refused(`missing parameter ${name}`);
  if (value === undefined || (value === '' && optional)) return;
  if (kind === 'json' ? !isJson(value) : !forms[kind].test(value)) throw refused(`invalid ${name}: must be ${kind}`);
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

/** Reads a form-encoded body; a repeated name is refused. */
export function parseForm(body: string): Map<string, string> {
  const values = new Map<string, string>();
  for (const [name, value] of new URLSearchParams(body)) {
    if (values.has(name)) throw refused(`parameter ${name} was sent twice`);
    values.set(name, value);
  }
  return values;
}

/** An object with text keys. Anything else is refused with the name of the field. */
export function asObject(value: unknown, name: string): Record<string, unknown> {
  if (value === null || typeof value !== 'object' || Array.isArray(value))
    throw refused(`invalid ${name}: must be a json object`);
  return value as Record<string, unknown>;
}

/** Refuses keys that an object may not have. */
export function onlyKeys(value: Record<string, unknown>, allowed: readonly string[], name: string): void {
  const unknown = Object.keys(value).find((key) => !allowed.includes(key));
  if (unknown !== undefined) throw refused(`invalid ${name}: unknown key ${unknown}`);
}

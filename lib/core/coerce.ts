import * as z from 'zod/mini';
import { refusedField } from './errors.ts';
import { definitionOf } from './schema-definition.ts';

/**
 * An input as tools send it, brought to what its schema asks for: numbers and booleans that are written as text, JSON text for
 * lists and objects, null for an optional field, and an empty text for one that is not text. Values that already fit are kept.
 */
export function coerce(schema: z.core.$ZodType, value: unknown): unknown {
  if (z.safeParse(schema, value).success) return value;
  const def = definitionOf(schema);
  if (def.innerType) {
    const empty = value === null || (value === '' && !takesText(def.innerType));
    if (empty && def.type !== 'nullable') return undefined;
    return empty ? null : coerce(def.innerType, value);
  }
  switch (def.type) {
    case 'number':
      return typeof value === 'string' && /^-?\d+(\.\d+)?([eE][+-]?\d+)?$/.test(value) ? exactNumber(value) : value;
    case 'boolean':
      return value === 'true' ? true : value === 'false' ? false : value;
    case 'literal':
      return typeof value === 'string' ? (def.values?.find((each) => String(each) === value) ?? value) : value;
    case 'pipe':
      return def.in ? coerce(def.in, value) : value;
    case 'array': {
      const list = parsed(value);
      return Array.isArray(list) ? list.map((item) => (def.element ? coerce(def.element, item) : item)) : value;
    }
    case 'object':
    case 'record': {
      const record = parsed(value);
      if (record === null || typeof record !== 'object' || Array.isArray(record)) return value;
      return Object.fromEntries(
        Object.entries(record).flatMap(([name, each]) => {
          const field = def.shape && Object.hasOwn(def.shape, name) ? def.shape[name] : def.valueType;
          const coerced = field ? coerce(field, each) : each;
          return coerced === undefined ? [] : [[name, coerced]];
        }),
      );
    }
    case 'union':
      for (const option of def.options ?? []) {
        const coerced = coerce(option, value);
        if (z.safeParse(option, coerced).success) return coerced;
      }
      return value;
    default:
      return value;
  }
}

/**
 * The input that a query expresses; an empty value counts as absent. A repeated name is a list where the schema
 * takes one. Throws `invalid_input` where it does not.
 */
export function coerceQuery(
  shape: Readonly<Record<string, z.core.$ZodType>>,
  query: Iterable<[string, string]>,
): Record<string, unknown> {
  const given = new Map<string, string[]>();
  for (const [name, text] of query) given.set(name, [...(given.get(name) ?? []), text]);
  const entries: [string, unknown][] = [];
  for (const [name, texts] of given) {
    const field = Object.hasOwn(shape, name) ? shape[name] : undefined;
    const [text = ''] = texts;
    if (texts.length > 1 && !(field && takesList(field))) {
      throw refusedField(`/${name.slice(0, 100)}`, 'is given more than once');
    }
    if (!field) entries.push([name, text]);
    else if (texts.length > 1) entries.push([name, coerce(field, texts)]);
    else if (text !== '' || field._zod.optin !== 'optional') {
      const coerced = coerce(field, text);
      entries.push([name, coerced === text && takesList(field) && !takesText(field) ? coerce(field, [text]) : coerced]);
    }
  }
  return Object.fromEntries(entries);
}

const takesText = (schema: z.core.$ZodType) => takes(schema, 'string');
const takesList = (schema: z.core.$ZodType) => takes(schema, 'array');

/** Whether one of the forms of a value is of a type. */
function takes(schema: z.core.$ZodType, type: 'string' | 'array'): boolean {
  const def = definitionOf(schema);
  if (def.type === type) return true;
  const inner = [...(def.options ?? []), def.innerType, def.type === 'pipe' ? def.in : undefined];
  return inner.some((each) => each !== undefined && takes(each, type));
}

/** A number whose digits would be lost stays text, which the schema refuses. */
function exactNumber(text: string): unknown {
  const number = Number(text);
  return Number.isInteger(number) && !Number.isSafeInteger(number) ? text : number;
}

function parsed(value: unknown): unknown {
  if (typeof value !== 'string') return value;
  try {
    return JSON.parse(value);
  } catch {
    return value;
  }
}

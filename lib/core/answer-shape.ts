import * as z from 'zod/mini';
import { isRecord } from './record.ts';
import { definitionOf } from './schema-definition.ts';

/** A vendor's response, normalised where it matches the declared form, and the JSON pointers of the parts that do not match. */
export interface Shaped {
  body: unknown;
  mismatches: string[];
}

/** How many mismatches are named. One response may contain thousands of the same kind. */
const maxMismatches = 20;

/**
 * Normalises an answer by its schema. Whatever does not fit stays as the vendor sent it, and its neighbours are normalised
 * all the same: an answer that differs from its description is still an answer.
 */
export function normalizeAnswer(schema: z.core.$ZodType, answer: unknown): Shaped {
  const mismatches = new Set<string>();
  const body = shape(schema, answer, answer, '', mismatches);
  return { body, mismatches: [...mismatches].slice(0, maxMismatches) };
}

/** `original` is the same place in the raw response, because a transform may already have changed `value`. */
function shape(
  schema: z.core.$ZodType,
  value: unknown,
  original: unknown,
  pointer: string,
  mismatches: Set<string>,
): unknown {
  const parsed = attempt(() => z.safeParse(schema, value));
  if (parsed?.success) return parsed.data;
  const def = definitionOf(schema);
  if (def.innerType && value !== undefined && value !== null) {
    return shape(def.innerType, value, original, pointer, mismatches);
  }
  if (def.type === 'pipe' && def.in && def.out) {
    const { in: first, out } = def;
    if (first._zod.def.type === 'transform') {
      const changed = attempt(() => z.safeParse(first, value));
      if (changed?.success) return shape(out, changed.data, original, pointer, mismatches);
    }
    if (out._zod.def.type === 'transform') {
      const inner = shape(first, value, original, pointer, new Set());
      const whole = attempt(() => z.safeParse(schema, inner));
      if (whole?.success) return whole.data;
    }
  }
  if (def.type === 'union') {
    const forms = (def.options ?? []).filter((option) => kindOf(option) === kind(value));
    const [only] = forms;
    if (only && forms.length === 1) return shape(only, value, original, pointer, mismatches);
  }
  if (def.type === 'array' && def.element && Array.isArray(value)) {
    const { element } = def;
    return value.map((item, at) => shape(element, item, child(original, at), `${pointer}/${at}`, mismatches));
  }
  if (isRecord(value) && (def.shape || def.valueType)) {
    const names = [...new Set([...Object.keys(value), ...Object.keys(def.shape ?? {})])];
    return Object.fromEntries(
      names.flatMap((name) => {
        const field = def.shape && Object.hasOwn(def.shape, name) ? def.shape[name] : def.valueType;
        if (!field) return [[name, value[name]]];
        const own = Object.hasOwn(value, name) ? value[name] : undefined;
        const shaped = shape(field, own, child(original, name), `${pointer}/${escaped(name)}`, mismatches);
        return shaped === undefined ? [] : [[name, shaped]];
      }),
    );
  }
  mismatches.add(pointer);
  return original === undefined ? value : original;
}

function attempt<T>(run: () => T): T | undefined {
  try {
    return run();
  } catch {
    // A transform that works on the documented form only.
    return undefined;
  }
}

function kindOf(schema: z.core.$ZodType): string {
  const { type } = schema._zod.def;
  return type === 'record' ? 'object' : type;
}

function kind(value: unknown): string {
  if (Array.isArray(value)) return 'array';
  return value === null ? 'null' : typeof value;
}

function child(parent: unknown, key: string | number): unknown {
  return parent !== null && typeof parent === 'object' && Object.hasOwn(parent, key)
    ? (parent as Record<string | number, unknown>)[key]
    : undefined;
}

function escaped(name: string): string {
  return name.replaceAll('~', '~0').replaceAll('/', '~1').slice(0, 100);
}

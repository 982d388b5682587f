import * as z from 'zod/mini';
import { samplesOf } from './sample.ts';
import { isSchema, type JsonSchema, nameKeyword, subSchemas } from './schema.ts';

/** The JSON Schema of a zod schema as zod gives it, made plainer: what says nothing is left out. `$defs` may remain. */
export function plainSchema(schema: z.core.$ZodType, io: 'input' | 'output'): JsonSchema {
  const made = namedSchema(schema, io);
  forgetNames(made);
  return made;
}

/** The same with the names of its parts, each under `nameKeyword`. */
export function namedSchema(schema: z.core.$ZodType, io: 'input' | 'output'): JsonSchema {
  const made = z.toJSONSchema(schema, {
    io,
    unrepresentable: 'any',
    target: 'draft-2020-12',
    override: ({ zodSchema, jsonSchema }) => {
      if (io === 'output') Object.assign(jsonSchema, resultType(zodSchema));
    },
  }) as JsonSchema;
  delete made.$schema;
  tidy(made, io);
  return made;
}

/** Zod cannot say what a transform gives, so its type is that of its results for samples of what it takes. */
function resultType(schema: z.core.$ZodType): JsonSchema {
  const pipe = schema as z.core.$ZodPipe;
  if (pipe._zod.def.type !== 'pipe' || pipe._zod.def.out._zod.def.type !== 'transform') return {};
  const taken = z.toJSONSchema(pipe._zod.def.in, { io: 'output', unrepresentable: 'any' }) as JsonSchema;
  const types = new Set(samplesOf(taken).flatMap((sample) => typeOfResult(pipe, sample)));
  return types.size === 0 ? {} : { type: types.size === 1 ? [...types][0] : [...types].sort() };
}

function typeOfResult(pipe: z.core.$ZodPipe, sample: unknown): string[] {
  try {
    const { success, data } = z.safeParse(pipe, sample);
    if (!success || data === undefined || Number.isNaN(data)) return [];
    return [data === null ? 'null' : Array.isArray(data) ? 'array' : typeof data];
  } catch {
    // A transform that works on other texts only.
    return [];
  }
}

/** Removes the names of a schema and its parts. */
export function forgetNames(schema: JsonSchema): void {
  delete schema[nameKeyword];
  for (const inner of subSchemas(schema)) forgetNames(inner.schema);
}

function tidy(schema: JsonSchema, io: 'input' | 'output'): void {
  for (const inner of subSchemas(schema)) tidy(inner.schema, io);
  if (schema.type === 'integer') {
    if (schema.minimum === Number.MIN_SAFE_INTEGER) delete schema.minimum;
    if (schema.maximum === Number.MAX_SAFE_INTEGER) delete schema.maximum;
  }
  if (isSchema(schema.additionalProperties) && Object.keys(schema.additionalProperties).length === 0) {
    delete schema.additionalProperties;
  }
  // Generators take an object without properties for one that may have none.
  if (schema.type === 'object' && schema.properties === undefined && schema.additionalProperties === undefined) {
    schema.additionalProperties = true;
  }
  if (isSchema(schema.propertyNames) && Object.keys(schema.propertyNames).join() === 'type')
    delete schema.propertyNames;
  // An answer's format is enough to read it; the pattern matters only to who must meet it.
  if (io === 'output' && schema.format !== undefined) delete schema.pattern;
  joinConstants(schema);
}

/** A union of literals is an enum. */
function joinConstants(schema: JsonSchema): void {
  const { anyOf } = schema;
  if (!Array.isArray(anyOf) || anyOf.length === 0) return;
  const first: unknown = anyOf[0];
  const alike = anyOf.every(
    (each) =>
      isSchema(each) &&
      isSchema(first) &&
      Object.hasOwn(each, 'const') &&
      each.type === first.type &&
      Object.keys(each).every((keyword) => keyword === 'const' || keyword === 'type'),
  );
  if (!alike || !isSchema(first)) return;
  delete schema.anyOf;
  if (first.type !== undefined) schema.type = first.type;
  schema.enum = anyOf.map((each: JsonSchema) => each.const);
}

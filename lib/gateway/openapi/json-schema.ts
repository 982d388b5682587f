import * as z from 'zod/mini';

/** A JSON Schema of the 2020-12 dialect, which is OpenAPI 3.1's own. */
export type JsonSchema = { [keyword: string]: unknown };

/** Where a schema stands: its name under `components/schemas` derives from it. */
export interface Place {
  /** Put before every name: the vendor's, or nothing for our own. */
  prefix: string;
  operation: string;
  /** What the operation answers with, not what it takes. */
  answer: boolean;
}

/** The direct sub-schemas of a schema, each with a way to replace it and the word that leads to it. */
export function* subSchemas(
  schema: JsonSchema,
): Generator<{ word: string; list: boolean; schema: JsonSchema; replace: (other: JsonSchema) => void }> {
  for (const keyword of ['items', 'additionalProperties', 'propertyNames', 'not', 'contains']) {
    const inner = schema[keyword];
    if (isSchema(inner)) {
      const replace = (other: JsonSchema) => {
        schema[keyword] = other;
      };
      yield { word: '', list: true, schema: inner, replace };
    }
  }
  for (const keyword of ['anyOf', 'oneOf', 'allOf', 'prefixItems']) {
    const list = schema[keyword];
    if (!Array.isArray(list)) continue;
    for (const [at, inner] of list.entries()) {
      if (!isSchema(inner)) continue;
      const replace = (other: JsonSchema) => {
        list[at] = other;
      };
      yield { word: '', list: false, schema: inner, replace };
    }
  }
  for (const keyword of ['properties', 'patternProperties', '$defs']) {
    const record = schema[keyword];
    if (!isSchema(record)) continue;
    for (const [word, inner] of Object.entries(record)) {
      if (!isSchema(inner)) continue;
      const replace = (other: JsonSchema) => {
        record[word] = other;
      };
      yield { word, list: false, schema: inner as JsonSchema, replace };
    }
  }
}

/** The JSON Schema of a zod schema as zod gives it, made plainer: what says nothing is left out. `$defs` may remain. */
export function plainSchema(schema: z.core.$ZodType, io: 'input' | 'output'): JsonSchema {
  const made = z.toJSONSchema(schema, { io, unrepresentable: 'any', target: 'draft-2020-12' }) as JsonSchema;
  delete made.$schema;
  delete made['~standard'];
  tidy(made, io);
  return made;
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

/** True for a schema that is written as an object (`true` and `false` are schemas too, with nothing inside). */
export function isSchema(value: unknown): value is JsonSchema {
  return value !== null && typeof value === 'object' && !Array.isArray(value);
}

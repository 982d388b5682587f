/** A JSON Schema of the 2020-12 dialect, which is OpenAPI 3.1's own. */
export type JsonSchema = { [keyword: string]: unknown };

/** The keyword under which a schema carries its name until it is published. */
export const nameKeyword = 'x-component';

/** The direct sub-schemas of a schema, each with a way to replace it. */
export function* subSchemas(
  schema: JsonSchema,
): Generator<{ schema: JsonSchema; replace: (other: JsonSchema) => void }> {
  for (const keyword of ['items', 'additionalProperties', 'propertyNames', 'not', 'contains']) {
    const inner = schema[keyword];
    if (isSchema(inner)) {
      const replace = (other: JsonSchema) => {
        schema[keyword] = other;
      };
      yield { schema: inner, replace };
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
      yield { schema: inner, replace };
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
      yield { schema: inner as JsonSchema, replace };
    }
  }
}

/** True for a schema that is written as an object (`true` and `false` are schemas too, with nothing inside). */
export function isSchema(value: unknown): value is JsonSchema {
  return value !== null && typeof value === 'object' && !Array.isArray(value);
}

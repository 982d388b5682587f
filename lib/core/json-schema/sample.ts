import { isSchema, type JsonSchema } from './schema.ts';

/** Texts to try where a field demands a pattern. */
const texts = [
  'text',
  'a',
  '1',
  '12',
  'aGVsbG8=',
  '2026-01',
  '2026-01-15',
  '2026-01-15T12:00:00Z',
  '12:00',
  '1.0',
  'a.b',
];

const textOfFormat: Readonly<Record<string, string>> = {
  'date-time': '2026-01-15T12:00:00Z',
  date: '2026-01-15',
  time: '12:00:00',
  email: 'kim@example.com',
  uri: 'https://example.com/',
  uuid: '3f0c3a52-6a1f-4a0e-9d7e-0c9d1c7a5b11',
};

/** A value that satisfies a schema as far as the schema is known: samples first, then defaults, then the minimum required. */
export function sampleOf(schema: JsonSchema): unknown {
  if (Array.isArray(schema.examples) && schema.examples.length > 0) return schema.examples[0];
  if (Object.hasOwn(schema, 'default')) return schema.default;
  if (Object.hasOwn(schema, 'const')) return schema.const;
  if (Array.isArray(schema.enum)) return schema.enum[0];
  for (const keyword of ['anyOf', 'oneOf', 'allOf']) {
    const list = schema[keyword];
    const first: unknown = Array.isArray(list) ? list[0] : undefined;
    if (isSchema(first)) return sampleOf(first);
  }
  const type: unknown = Array.isArray(schema.type) ? schema.type[0] : schema.type;
  switch (type) {
    case 'object':
      return sampleObject(schema);
    case 'array':
      return Array.from({ length: numberOf(schema.minItems, 0) }, () =>
        isSchema(schema.items) ? sampleOf(schema.items) : 'text',
      );
    case 'string':
      return sampleText(schema);
    case 'integer':
    case 'number':
      return Math.min(
        Math.max(1, numberOf(schema.minimum, 1), numberOf(schema.exclusiveMinimum, 0) + 1),
        numberOf(schema.maximum, Number.MAX_SAFE_INTEGER),
      );
    case 'boolean':
      return true;
    case 'null':
      return null;
    default:
      return 'text';
  }
}

/** One value for each form that a schema takes; texts come as words and as digits. */
export function samplesOf(schema: JsonSchema): unknown[] {
  const forms = [schema.anyOf, schema.oneOf].find(Array.isArray);
  if (forms) return forms.flatMap((form: unknown) => (isSchema(form) ? samplesOf(form) : []));
  if (Array.isArray(schema.type)) return schema.type.flatMap((type: unknown) => samplesOf({ ...schema, type }));
  return schema.type === 'string' ? [sampleOf(schema), '12'] : [sampleOf(schema)];
}

function sampleObject(schema: JsonSchema): Record<string, unknown> {
  const properties = isSchema(schema.properties) ? schema.properties : {};
  const required = Array.isArray(schema.required) ? schema.required.map(String) : [];
  return Object.fromEntries(
    required.map((name) => {
      const inner = Object.hasOwn(properties, name) ? properties[name] : undefined;
      return [name, isSchema(inner) ? sampleOf(inner) : 'text'];
    }),
  );
}

function sampleText(schema: JsonSchema): string {
  const format = typeof schema.format === 'string' ? schema.format : '';
  const least = numberOf(schema.minLength, 0);
  const given = Object.hasOwn(textOfFormat, format) ? textOfFormat[format] : undefined;
  const candidates = given === undefined ? texts : [given, ...texts];
  const pattern = typeof schema.pattern === 'string' ? new RegExp(schema.pattern, 'u') : undefined;
  const fits = (text: string) => (pattern?.test(text) ?? true) && text.length <= numberOf(schema.maxLength, 1e6);
  const long = candidates.map((text) => (text.length < least ? text.padEnd(least, text) : text));
  return long.find(fits) ?? 'text';
}

function numberOf(value: unknown, fallback: number): number {
  return typeof value === 'number' ? value : fallback;
}

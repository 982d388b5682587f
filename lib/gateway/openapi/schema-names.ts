import { isSchema, type JsonSchema, subSchemas } from './schema.ts';

/** Where a schema stands: its name under `components/schemas` derives from it. */
export interface Place {
  /** Put before every name: the vendor's, or nothing for our own. */
  prefix: string;
  operation: string;
  /** What the operation answers with, not what it takes. */
  answer: boolean;
}

/** A name for a schema; of several the one with the lowest rank is taken, then the shortest. */
export interface SchemaName {
  name: string;
  rank: number;
}

/** `getUser` answers a `User`; an answer of one field is named after it; the rest after the operation. */
export function rootName(schema: JsonSchema, { prefix, operation, answer }: Place): SchemaName {
  const noun = answer ? operation.match(/^get([A-Z]\w*)$/)?.[1] : undefined;
  if (noun !== undefined) return { name: `${prefix}${noun}`, rank: 1 };
  const [only, ...more] = isSchema(schema.properties) ? Object.keys(schema.properties) : [];
  if (answer && only !== undefined && more.length === 0) return { name: `${prefix}${pascalCase(only)}`, rank: 4 };
  return { name: `${prefix}${pascalCase(operation)}${answer ? 'Answer' : 'Input'}`, rank: 5 };
}

/** The sub-schemas of a schema with their names: those in a list in the singular of the field that holds it, others after their field. */
export function* namedSubSchemas(
  schema: JsonSchema,
  prefix: string,
  around: string,
): Generator<SchemaName & { schema: JsonSchema }> {
  for (const { word, list, schema: inner } of subSchemas(schema)) {
    const own = word === '' ? around.slice(prefix.length) : pascalCase(word);
    yield { schema: inner, name: `${prefix}${list ? singular(own) : own}`, rank: list ? 2 : 3 };
  }
}

/** The name of the first place that refers to `target`. */
export function nameOfReference(
  schema: JsonSchema,
  target: string,
  prefix: string,
  around: string,
): string | undefined {
  if (schema.$ref === target) return around;
  for (const inner of namedSubSchemas(schema, prefix, around)) {
    const found = nameOfReference(inner.schema, target, prefix, inner.name);
    if (found !== undefined) return found;
  }
  return undefined;
}

/** Words in one, each with a capital: `room.created` is `RoomCreated`. */
export function pascalCase(words: string): string {
  const joined = words.replace(/[^A-Za-z0-9]+(\w?)/g, (_, next: string) => next.toUpperCase());
  return joined.charAt(0).toUpperCase() + joined.slice(1);
}

function singular(word: string): string {
  if (/(ss|us|is)$/.test(word)) return word;
  if (/ies$/.test(word)) return word.replace(/ies$/, 'y');
  return word.replace(/s$/, '');
}

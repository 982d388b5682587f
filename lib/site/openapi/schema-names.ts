import { isSchema, type JsonSchema, subSchemas } from '../../core/json-schema/schema.ts';

/** The place of a schema: its name under `components/schemas` derives from it. */
export interface Place {
  /** Put before every name: the vendor's, or nothing for our own. */
  prefix: string;
  operation: string;
  /** The schema is the operation's output, not its input. */
  answer: boolean;
  /** An explicit name, if the operation's name does not fit. */
  name?: string;
}

/** A name for a schema; of several the one with the lowest rank is taken, then the shortest. */
export interface SchemaName {
  name: string;
  rank: number;
}

/** `getUser` answers a `User`; an answer of one field is named after it; the rest after the operation. */
export function rootName(schema: JsonSchema, { prefix, operation, answer, name }: Place): SchemaName {
  if (name !== undefined) return { name: `${prefix}${name}`, rank: 0 };
  const noun = answer ? operation.match(/^get([A-Z]\w*)$/)?.[1] : undefined;
  if (noun !== undefined) return { name: `${prefix}${noun}`, rank: 1 };
  const [only, ...more] = isSchema(schema.properties) ? Object.keys(schema.properties) : [];
  if (answer && only !== undefined && more.length === 0) return { name: `${prefix}${pascalCase(only)}`, rank: 4 };
  return { name: `${prefix}${pascalCase(operation)}${answer ? 'Answer' : 'Input'}`, rank: 5 };
}

/**
 * The sub-schemas of a schema with their names: those in a list in the singular of the field that holds it, the forms of a union
 * after what distinguishes them, others after their field.
 */
export function* namedSubSchemas(
  schema: JsonSchema,
  prefix: string,
  around: string,
): Generator<SchemaName & { schema: JsonSchema }> {
  const here = around.slice(prefix.length);
  for (const { word, list, schema: inner } of subSchemas(schema)) {
    if (list) yield { schema: inner, name: `${prefix}${singular(here)}`, rank: 2 };
    else if (word === '') yield { schema: inner, name: `${prefix}${here}${mark(inner)}`, rank: 3 };
    else yield { schema: inner, name: `${prefix}${word === 'data' ? here : ''}${pascalCase(word)}`, rank: 3 };
  }
}

/** What distinguishes one form of a union from the others: its only constant, else its first required field. */
function mark(form: JsonSchema): string {
  const properties = isSchema(form.properties) ? form.properties : {};
  const constant = Object.values(properties).find((each) => isSchema(each) && typeof each.const === 'string');
  if (isSchema(constant)) return pascalCase(String(constant.const));
  const [first] = Array.isArray(form.required) ? form.required : [];
  return typeof first === 'string' ? pascalCase(first) : '';
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

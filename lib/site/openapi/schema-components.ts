import type * as z from 'zod/mini';
import { namedSchema } from '../../core/json-schema/plain.ts';
import { isSchema, type JsonSchema, nameKeyword, subSchemas } from '../../core/json-schema/schema.ts';
import { pascalCase } from '../../core/pascal-case.ts';

/** Where a schema is used. */
export interface Place {
  /** Put before every name: the vendor's, or nothing for our own. */
  prefix: string;
  operation: string;
  /** The schema is the operation's output, not its input. */
  answer: boolean;
}

/** A named schema as JSON, where it is part of an input and where it is part of an output. */
type Forms = Partial<Record<'input' | 'output', string>>;

/**
 * Collects the schemas of the document. Those that carry a name (`named` in `lib/core/field.ts`) move to `components/schemas`. So do
 * answers without one, under the name of their operation, because clients are generated from them.
 */
export class SchemaComponents {
  readonly components: Record<string, JsonSchema> = {};
  readonly #roots: { schema: JsonSchema; place: Place }[] = [];
  readonly #forms = new Map<string, Forms>();

  /** Puts a schema of our own under a fixed name. */
  define(name: string, schema: JsonSchema): JsonSchema {
    this.components[name] = schema;
    return reference(name);
  }

  /** The schema of a zod declaration, to be put into the document unchanged; `share` changes it in place later. */
  of(schema: z.core.$ZodType, place: Place): JsonSchema {
    const { $defs, ...made } = namedSchema(schema, place.answer ? 'output' : 'input');
    const isObject = isSchema(made.properties) && Object.keys(made.properties).length > 0;
    if (place.answer && isObject) made[nameKeyword] ??= `${pascalCase(place.operation)}Answer`;
    const definitions = Object.entries(isSchema($defs) ? $defs : {}) as [string, JsonSchema][];
    const named = new Map([['#', made], ...definitions.map(([key, inner]) => [`#/$defs/${key}`, inner] as const)]);
    for (const root of named.values()) {
      nameReferences(root, named);
      this.#roots.push({ schema: root, place });
    }
    return made;
  }

  /** Moves what has a name to the components. Called once, when all schemas are in. */
  share(): void {
    for (const { schema, place } of this.#roots) this.#note(schema, place);
    for (const { schema, place } of this.#roots) {
      const shared = this.#shared(schema, place);
      if (shared === schema) continue;
      for (const keyword of Object.keys(schema)) delete schema[keyword];
      Object.assign(schema, shared);
    }
  }

  #note(schema: JsonSchema, place: Place): void {
    const name = nameOf(schema, place);
    if (name !== undefined && schema.$ref === undefined) {
      const forms = this.#forms.get(name) ?? {};
      const form = place.answer ? 'output' : 'input';
      const text = JSON.stringify(schema);
      if (forms[form] !== undefined && forms[form] !== text)
        throw new Error(`Two different schemas are called ${name}, the second one in ${place.operation}`);
      forms[form] = text;
      this.#forms.set(name, forms);
    }
    for (const inner of subSchemas(schema)) this.#note(inner.schema, place);
  }

  #shared(schema: JsonSchema, place: Place): JsonSchema {
    const name = nameOf(schema, place);
    for (const inner of subSchemas(schema)) inner.replace(this.#shared(inner.schema, place));
    if (name === undefined) return schema;
    const { input, output = input } = this.#forms.get(name) ?? {};
    const published = place.answer || input === output ? name : `${name}Input`;
    const { [nameKeyword]: _, ...rest } = schema;
    if (schema.$ref === undefined) this.components[published] = rest;
    return reference(published);
  }
}

/** Gives what refers to a schema around it, or to a definition beside it, the name of that schema. */
function nameReferences(schema: JsonSchema, named: ReadonlyMap<unknown, JsonSchema>): void {
  if (schema.$ref !== undefined) {
    const name = named.get(schema.$ref)?.[nameKeyword];
    if (name === undefined) throw new Error('A schema that holds itself needs a name: see named in lib/core/field.ts');
    schema[nameKeyword] = name;
  }
  for (const inner of subSchemas(schema)) nameReferences(inner.schema, named);
}

function nameOf(schema: JsonSchema, { prefix }: Place): string | undefined {
  const name = schema[nameKeyword];
  return typeof name === 'string' ? `${prefix}${name}` : undefined;
}

function reference(name: string): JsonSchema {
  return { $ref: `#/components/schemas/${name}` };
}

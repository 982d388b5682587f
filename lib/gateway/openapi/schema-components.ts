import type * as z from 'zod/mini';
import { plainSchema } from './plain-schema.ts';
import { isSchema, type JsonSchema, subSchemas } from './schema.ts';

/** Where a schema stands: its name under `components/schemas` derives from it. */
export interface Place {
  /** Put before every name: the vendor's, or nothing for our own. */
  prefix: string;
  operation: string;
  /** What the operation answers with, not what it takes. */
  answer: boolean;
}

interface Seen {
  count: number;
  /** The best name so far; the lower the rank, the better. */
  name: string;
  rank: number;
}

/** Collects the schemas of the document; what repeats, or refers to itself, moves to `components/schemas` under a name of its own. */
export class SchemaComponents {
  readonly components: Record<string, JsonSchema> = {};
  readonly #roots: { schema: JsonSchema; place: Place }[] = [];
  readonly #circular = new Map<string, JsonSchema>();

  /** Puts a schema of our own under a fixed name. */
  define(name: string, schema: JsonSchema): JsonSchema {
    this.components[name] = schema;
    return reference(name);
  }

  /** The schema of a zod declaration, to be put into the document as it is; `share` may change it in place later. */
  of(schema: z.core.$ZodType, place: Place): JsonSchema {
    const made = this.#withoutDefinitions(plainSchema(schema, place.answer ? 'output' : 'input'), place);
    this.#roots.push({ schema: made, place });
    return made;
  }

  /** Moves every answer, and every object that stands at two places or more, to the components. Called once, when all schemas are in. */
  share(): void {
    const seen = new Map<string, Seen>();
    for (const { schema, place } of this.#roots) {
      const called = rootName(schema, place);
      if (place.answer) {
        count(seen, schema, place, called);
        // An answer is worth a name even where it stands but once: clients are generated from it.
        const key = keyOf(schema);
        const known = key === undefined ? undefined : seen.get(key);
        if (known) known.count++;
      } else countInner(seen, schema, place, called.name);
    }
    const named = new Map<string, string>();
    for (const { schema, place } of this.#roots) {
      const shared = place.answer ? this.#shared(schema, seen, named) : this.#innerShared(schema, seen, named);
      if (shared === schema) continue;
      for (const keyword of Object.keys(schema)) delete schema[keyword];
      Object.assign(schema, shared);
    }
  }

  #shared(schema: JsonSchema, seen: ReadonlyMap<string, Seen>, named: Map<string, string>): JsonSchema {
    const key = keyOf(schema);
    const found = key === undefined ? undefined : seen.get(key);
    if (key !== undefined && found && found.count > 1) {
      let name = named.get(key);
      if (name === undefined) {
        name = this.#free(found.name);
        named.set(key, name);
        const copy = structuredClone(schema);
        this.components[name] = copy;
        this.#innerShared(copy, seen, named);
      }
      return reference(name);
    }
    return this.#innerShared(schema, seen, named);
  }

  #innerShared(schema: JsonSchema, seen: ReadonlyMap<string, Seen>, named: Map<string, string>): JsonSchema {
    for (const inner of subSchemas(schema)) inner.replace(this.#shared(inner.schema, seen, named));
    return schema;
  }

  /** What zod leaves under `$defs`, and what refers to its own root, goes to the components at once. */
  #withoutDefinitions(schema: JsonSchema, place: Place): JsonSchema {
    const text = JSON.stringify(schema);
    if (!text.includes('"$ref"')) return schema;
    const known = this.#circular.get(text);
    if (known) return structuredClone(known);
    const { $defs, ...rest } = schema;
    const base = rootName(schema, place).name;
    const names = new Map<string, string>();
    const definitions = Object.entries(isSchema($defs) ? $defs : {}).map(([key, inner]) => {
      const name = this.#free(key.startsWith('__') ? base : `${place.prefix}${capital(key)}`);
      this.components[name] = {};
      names.set(`#/$defs/${key}`, name);
      return { name, inner };
    });
    if (text.includes('"$ref":"#"')) {
      const name = this.#free(base);
      definitions.push({ name, inner: rest });
      names.set('#', name);
    }
    for (const { name, inner } of definitions) {
      this.components[name] = redirected(structuredClone(inner) as JsonSchema, names);
    }
    const root = names.get('#');
    const made = root === undefined ? redirected(structuredClone(rest), names) : reference(root);
    this.#circular.set(text, structuredClone(made));
    return made;
  }

  #free(name: string): string {
    if (!Object.hasOwn(this.components, name)) return name;
    for (let number = 2; ; number++) {
      if (!Object.hasOwn(this.components, `${name}${number}`)) return `${name}${number}`;
    }
  }
}

/** A reference to a schema of the components. */
export function reference(name: string): JsonSchema {
  return { $ref: `#/components/schemas/${name}` };
}

function redirected(schema: JsonSchema, names: ReadonlyMap<string, string>): JsonSchema {
  const target = typeof schema.$ref === 'string' ? names.get(schema.$ref) : undefined;
  if (target !== undefined) schema.$ref = `#/components/schemas/${target}`;
  for (const inner of subSchemas(schema)) redirected(inner.schema, names);
  return schema;
}

/** A repeat is not looked into again, so that its parts count once for all its places. */
function count(
  seen: Map<string, Seen>,
  schema: JsonSchema,
  place: Place,
  called: { name: string; rank: number },
): void {
  const key = keyOf(schema);
  if (key !== undefined) {
    const known = seen.get(key);
    if (known) {
      known.count++;
      const better = called.rank - known.rank || called.name.length - known.name.length;
      if (better < 0) Object.assign(known, called);
      return;
    }
    seen.set(key, { count: 1, ...called });
  }
  countInner(seen, schema, place, called.name);
}

/** The objects of a list are named in the singular of the field that holds it, other objects after their field. */
function countInner(seen: Map<string, Seen>, schema: JsonSchema, place: Place, around: string): void {
  for (const inner of subSchemas(schema)) {
    const word = inner.word === '' ? around.slice(place.prefix.length) : capital(inner.word);
    const name = `${place.prefix}${inner.list ? singular(word) : word}`;
    count(seen, inner.schema, place, { name, rank: inner.list ? 2 : 3 });
  }
}

/** Only objects with declared properties are worth a name. */
function keyOf(schema: JsonSchema): string | undefined {
  return isSchema(schema.properties) && Object.keys(schema.properties).length > 0 ? JSON.stringify(schema) : undefined;
}

/** `getUser` answers a `User`; an answer of one field is named after it; the rest after the operation. An input is never shared whole. */
function rootName(schema: JsonSchema, { prefix, operation, answer }: Place): { name: string; rank: number } {
  const noun = answer ? operation.match(/^get([A-Z]\w*)$/)?.[1] : undefined;
  if (noun !== undefined) return { name: `${prefix}${noun}`, rank: 1 };
  const [only, ...more] = isSchema(schema.properties) ? Object.keys(schema.properties) : [];
  if (answer && only !== undefined && more.length === 0) return { name: `${prefix}${capital(only)}`, rank: 4 };
  return { name: `${prefix}${capital(operation)}${answer ? 'Answer' : 'Input'}`, rank: 5 };
}

function singular(word: string): string {
  if (/(ss|us|is)$/.test(word)) return word;
  if (/ies$/.test(word)) return word.replace(/ies$/, 'y');
  return word.replace(/s$/, '');
}

function capital(word: string): string {
  const clean = word.replace(/[^A-Za-z0-9]+(\w?)/g, (_, next: string) => next.toUpperCase());
  return clean.charAt(0).toUpperCase() + clean.slice(1);
}

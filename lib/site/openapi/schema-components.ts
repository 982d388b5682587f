import type * as z from 'zod/mini';
import { plainSchema } from '../../core/json-schema/plain.ts';
import { isSchema, type JsonSchema, subSchemas } from '../../core/json-schema/schema.ts';
import { namedSubSchemas, nameOfReference, type Place, rootName, type SchemaName } from './schema-names.ts';

interface Seen extends SchemaName {
  count: number;
}

/** Collects the schemas of the document; what repeats, or refers to itself, moves to `components/schemas` under its own name. */
export class SchemaComponents {
  readonly components: Record<string, JsonSchema> = {};
  readonly #roots: { schema: JsonSchema; place: Place }[] = [];
  readonly #circular = new Map<string, JsonSchema>();
  readonly #seen = new Map<string, Seen>();
  readonly #names = new Map<string, string>();

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

  /**
   * Moves every answer, and every object that occurs at least twice, to the components. An input is never moved whole.
   * Called once, when all schemas are in.
   */
  share(): void {
    for (const { schema, place } of this.#roots) {
      const called = rootName(schema, place);
      if (place.answer) {
        this.#count(schema, place.prefix, called);
        // A response deserves a name even if it occurs only once: clients are generated from it.
        const seen = this.#seenOf(schema, place.prefix);
        if (seen) seen.count++;
      } else this.#countInner(schema, place.prefix, called.name);
    }
    for (const { schema, place } of this.#roots) {
      const shared = place.answer ? this.#shared(schema, place.prefix) : this.#innerShared(schema, place.prefix);
      if (shared === schema) continue;
      for (const keyword of Object.keys(schema)) delete schema[keyword];
      Object.assign(schema, shared);
    }
  }

  /** A repeat is not looked into again, so that its parts count once for all its places. */
  #count(schema: JsonSchema, prefix: string, called: SchemaName): void {
    const key = keyOf(schema, prefix);
    const known = key === undefined ? undefined : this.#seen.get(key);
    if (known) {
      known.count++;
      const better = called.rank - known.rank || called.name.length - known.name.length;
      if (better < 0) Object.assign(known, { name: called.name, rank: called.rank });
      return;
    }
    if (key !== undefined) this.#seen.set(key, { count: 1, name: called.name, rank: called.rank });
    this.#countInner(schema, prefix, called.name);
  }

  #countInner(schema: JsonSchema, prefix: string, around: string): void {
    for (const inner of namedSubSchemas(schema, prefix, around)) this.#count(inner.schema, prefix, inner);
  }

  #seenOf(schema: JsonSchema, prefix: string): Seen | undefined {
    const key = keyOf(schema, prefix);
    return key === undefined ? undefined : this.#seen.get(key);
  }

  #shared(schema: JsonSchema, prefix: string): JsonSchema {
    const key = keyOf(schema, prefix);
    const seen = this.#seenOf(schema, prefix);
    if (key === undefined || !seen || seen.count < 2) return this.#innerShared(schema, prefix);
    let name = this.#names.get(key);
    if (name === undefined) {
      name = this.#free(seen.name);
      this.#names.set(key, name);
      const copy = structuredClone(schema);
      this.components[name] = copy;
      this.#innerShared(copy, prefix);
    }
    return reference(name);
  }

  #innerShared(schema: JsonSchema, prefix: string): JsonSchema {
    for (const inner of subSchemas(schema)) inner.replace(this.#shared(inner.schema, prefix));
    return schema;
  }

  /** What zod leaves under `$defs`, and what refers to its own root, goes to the components at once. */
  #withoutDefinitions(schema: JsonSchema, place: Place): JsonSchema {
    const text = JSON.stringify(schema);
    if (!text.includes('"$ref"')) return schema;
    const known = this.#circular.get(`${place.prefix} ${text}`);
    if (known) return structuredClone(known);
    const { $defs, ...rest } = schema;
    const base = rootName(rest, place).name;
    const definitions = Object.entries(isSchema($defs) ? $defs : {}).map(([key, inner]) => {
      const target = `#/$defs/${key}`;
      const name = this.#reserve(nameOfReference(rest, target, place.prefix, base) ?? base);
      return { target, name, inner };
    });
    if (text.includes('"$ref":"#"')) definitions.push({ target: '#', name: this.#reserve(base), inner: rest });
    const names = new Map(definitions.map(({ target, name }) => [target, name]));
    for (const { name, inner } of definitions) {
      this.components[name] = redirected(structuredClone(inner) as JsonSchema, names);
    }
    const root = names.get('#');
    const made = root === undefined ? redirected(structuredClone(rest), names) : reference(root);
    this.#circular.set(`${place.prefix} ${text}`, structuredClone(made));
    return made;
  }

  #reserve(name: string): string {
    const free = this.#free(name);
    this.components[free] = {};
    return free;
  }

  #free(name: string): string {
    if (!Object.hasOwn(this.components, name)) return name;
    for (let number = 2; ; number++) {
      if (!Object.hasOwn(this.components, `${name}${number}`)) return `${name}${number}`;
    }
  }
}

function reference(name: string): JsonSchema {
  return { $ref: `#/components/schemas/${name}` };
}

function redirected(schema: JsonSchema, names: ReadonlyMap<string, string>): JsonSchema {
  const target = typeof schema.$ref === 'string' ? names.get(schema.$ref) : undefined;
  if (target !== undefined) schema.$ref = `#/components/schemas/${target}`;
  for (const inner of subSchemas(schema)) redirected(inner.schema, names);
  return schema;
}

/** Only objects with declared properties are worth a name, and each vendor has its own. */
function keyOf(schema: JsonSchema, prefix: string): string | undefined {
  const worth = isSchema(schema.properties) && Object.keys(schema.properties).length > 0;
  return worth ? `${prefix} ${JSON.stringify(schema)}` : undefined;
}

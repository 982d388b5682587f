import { type ApiDocument, bodyOf, resolved, type Schema } from './schema.ts';

/** Something that may be written at a place of a definition. */
export interface Suggestion {
  label: string;
  /** A word shown next to it. */
  detail?: string | undefined;
  /** A sentence about it. */
  info?: string | undefined;
}

/** A place in a JSON document, and the call of the step around it. */
export interface DefinitionPlace {
  /** Names of properties and numbers of items, from the outside. */
  path: readonly string[];
  call?: string | undefined;
}

/** What an editor of JSON knows about its document. */
export interface JsonHelp {
  /** What may stand at a place: the names of properties, or values. */
  names: (place: DefinitionPlace) => readonly Suggestion[];
  values: (place: DefinitionPlace) => readonly Suggestion[];
  /** What is wrong with a value, by JSON pointer. It is asked for in a pause of writing, and marked in place. */
  check: (value: unknown) => Promise<readonly { pointer: string; message: string }[]>;
}

/** Suggests what an automation's definition may contain, from the API's own document. `values` has the values of fields by name. */
export function definitionSchema(document: ApiDocument, values: Readonly<Record<string, readonly Suggestion[]>>) {
  const forms = (schema: Schema): Schema[] => {
    const whole = resolved(document, schema);
    return [whole, ...(whole.anyOf ?? []).flatMap(forms), ...(whole.oneOf ?? []).flatMap(forms)];
  };
  const inputOf = (call: string | undefined) => {
    const [vendor, , operation] = call?.split('/') ?? [];
    return bodyOf(document, 'post', `/v1/${vendor}/{connection}/${operation}`);
  };
  const schemasAt = ({ path, call }: DefinitionPlace): Schema[] => {
    let found = forms(bodyOf(document, 'post', '/v1/automations'));
    for (const part of path) {
      found = found
        .flatMap((schema) => {
          if (part === 'input') return schema.properties?.input ? [inputOf(call)] : [];
          if (/^\d+$/.test(part)) return schema.items ? [schema.items] : [];
          const next = schema.properties?.[part];
          return next ? [next] : [];
        })
        .flatMap(forms);
    }
    return found;
  };
  return {
    names: (place: DefinitionPlace): Suggestion[] => {
      const all = schemasAt(place).flatMap(({ properties = {} }) => Object.entries(properties));
      return [...new Map(all)].map(([label, schema]) => ({
        label,
        detail: [resolved(document, schema).type].flat().join(' or '),
        info: resolved(document, schema).description,
      }));
    },
    values: (place: DefinitionPlace): Suggestion[] => {
      const fixed = schemasAt(place).flatMap(({ enum: options = [], const: only }) => [...options, only]);
      const texts = new Set(fixed.filter((each) => typeof each === 'string'));
      return [...(values[place.path.at(-1) ?? ''] ?? []), ...[...texts].map((label) => ({ label }))];
    },
  };
}

/** Every call that a step may make over some connections. */
export function callsOver(
  document: ApiDocument,
  connections: readonly { vendor: string; name: string }[],
): Suggestion[] {
  return Object.entries(document.paths).flatMap(([path, { post }]) => {
    const [, vendor, operation] = /^\/v1\/(\w+)\/\{connection\}\/(\w+)$/.exec(path) ?? [];
    return connections
      .filter((connection) => post && connection.vendor === vendor)
      .map(({ name }) => ({ label: `${vendor}/${name}/${operation}`, info: post?.summary }));
  });
}

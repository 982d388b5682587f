import { useEffect, useState } from 'preact/hooks';
import { once } from '../../core/once.ts';
import { call, Problem } from './api.ts';

/** The part of JSON Schema that the API's document uses. */
export interface Schema {
  $ref?: string;
  type?: string | string[];
  title?: string;
  description?: string;
  properties?: Record<string, Schema>;
  required?: string[];
  enum?: unknown[];
  const?: unknown;
  default?: unknown;
  examples?: unknown[];
  items?: Schema;
  oneOf?: Schema[];
  anyOf?: Schema[];
  additionalProperties?: boolean | Schema;
  format?: string;
  pattern?: string;
  minimum?: number;
  maximum?: number;
  minLength?: number;
  maxLength?: number;
  writeOnly?: boolean;
  'x-choices'?: { kind: string; of?: string[] };
}

interface Operation {
  summary?: string;
  description?: string;
  'x-effect'?: string;
  requestBody?: {
    content: {
      'application/json'?: { schema: Schema; examples?: Record<string, { value?: Record<string, unknown> }> };
    };
  };
}

/** The API's own document, which describes the input of each call. */
export interface ApiDocument {
  paths: Record<string, Record<string, Operation>>;
  components: { schemas: Record<string, Schema> };
}

/** Reads the document once per visit. */
const apiDocument = once(() => call<ApiDocument>('GET', '/openapi.json'));

/** The API's own document, or why it could not be read. */
export function useApiDocument(): { document: ApiDocument | undefined; problem: Problem | undefined } {
  const [read, setRead] = useState<{ document?: ApiDocument; problem?: Problem }>({});
  useEffect(() => {
    let wanted = true;
    apiDocument().then(
      (document) => wanted && setRead({ document }),
      (error: unknown) =>
        wanted && setRead({ problem: error instanceof Problem ? error : new Problem(0, 'unknown', String(error)) }),
    );
    return () => {
      wanted = false;
    };
  }, []);
  return { document: read.document, problem: read.problem };
}

/** Resolves a schema that is a reference into the document. */
export function resolved(document: ApiDocument, schema: Schema | undefined): Schema {
  let found = schema ?? {};
  for (let depth = 0; found.$ref !== undefined && depth < 10; depth++) {
    const name = found.$ref.replace('#/components/schemas/', '');
    const { $ref: _, ...beside } = found;
    found = { ...document.components.schemas[name], ...beside };
  }
  return found;
}

/** The schema of a call's body. */
export function bodyOf(document: ApiDocument, method: string, path: string): Schema {
  return resolved(document, document.paths[path]?.[method]?.requestBody?.content['application/json']?.schema);
}

/** The example of a body, by the name of the form that it shows. */
export function exampleOf(document: ApiDocument, method: string, path: string, form: string): Record<string, unknown> {
  return document.paths[path]?.[method]?.requestBody?.content['application/json']?.examples?.[form]?.value ?? {};
}

/** The forms that a value may have, each resolved; one where there is no choice. */
export function formsOf(document: ApiDocument, schema: Schema): Schema[] {
  const all = schema.oneOf ?? schema.anyOf;
  return all ? all.map((each) => resolved(document, each)) : [schema];
}

/** The form of a union whose property has a fixed value: the kind of a hook, the vendor of a connection. */
export function formWith(forms: readonly Schema[], property: string, value: unknown): Schema | undefined {
  return forms.find((form) => constantsOf(form.properties?.[property]).includes(value));
}

/** The fixed values that a property may have. */
export function constantsOf(schema: Schema | undefined): unknown[] {
  return schema?.const === undefined ? (schema?.enum ?? []) : [schema.const];
}

/** A field name in words: `interactionKey` becomes “Interaction key”. */
export function fieldTitle(name: string): string {
  const words = name
    .replace(/([a-z0-9])([A-Z])/g, '$1 $2')
    .replace(/_/g, ' ')
    .toLowerCase()
    .replace('hid', 'host id')
    .replace(/\b(url|id|http|api|totp)\b/g, (word) => word.toUpperCase());
  return words.charAt(0).toUpperCase() + words.slice(1);
}

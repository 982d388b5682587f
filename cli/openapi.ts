import { isRecord } from './output.ts';

/** A value of an OpenAPI document, or what its `$ref` points to. */
export function resolved(document: Record<string, unknown>, value: unknown): unknown {
  const reference = isRecord(value) && typeof value.$ref === 'string' ? value.$ref : undefined;
  return reference === undefined ? value : valueAt(document, reference.replace('#/', '').split('/'));
}

/** The value at a path of a document; undefined if there is none. */
export function valueAt(document: Record<string, unknown>, path: readonly string[]): unknown {
  return path.reduce<unknown>((value, step) => (isRecord(value) ? value[step] : undefined), document);
}

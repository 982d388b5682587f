import { isWriteOnly, wireName } from './field.ts';
import { type Operation, schemasOf } from './operation.ts';

const found = new WeakMap<Operation, readonly string[]>();

/** The fields of an operation that are only ever written, such as a password. Found once per operation. */
export function writeOnlyFields(operation: Operation): readonly string[] {
  let names = found.get(operation);
  if (!names) {
    names = Object.entries(schemasOf(operation).shape).flatMap(([name, schema]) => (isWriteOnly(schema) ? [name] : []));
    found.set(operation, names);
  }
  return names;
}

/** The values of the write-only fields of an input. */
export function writeOnlyValues(operation: Operation, input: Readonly<Record<string, unknown>>): string[] {
  return writeOnlyFields(operation).flatMap((name) => (typeof input[name] === 'string' ? [input[name]] : []));
}

/**
 * The texts in a request in the vendor's own form that go into fields which some operation of the vendor only ever writes. An
 * undeclared request may use the same names.
 */
export function writeOnlyTexts(
  operations: Readonly<Record<string, Operation>>,
  fields: Iterable<readonly [string, unknown]>,
): string[] {
  const names = new Set<string>();
  for (const operation of Object.values(operations)) {
    for (const [name, schema] of Object.entries(schemasOf(operation).shape)) {
      if (!isWriteOnly(schema)) continue;
      names.add(name.toLowerCase());
      names.add(wireName(name, schema).toLowerCase());
    }
  }
  return [...fields].flatMap(([name, value]) =>
    typeof value === 'string' && value !== '' && names.has(name.toLowerCase()) ? [value] : [],
  );
}

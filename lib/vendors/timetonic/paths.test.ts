import { describe, expect, test } from 'vitest';
import { GatewayError } from '../../core/errors.ts';
import { parseInput, schemasOf } from '../../core/operation.ts';
import { timetonic } from './index.ts';

const sample: Record<string, unknown> = {
  size: 'full',
  bookOwner: 'demo',
  bookCode: 'operations',
  internalNameOrUuid: 'a.png',
  fileName: 'b.png',
  userId: 'alex',
  fileId: 'f1',
};
/** Every text of an operation that becomes part of a path. */
const parts = Object.entries(timetonic.operations).flatMap(([name, { call, input }]) => {
  const path = name === 'getUploadMeta' ? '/{fileId}' : String(call);
  if (!path.startsWith('/')) return [];
  const shape = input();
  return [...path.matchAll(/\{(\w+)\??\}/g)]
    .map((match) => match[1] ?? '')
    .filter((field) => field !== 'size' && Object.hasOwn(sample, field))
    .map((field) => [name, field, shape] as const);
});

test('the list holds every file address', () => {
  expect(parts.length).toBeGreaterThan(30);
});

describe.each(parts)('%s.%s', (name, field, shape) => {
  const operation = timetonic.operations[name];
  if (!operation) throw new Error(name);
  const known = Object.fromEntries(
    Object.keys(shape).map((each) => [
      each,
      each === 'size' && !/Image|Media/.test(name) ? sizeOf(name) : (sample[each] ?? 1),
    ]),
  );

  test('takes an ordinary text', () => {
    expect(parseInput(schemasOf(operation).input, known)).toMatchObject({ [field]: sample[field] });
  });

  test.each(['.', '..', '\ud800', 'a\udc00b'])('refuses %j', (value) => {
    let thrown: GatewayError | undefined;
    try {
      parseInput(schemasOf(operation).input, { ...known, [field]: value });
    } catch (error) {
      if (error instanceof GatewayError) thrown = error;
    }
    expect(thrown).toMatchObject({ code: 'invalid_input', errors: expect.any(Array) });
    expect(thrown?.errors?.map(({ pointer }) => pointer)).toContain(`/${field}`);
  });
});

function sizeOf(name: string): string {
  return name.includes('Thumbnail') ? 'tb' : 'full';
}

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { operation } from '../../lib/vendors/talk/fields.ts';
import { done } from '../../lib/vendors/talk/shapes.ts';
import { mistakes, report } from './talk-routes.ts';

test('every request that is made is one that the release has, in each of 22 releases', () => {
  expect(mistakes()).toEqual([]);
});

test('what the docs say of the routes is what the script writes', () => {
  const docs = readFileSync(join(import.meta.dirname, '..', '..', 'docs', 'talk-routes.md'), 'utf8');
  const written = report();
  // The last section is of a document that does not belong to the project.
  expect(docs.slice(0, written.length)).toBe(written);
  expect(docs).toContain('## Further routes in the OpenAPI document of the server');
});

test('a request that the table does not have does not compile', () => {
  const declared = { summary: 'x', effect: 'read', input: () => ({}), output: done } as const;
  operation({ ...declared, call: 'GET room' });
  // @ts-expect-error misspelt
  operation({ ...declared, call: 'GET rooms' });
  // @ts-expect-error no such request
  operation({ ...declared, call: 'PATCH room/{token}' });
  operation({ ...declared, rawRoute: 'GET room', call: (_input, send) => send('GET room', {}) });
  // @ts-expect-error a composed one names its telling request
  operation({ ...declared, call: (_input, sendRequest) => sendRequest('GET room', {}) });
  // @ts-expect-error misspelt within a composed one
  operation({ ...declared, rawRoute: null, call: (_input, sendRequest) => sendRequest('GET room/{tokn}', {}) });
});

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { mistakes, report } from '../../../scripts/compare-talk-routes.ts';

test('every request that is made is one that the release has, in each of 22 releases', () => {
  expect(mistakes()).toEqual([]);
});

test('what the docs say of the routes is what the script writes', () => {
  const docs = readFileSync(join(import.meta.dirname, '..', '..', '..', 'docs', 'talk-routes.md'), 'utf8');
  const written = report();
  // The last section is of a document that does not belong to the project.
  expect(docs.slice(0, written.length)).toBe(written);
  expect(docs).toContain("## Described by the server's OpenAPI document");
});

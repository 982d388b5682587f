import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { ChoiceSource, FieldChoices } from '../../lib/core/choices.ts';
import { choicesOf } from '../../lib/core/choices.ts';
import { plainSchema } from '../../lib/core/json-schema/plain.ts';
import { isSchema } from '../../lib/core/json-schema/schema.ts';
import { parseInput, schemasOf } from '../../lib/core/operation.ts';
import { vendors } from '../../lib/vendors/index.ts';

const folder = join(import.meta.dirname, '..', 'fixtures', 'operations');
const outputOf = (vendor: string, operation: string) =>
  JSON.parse(readFileSync(join(folder, vendor, `${operation}.json`), 'utf8')).output;
const parametersOf = (source: ChoiceSource | undefined) => Object.keys(source?.of?.() ?? {});

describe.each(Object.values(vendors))('the choices of $name', (vendor) => {
  const declared = Object.entries(vendor.operations).flatMap(([operation, declaration]) => {
    const { properties } = plainSchema(schemasOf(declaration).input, 'input');
    return Object.entries(isSchema(properties) ? properties : {}).flatMap(([field, schema]) =>
      isSchema(schema) && schema['x-choices']
        ? [{ operation, field, choices: schema['x-choices'] as FieldChoices }]
        : [],
    );
  });

  test('every field that names a kind names one that the vendor lists, with all that the list needs', () => {
    expect(declared.length).toBeGreaterThan(5);
    const wrong = declared.filter(({ choices: { kind, of = [] } }) => {
      const needed = parametersOf(vendor.choices[kind]);
      return !Object.hasOwn(vendor.choices, kind) || needed.toSorted().join() !== [...of].sort().join();
    });
    expect(wrong).toEqual([]);
  });

  test.each(Object.entries(vendor.choices))(
    '%s is read from a read operation with an input that it takes',
    (_kind, source) => {
      const operation = vendor.operations[source.operation];
      if (!operation) throw new Error(`${source.operation} is not declared`);
      expect(operation.effect).toBe('read');
      const sample = Object.fromEntries(
        parametersOf(source).map((name) => [name, name === 'channelId' ? 1 : '126185']),
      );
      expect(() => parseInput(schemasOf(operation).input, source.input?.(sample) ?? sample)).not.toThrow();
    },
  );

  test.each(Object.entries(vendor.choices))(
    '%s come with an id and a name, and from a strange answer as nothing',
    (_kind, source) => {
      const of = { tableId: '126192' };
      const output = outputOf(vendor.name, source.operation);
      const found = choicesOf(source.read(output, of));
      expect(found.length).toBeGreaterThan(0);
      for (const { id, name } of found) expect([id, name].map(String)).not.toContain('');
      for (const strange of [undefined, null, [], {}, 'text', { channels: {} }, { bookTables: [null] }]) {
        expect(choicesOf(source.read(strange, of))).toEqual([]);
      }
    },
  );
});

/** Whatever makes something that can be named later. */
const creating = {
  proptt2: ['createChannel', 'createUser'],
  talk: ['createRoom', 'sendChatMessage', 'sendFile', 'createPoll', 'scheduleMessage'],
  timetonic: ['createOrUpdateTableRow', 'updateTableValue', 'sendMsg', 'fileUpload', 'resumableUpload'],
};

test.each(Object.entries(creating).flatMap(([vendor, names]) => names.map((name) => ({ vendor, name }))))(
  '$vendor.$name answers a top-level id',
  ({ vendor, name }) => {
    expect(outputOf(vendor, name)).toHaveProperty('id');
  },
);

import { PassThrough } from 'node:stream';
import { text } from 'node:stream/consumers';
import { expect, test } from 'vitest';
import { outputOf } from './output.ts';

const hostile = '\u001b[2J\u009b1mA\u202eB\u2028C';

async function written(use: (output: ReturnType<typeof outputOf>) => void): Promise<string> {
  const stream = new PassThrough();
  use(outputOf(false, stream as never, stream as never));
  stream.end();
  return text(stream);
}

test.each([
  ['a row', [{ name: hostile }, { name: 'second' }]],
  ['a text', hostile],
  ['a value', { name: hostile, list: [1] }],
])('%s that others wrote does not control the terminal', async (_, value) => {
  const shown = await written((output) => output.result(value));
  expect(shown).toMatch(/A.?B.?C/);
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what must not be written.
  expect(shown.replaceAll(/\u001b\[\d+m/g, '')).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u2028-\u202e]/);
});

test('an error keeps its lines and nothing else that controls the terminal', async () => {
  const shown = await written((output) => output.failure(new Error(`First line.\n${hostile}`)));
  expect(shown).toContain('First line.\n');
  expect(shown).not.toContain('\u009b');
  expect(shown).not.toContain('\u202e');
});

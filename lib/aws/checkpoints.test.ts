import { expect, test } from 'vitest';
import { memoryFiles } from '../../test/support/harness.ts';
import { Checkpoints } from './checkpoints.ts';

const lambdaBytes = 100_000_000;
const operations = 3_000;

test.each([170_000, 20_000])(
  'as many results as an execution may have fit into it with %s bytes each',
  async (length) => {
    const files = { ...memoryFiles(), put: async () => {} };
    const value = { value: 'x'.repeat(length) };
    let bytes = 0;
    // An execution is carried on by invocations that read what there is.
    const stored: string[] = [];
    for (let invocation = 0; invocation < 3; invocation++) {
      const { serialize, deserialize } = new Checkpoints(files).serdes<object>();
      const place = (number: number) => ({ entityId: String(number), durableExecutionArn: 'arn' });
      for (const [at, text] of stored.entries()) if (text.length > 100) await deserialize(text, place(at));
      while (stored.length < ((invocation + 1) * operations) / 3) {
        const text = (await serialize(value, place(stored.length))) ?? '';
        stored.push(text);
        bytes += text.length;
      }
    }
    expect(bytes).toBeLessThan(lambdaBytes);
    expect(stored[0]?.length).toBeGreaterThan(length);
  },
);

test('a result that is too long for a checkpoint is read from its file', async () => {
  const { serialize, deserialize } = new Checkpoints(memoryFiles()).serdes<object>();
  const place = { entityId: '1', durableExecutionArn: 'arn' };
  const value = { value: 'x'.repeat(300_000) };
  const text = await serialize(value, place);
  expect(text?.length).toBeLessThan(200);
  expect(await deserialize(text, place)).toEqual(value);
});

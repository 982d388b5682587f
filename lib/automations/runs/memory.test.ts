import { describe, expect, test } from 'vitest';
import { engineStage } from '../../../test/support/engine-stage.ts';
import { maxKeyLength, maxValueBytes, memoryOf, remember } from './memory.ts';

const stage = engineStage();
const { clock, go } = stage;
const write = (key: string, value: unknown, more: { seconds?: number; expect?: unknown } = {}) =>
  remember(stage.services(), 'auto', { key, value, ...more });
const memory = () => memoryOf(stage.services(), 'auto');

test('a value lasts until its time is over, and null or nothing forgets it', async () => {
  expect(await write('a', { n: 1 }, { seconds: 60 })).toEqual({ written: true, value: { n: 1 } });
  clock.advance(59_999);
  expect(await memory()).toEqual({ a: { n: 1 } });
  clock.advance(1);
  expect(await memory()).toEqual({});
  for (const nothing of [null, undefined]) {
    await write('b', false);
    expect(await memory()).toEqual({ b: false });
    expect(await write('b', nothing)).toEqual({ written: true, value: null });
    expect(await memory()).toEqual({});
  }
});

test('an expected value is compared with the one there is, and what is over counts as none', async () => {
  await write('c', 1, { seconds: 60 });
  expect(await write('c', 2, { expect: null })).toEqual({ written: false, value: 1 });
  expect(await write('c', 2, { expect: 3 })).toEqual({ written: false, value: 1 });
  expect(await write('c', null, { expect: 3 })).toEqual({ written: false, value: 1 });
  expect(await write('c', 2, { expect: 1, seconds: 60 })).toEqual({ written: true, value: 2 });
  clock.advance(60_000);
  expect(await write('c', 3, { expect: 2 })).toEqual({ written: false, value: null });
  expect(await write('c', 3, { expect: null })).toEqual({ written: true, value: 3 });
  expect(await write('c', null, { expect: 3 })).toEqual({ written: true, value: null });
  expect(await write('none', 1, { expect: 1 })).toEqual({ written: false, value: null });
});

test('the writer that repeats its write has written, and no other', async () => {
  const first = (writer: string) =>
    remember(stage.services(), 'auto', { key: 'first', value: writer, expect: null, writer });
  expect(await first('a')).toEqual({ written: true, value: 'a' });
  expect(await first('b')).toEqual({ written: false, value: 'a' });
  expect(await first('a')).toEqual({ written: true, value: 'a' });
});

describe('a step that remembers', () => {
  const keep = (key: string, value: unknown = 1) => go([{ name: 'keep', remember: { key, value } }], { n: 1 });

  test.each(['{% "" %}', '{% event.data.n %}', '{% event.data.none %}', 'x'.repeat(maxKeyLength + 1)])(
    'fails if its key is not a text of a fitting length: %s',
    async (key) => {
      expect((await keep(key)).reason).toContain('The key to remember must be a text');
    },
  );

  test('and is repeated because its run was interrupted is still the one that wrote', async () => {
    const remember = { key: 'first', value: 1, expect: null };
    for (let cut = 1, isOver = false; !isOver; cut++) {
      const id = await stage.start(stage.automation({ do: [{ name: 'first', remember }] }));
      const execution = stage.execution(id);
      execution.cutAt = cut;
      isOver = (await execution.invoke(stage.handlerOf(id))).done;
      if (!isOver) await execution.invoke(stage.handlerOf(id));
      expect((await stage.read(id)).steps.first?.output, `cut at ${cut}`).toEqual({ written: true, value: 1 });
    }
  });

  test('takes a key and a value of the longest there may be, and none that is longer', async () => {
    expect((await keep('x'.repeat(maxKeyLength))).state).toBe('succeeded');
    expect((await keep('a', 'x'.repeat(maxValueBytes - 2))).state).toBe('succeeded');
    expect((await keep('a', 'x'.repeat(maxValueBytes - 1))).reason).toContain('larger than');
  });
});

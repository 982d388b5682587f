import { expect, test } from 'vitest';
import { forEachLimited, KeyedLimit, Limit } from './limit.ts';

/** Tasks that the test ends, and a record of which have started. */
function tasks() {
  const started: string[] = [];
  const ends = new Map<string, (error?: Error) => void>();
  const task = (name: string) => () => {
    started.push(name);
    return new Promise<string>((resolve, reject) => {
      ends.set(name, (error) => (error ? reject(error) : resolve(name)));
    });
  };
  const end = async (name: string, error?: Error) => {
    ends.get(name)?.(error);
    await new Promise((resolve) => setImmediate(resolve));
  };
  return { started, task, end };
}

test('tasks beyond the limit wait in order, and a failed one makes room as well', async () => {
  const limit = new Limit(2);
  const { started, task, end } = tasks();
  const runs = ['a', 'b', 'c', 'd'].map((name) => limit.run(task(name)).catch((error: Error) => error.message));
  expect(started).toEqual(['a', 'b']);
  await end('b', new Error('broken'));
  expect(started).toEqual(['a', 'b', 'c']);
  await end('a');
  expect(started).toEqual(['a', 'b', 'c', 'd']);
  await end('c');
  await end('d');
  expect(await Promise.all(runs)).toEqual(['a', 'broken', 'c', 'd']);
  expect(limit.idle).toBe(true);
});

test('a caller whose signal has already fired does not wait', async () => {
  const limit = new Limit(1);
  const { started, task, end } = tasks();
  const first = limit.run(task('a'));
  await expect(limit.run(task('b'), AbortSignal.abort(new Error('too late')))).rejects.toThrow('too late');
  await end('a');
  await first;
  await expect(limit.run(task('c'), AbortSignal.abort(new Error('too late')))).rejects.toThrow('too late');
  expect(started).toEqual(['a']);
  expect(limit.idle).toBe(true);
});

test('a caller whose signal fires while it waits leaves, and the others keep their order', async () => {
  const limit = new Limit(1);
  const { started, task, end } = tasks();
  const impatient = new AbortController();
  const first = limit.run(task('a'));
  const second = limit.run(task('b'), impatient.signal);
  const third = limit.run(task('c'));
  impatient.abort(new Error('enough'));
  await expect(second).rejects.toThrow('enough');
  await end('a');
  expect(started).toEqual(['a', 'c']);
  await end('c');
  await Promise.all([first, third]);
});

test('a lowered limit holds as soon as enough tasks have ended', async () => {
  const limit = new Limit(3);
  const { started, task, end } = tasks();
  const runs = ['a', 'b', 'c', 'd'].map((name) => limit.run(task(name)));
  limit.max = 1;
  await end('a');
  await end('b');
  expect(started).toEqual(['a', 'b', 'c']);
  await end('c');
  expect(started).toEqual(['a', 'b', 'c', 'd']);
  await end('d');
  await Promise.all(runs);
});

test('one key does not wait for another', async () => {
  const limits = new KeyedLimit();
  const { started, task, end } = tasks();
  const runs = [limits.run('slow', 1, task('a')), limits.run('slow', 1, task('b')), limits.run('fast', 1, task('c'))];
  expect(started).toEqual(['a', 'c']);
  await end('a');
  expect(started).toEqual(['a', 'c', 'b']);
  await end('b');
  await end('c');
  await Promise.all(runs);
});

test('forEachLimited takes items as there is room', async () => {
  const { started, task, end } = tasks();
  const done = forEachLimited(['a', 'b', 'c'], 2, async (name) => void (await task(name)()));
  await end('');
  expect(started).toEqual(['a', 'b']);
  await end('a');
  expect(started).toEqual(['a', 'b', 'c']);
  await end('b');
  await end('c');
  await done;
});

test('forEachLimited waits for what runs before it throws, and takes nothing more', async () => {
  const { started, task, end } = tasks();
  let over = false;
  const done = forEachLimited(['a', 'b', 'c'], 2, async (name) => void (await task(name)())).finally(() => {
    over = true;
  });
  const failed = expect(done).rejects.toThrow('broken');
  await end('');
  await end('a', new Error('broken'));
  expect([started, over]).toEqual([['a', 'b'], false]);
  await end('b');
  await failed;
  expect(started).toEqual(['a', 'b']);
});

import { afterAll, beforeAll, expect, test } from 'vitest';
import { startBackends, TestClock } from '../../test/support/harness.ts';
import { secretsManager } from './secrets.ts';
import { settingsFrom } from './settings.ts';

let backends: Awaited<ReturnType<typeof startBackends>>;
beforeAll(async () => {
  backends = await startBackends();
});
afterAll(() => backends.stop());

const store = () => secretsManager(settingsFrom(backends.env), new TestClock(), () => undefined);

test('a deleted secret is gone, and its name can be used again while the old one can still be recovered', async () => {
  const name = 'trunkline/talk/team';
  await store().write(name, 'first');
  await store().delete(name);
  expect(await store().read(name, true)).toBeUndefined();
  await store().delete(name);
  await store().write(name, 'second');
  expect(await store().read(name, true)).toBe('second');
});

import { afterAll, beforeAll, expect, test } from 'vitest';
import { type ControlDesk, startControlDesk } from '../../test/support/control-desk.ts';
import { admin } from '../../test/support/harness.ts';
import { expiry, keys } from '../store/items.ts';
import { retentionMs } from './runs/runs.ts';
import { keptVersions } from './versions.ts';

let desk: ControlDesk;
beforeAll(async () => {
  desk = await startControlDesk();
});
afterAll(() => desk.close());

const line = { name: 'line', call: 'talk/dispatch/sendChatMessage', input: { token: 'abcd', message: 'x' } };
const versionsOf = async (id: string) => (await desk.call('GET', `/v1/automations/${id}/versions`)).body;

test('each change of an automation is kept with its time and author until the automation is deleted', async () => {
  const definition = { name: 'Alarm', when: { event: 'talk.message.created' }, do: [line] };
  const { body } = await desk.call('POST', '/v1/automations', definition);
  desk.clock.advance(60_000);
  const operator = { ...admin, name: 'Night shift' };
  await desk.call('PATCH', `/v1/automations/${body.id}`, { enabled: false }, operator);
  // A repetition changes nothing and is no version.
  await desk.call('PATCH', `/v1/automations/${body.id}`, { enabled: false }, operator);
  await desk.call('PATCH', `/v1/automations/${body.id}`, { maxPerMinute: 7 }, operator);
  const versions = await versionsOf(body.id);
  expect(versions).toMatchObject([
    { version: 3, keyName: 'Night shift', definition: { enabled: false, maxPerMinute: 7 } },
    {
      version: 2,
      keyName: 'Night shift',
      at: new Date(desk.clock.now()).toISOString(),
      definition: { enabled: false },
    },
    { version: 1, keyName: admin.name, at: body.createdAt, definition: { name: 'Alarm', enabled: true } },
  ]);
  const restored = await desk.call('PUT', `/v1/automations/${body.id}`, versions[2].definition);
  expect(restored.body).toMatchObject({ enabled: true, id: body.id });
  expect(restored.body.maxPerMinute).toBeUndefined();
  await desk.call('DELETE', `/v1/automations/${body.id}`);
  const left = await desk.services.table.queryAll({ pk: `automations#versions#${body.id}` });
  // For the replays of its runs, and no longer than these are kept.
  expect(left).toHaveLength(4);
  for (const each of left)
    expect(each).toMatchObject({ isDeleted: true, expiresAt: expiry(desk.clock.now() + retentionMs) });
});

test('only the newest versions are kept', async () => {
  const definition = { name: 'Busy', when: { event: 'talk.message.created' }, do: [line] };
  const { body } = await desk.call('POST', '/v1/automations', definition);
  await desk.call('PATCH', `/v1/automations/${body.id}`, { maxPerMinute: 2 });
  // As if it had been changed many times since.
  await desk.services.table.update(keys.automation(body.id), 'SET #version = :version', { version: keptVersions + 1 });
  await desk.call('PATCH', `/v1/automations/${body.id}`, { maxPerMinute: 3 });
  const numbers = (await versionsOf(body.id)).map(({ version }: { version: number }) => version);
  expect(numbers).toEqual([keptVersions + 2, 1]);
});

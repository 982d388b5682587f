import { afterAll, beforeAll, expect, test } from 'vitest';
import { startStreamPump } from '../../local/aws/stream-pump.ts';
import { memoryFiles, startBackends } from '../../test/support/harness.ts';
import { services, useFiles } from '../aws/services.ts';
import type { Connection } from '../core/vendor.ts';
import { vendors } from '../vendors/index.ts';
import { listEvents } from './list.ts';
import { ownEventTypes } from './own-event-types.ts';

let backends: Awaited<ReturnType<typeof startBackends>>;

beforeAll(async () => {
  backends = await startBackends();
  Object.assign(process.env, backends.env);
  useFiles(memoryFiles());
});
afterAll(async () => {
  services().table.destroy();
  await backends.stop();
});

test('a locked connection is reported once, in an event that its readers see', async () => {
  const { handler } = await import('../../functions/route-events.ts');
  const pump = await startStreamPump({
    ...backends.database,
    tableName: 'trunkline',
    handler,
  });
  const gateway = services();
  if (!vendors.talk) throw new Error('Talk is not in the catalogue');
  const connection: Connection = { vendor: 'talk', name: 'team', version: 1, settings: {} };
  await gateway.store.plan(connection, false, Date.now());
  for (let times = 0; times < 2; times++)
    await gateway.sessions.lock(vendors.talk, connection, 'The app password was refused.');
  await pump.drained();
  await pump.stop();
  const scopes = ['talk/team/sendChatMessage', 'trunkline/connections/read'];
  const events = await listEvents(gateway, { limit: 10, scopes });
  expect(events).toMatchObject([
    {
      type: 'trunkline.connection.needs_attention',
      vendor: 'trunkline',
      connection: 'team',
      data: { vendor: 'talk', connection: 'team', reason: 'The app password was refused.' },
    },
  ]);
  const { data } = ownEventTypes['trunkline.connection.needs_attention'];
  expect(data().safeParse(events[0]?.data).success).toBe(true);
  for (const less of [scopes.slice(0, 1), scopes.slice(1)])
    expect(await listEvents(gateway, { limit: 10, scopes: less })).toEqual([]);
});

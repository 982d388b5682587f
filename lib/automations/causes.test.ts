import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { type ControlDesk, startControlDesk } from '../../test/support/control-desk.ts';
import { appendEvents, type EventItem, findEvent, type NewEvent } from '../events/log.ts';
import { startRunsFor, startRunsOnce } from './automations.ts';
import { endRun, findRun } from './runs/runs.ts';

let desk: ControlDesk;
beforeAll(async () => {
  desk = await startControlDesk();
});
afterAll(() => desk.close());

const at = '2026-01-05T02:11:09.000Z';
const said = (id: string, more: Partial<NewEvent> = {}): NewEvent => ({
  vendor: 'talk',
  connection: 'dispatch',
  type: 'talk.message.created',
  readBy: 'getChatMessages',
  id,
  timestamp: at,
  data: { text: 'confirm' },
  ...more,
});

async function automation(name: string, when: object): Promise<void> {
  const steps = [{ name: 'read', call: 'talk/dispatch/getRooms' }];
  const made = await desk.call('PUT', `/v1/automations/${name}`, { when, do: steps });
  expect(made.status, JSON.stringify(made.body)).toBeLessThan(300);
}

async function stored(...events: NewEvent[]): Promise<EventItem> {
  let id = '';
  for (const event of events) [id = ''] = (await appendEvents(desk.services, [event])).ids;
  const item = await findEvent(desk.services, id);
  if (!item) throw new Error('It is not stored');
  return item;
}

const started = async (...events: NewEvent[]) => startRunsFor(desk.services, await stored(...events));

const names = async (ids: string[]) =>
  Promise.all(ids.map(async (id) => (await findRun(desk.services.table, id))?.name));

test('own events of the installation start nothing, unless an automation names their type', async () => {
  await automation('Answer', { event: 'talk.message.created' });
  await automation('Count', { event: 'talk.message.*', own: true });
  desk.clock.advance(1_000);
  expect((await names(await started(said('1')))).sort()).toEqual(['Answer', 'Count']);
  expect(await names(await started(said('2', { own: true, data: { text: 'answer', own: true } })))).toEqual(['Count']);
});

test('a run that was skipped is started once more under an event that another source has completed', async () => {
  await automation('Reply', { event: 'talk.reaction.added' });
  desk.clock.advance(1_000);
  const type = 'talk.reaction.added';
  const partial = said('3', { type, partial: true });
  const [first = ''] = await started(partial);
  const run = await findRun(desk.services.table, first);
  if (!run) throw new Error('No run was started');
  await endRun(desk.services, run, 'skipped', 'The condition did not hold.');
  // Nothing is added, nothing starts.
  expect(await started(partial, said('3', { type }))).toEqual([first]);
  const whole = said('3', { type, data: { text: 'confirm', replyTo: 680 } });
  const again = await started(whole);
  expect(again).toHaveLength(2);
  expect(again[0]).toBe(first);
  // However often it is routed.
  expect(await started(whole)).toEqual(again);
});

test('an event that reaches one process twice starts its runs once, and again if that failed', async () => {
  await automation('Once', { event: 'talk.room.created' });
  desk.clock.advance(1_000);
  const event = (id: string) => stored(said(id, { type: 'talk.room.created' }));
  const twice = await event('4');
  const [first, second] = await Promise.all([startRunsOnce(desk.services, twice), startRunsOnce(desk.services, twice)]);
  const { requests } = desk.services.table;
  expect([second, await startRunsOnce(desk.services, twice)]).toEqual([first, first]);
  expect(desk.services.table.requests).toBe(requests);
  // The same event from a hook may start others.
  await startRunsOnce(desk.services, { ...twice, hook: 'hook-1' });
  expect(desk.services.table.requests).toBeGreaterThan(requests);

  const failing = await event('5');
  const start = vi.spyOn(desk.services.starter, 'startRun').mockRejectedValueOnce(new Error('It is away.'));
  await expect(startRunsOnce(desk.services, failing)).rejects.toThrow('It is away.');
  await startRunsOnce(desk.services, failing);
  expect(start).toHaveBeenCalledTimes(2);
  start.mockRestore();
});

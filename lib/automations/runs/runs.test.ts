import { randomBytes } from 'node:crypto';
import { expect, test, vi } from 'vitest';
import { engineStage } from '../../../test/support/engine-stage.ts';
import type { Starter } from '../../core/durable.ts';
import { keys } from '../../store/items.ts';
import { defaultPerMinute } from './flood.ts';
import { cancelRuns } from './pause.ts';
import { authorize } from './rights.ts';
import {
  callsOwner,
  definitionOfRun,
  endRun,
  findRun,
  type RunCause,
  type RunServices,
  startRun,
  startRunAgain,
  withDefinition,
} from './runs.ts';

const stage = engineStage();
const { clock } = stage;
let count = 0;
const causeOf = (more: Partial<RunCause> = {}): RunCause => ({
  owner: `runs${++count}`,
  name: 'Test',
  definition: { do: [] },
  scopes: ['talk/*/*'],
  keyId: 'key',
  cause: 'a cause',
  createdAt: clock.now(),
  ...more,
});
/** The services with a starter that starts nothing. */
function idle() {
  const start = vi.fn<Starter['startRun']>(async () => undefined);
  const services: RunServices = { ...stage.services(), starter: { ...stage.services().starter, startRun: start } };
  return { services, start };
}
const read = async (id: string) => {
  const run = await findRun(stage.table(), id);
  if (!run) throw new Error(`There is no run ${id}`);
  return run;
};

test('a run keeps everything that its cause says, and nothing that it does not', async () => {
  const event = { id: 'e', type: 't', timestamp: 'now', vendor: 'talk', connection: 'demo', data: {} } as const;
  const given = {
    version: 3,
    eventId: 'evt',
    originId: 'origin',
    reads: ['talk/demo/getRooms'],
    replayOf: 'another',
    reuse: false,
    alarm: false,
    source: { hook: 'hook-1' },
    depth: 2,
    isLiteral: true,
    isDrill: true,
    undoOf: 'undone',
  };
  const { services } = idle();
  const full = await read(await startRun(services, causeOf({ ...given, event, outputs: { a: 1 } })));
  expect(full).toMatchObject({ ...given, outputs: '{"a":1}', state: 'running' });
  expect(JSON.parse(full.event ?? '')).toEqual(event);
  const plain = await read(await startRun(services, causeOf()));
  for (const name of [...Object.keys(given), 'event', 'outputs', 'definitionFile'])
    expect(plain).not.toHaveProperty(name);
});

test('a requested run is stored with its request, and is not carried out without it', async () => {
  const { services } = idle();
  const requested = await startRun(services, causeOf());
  expect(await stage.table().get(keys.requestedRun(requested))).toMatchObject({ id: requested });
  const single = { owner: callsOwner('talk'), definition: { do: [{ name: 'call', call: 'talk/demo/getRooms' }] } };
  for (const other of [causeOf({ version: 1 }), causeOf(single)])
    expect(await stage.table().get(keys.requestedRun(await startRun(services, other)))).toBeUndefined();
  await stage.table().delete(keys.requestedRun(requested));
  expect(await authorize(services, await read(requested))).toEqual({ problem: 'Nobody with a key has requested it.' });
});

test('the call of a run may be too long for its item', async () => {
  const { services } = idle();
  const text = randomBytes(400_000).toString('base64');
  const definition = { do: [{ name: 'call', call: 'talk/demo/sendChatMessage', input: { text } }] };
  const run = await read(await startRun(services, causeOf({ owner: callsOwner('talk'), definition, cause: 'long' })));
  expect(run.definition).toBe('');
  expect(definitionOfRun(await withDefinition(services.files, run))).toEqual(definition);
  await expect(startRun(services, causeOf({ definition }))).rejects.toThrow('The automation is too large for a run.');
});

test('an id that names no run finds none, and an owner that cannot be a part of an id has none', async () => {
  expect(await findRun(stage.table(), 'run_auto1')).toBeUndefined();
  await expect(startRun(idle().services, causeOf({ owner: 'No owner' }))).rejects.toThrow('cannot be named after');
});

test('what a run of an automation may do comes from the automation, and what it is about from the run', async () => {
  const item = stage.automation({ do: [{ name: 'plan', set: 1 }] });
  await stage.table().put({ ...item });
  const about = {
    eventId: 'evt',
    originId: 'origin',
    reads: ['talk/demo/getRooms'],
    alarm: true,
    source: { connection: 'talk/demo' },
    depth: 2,
  };
  const { services } = idle();
  const forged = { owner: item.id, version: 1, definition: { do: [{ name: 'other', set: 2 }] }, scopes: ['*/*/*'] };
  const authorized = await authorize(services, await read(await startRun(services, causeOf({ ...forged, ...about }))));
  expect(authorized).toMatchObject({ run: { ...about, scopes: item.scopes, keyId: `automation_${item.id}` } });
  expect(JSON.stringify(authorized)).not.toContain('other');
  const plain = await authorize(services, await read(await startRun(services, causeOf({ ...forged, cause: 'plain' }))));
  for (const name of [...Object.keys(about), 'reason', 'cancelRequested'])
    expect(plain).not.toHaveProperty(`run.${name}`);
  // Only an automation that raises no alarm has a default cap.
  const capOf = (each: typeof plain) => 'run' in each && definitionOfRun(each.run).maxPerMinute;
  expect(capOf(plain)).toBe(defaultPerMinute);
  await stage.table().put({ ...item, alarm: true });
  expect(capOf(await authorize(services, await read(await startRun(services, causeOf(forged)))))).toBeUndefined();
});

test('the same cause starts the run that is stored, as long as it is running', async () => {
  const { services, start } = idle();
  const cause = causeOf({ alarm: true });
  const id = await startRun(services, cause);
  expect(await startRun(services, { ...cause, alarm: false })).toBe(id);
  await startRunAgain(services, await read(id));
  expect(start.mock.calls).toEqual(Array.from({ length: 3 }, () => [id, { runId: id, alarm: true }]));
  await endRun(services, await read(id), 'succeeded');
  start.mockClear();
  await startRun(services, cause);
  expect(start).not.toHaveBeenCalled();
  const other = await startRun(services, causeOf());
  await startRunAgain(services, await read(other));
  expect(start.mock.calls).toEqual([
    [other, { runId: other }],
    [other, { runId: other }],
  ]);
});

test('the status of an automation is that of its newest run that acted', async () => {
  const { services } = idle();
  const cause = causeOf();
  const status = () => stage.table().get(keys.automationStatus(cause.owner));
  const end = async (state: 'skipped' | 'failed' | 'succeeded', createdAt: number, reason?: string) => {
    const id = await startRun(services, { ...cause, cause: `${state} ${createdAt}`, createdAt });
    expect((await endRun(services, await read(id), state, reason)).done).toBe(true);
    return id;
  };
  await end('skipped', 1_000);
  expect(await status()).toBeUndefined();
  const failed = await end('failed', 3_000, 'It broke.');
  expect(await status()).toMatchObject({ runId: failed, state: 'failed', reason: 'It broke.' });
  await end('succeeded', 2_000);
  expect(await status()).toMatchObject({ runId: failed });
  const last = await end('succeeded', 4_000);
  expect(await status()).toMatchObject({ runId: last, state: 'succeeded' });
  expect(await status()).not.toHaveProperty('reason');
  // The end is recorded once; the same end again is a repeat after a crash.
  expect((await endRun(services, await read(last), 'succeeded')).done).toBe(true);
  expect((await endRun(services, await read(last), 'failed', 'Late.')).done).toBe(false);
  expect(await status()).toMatchObject({ state: 'succeeded' });
  const single = await startRun(services, causeOf({ owner: callsOwner('talk') }));
  await endRun(services, await read(single), 'succeeded');
  expect(await stage.table().get(keys.automationStatus(callsOwner('talk')))).toBeUndefined();
});

test('cancelling the runs of an automation cancels those that are running, and no others', async () => {
  const { services } = idle();
  const cause = causeOf();
  const ids: string[] = [];
  for (const each of ['ended', 'one', 'two']) ids.push(await startRun(services, { ...cause, cause: each }));
  const [ended = '', ...running] = ids;
  const other = await startRun(services, causeOf());
  await endRun(services, await read(ended), 'succeeded');
  expect(await cancelRuns(services, cause.owner, 'Disabled.')).toBe(2);
  for (const id of running) expect(await read(id)).toMatchObject({ cancelRequested: true, reason: 'Disabled.' });
  for (const id of [ended, other]) expect(await read(id)).not.toHaveProperty('cancelRequested');
});

import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, onTestFinished, test, vi } from 'vitest';
import { memorySecrets, processOf, putConnection, startBackends, TestClock } from '../../test/support/harness.ts';
import { imaginedVendor } from '../../test/support/imagined-vendor.ts';
import { GatewayError } from '../core/errors.ts';
import { monthEnd } from '../core/quota.ts';
import type { EventCatalogue, VendorName } from '../core/vendor.ts';
import { keys } from '../store/items.ts';
import { isHistory } from './list.ts';
import { isWanted, type Listeners, noteReader, recentReaders } from './listening.ts';
import { appendEvents, type EventItem, eventId } from './log.ts';
import { pollEvents, pollTypeNow } from './poll.ts';
import { forgetPolls, type PollItem, planPolls, pollingStatus } from './poll-plan.ts';
import { allUnrouted } from './unrouted.ts';
import { registerWaiter, type Wanted } from './waiters.ts';

const minute = 60_000;
const clock = new TestClock();
let backends: Awaited<ReturnType<typeof startBackends>>;
let services: ReturnType<typeof processOf>;
let catalogue: EventCatalogue;
let connection = '';
let number = 0;

const imagined = imaginedVendor();

beforeAll(async () => {
  backends = await startBackends();
  services = processOf(backends.database, memorySecrets(), clock);
});
afterAll(async () => {
  services.close();
  await backends.stop();
});
beforeEach(async () => {
  catalogue = { talk: imagined.vendorWith('talk', ['chat']) };
  connection = `c${++number}`;
  imagined.reset();
});

afterEach(async () => {
  for (const vendor of ['talk', 'proptt2'] as const) {
    for (const { name } of await services.connections.list(vendor)) {
      await services.table.delete(keys.connection(vendor, name));
      services.connections.forget(vendor, name);
      await forgetPolls(services.table, vendor, name);
    }
  }
});

const happen = (count = 1) => imagined.happen(connection, count);
const tick = (process = services, listeners?: Listeners) =>
  pollEvents(process, catalogue, { requestId: 'tick', signal: new AbortController().signal }, listeners);
async function connect(settings: Record<string, unknown> = {}, vendor: VendorName = 'talk') {
  const made = await putConnection(services, vendor, connection, settings, { appPassword: 'x' });
  const found = catalogue[vendor];
  if (!found) throw new Error(`No ${vendor}`);
  await planPolls(services.table, found, made, clock.now(), true);
  return { made, found };
}
const item = (name = 'chat', vendor = 'talk') =>
  services.table.get<PollItem>(keys.poll(vendor, connection, name), true);
const status = async () =>
  (await pollingStatus(services.table, catalogue, [{ vendor: 'talk', name: connection }], clock.now())).flat();
const logged = async (index: number) =>
  services.table.get(
    keys.event(eventId({ vendor: 'talk', connection, type: 'talk.message.created', id: `${connection}-${index}` })),
  );

test('the first poll sets the cursor and emits no history, even if the source returns some', async () => {
  await connect();
  happen(3);
  expect(await tick()).toMatchObject({ polled: 1, found: 0 });
  expect(await item()).toMatchObject({ cursor: '3' });
  happen();
  clock.advance(minute);
  expect(await tick()).toMatchObject({ polled: 1, found: 1 });
  expect(await logged(3)).toBeDefined();
  expect(await logged(2)).toBeUndefined();
});

test('a source comes due once a minute with ticks a minute apart, and a second tick at once polls nothing', async () => {
  await connect();
  for (let at = 0; at < 4; at++) {
    expect(await tick()).toMatchObject({ polled: 1 });
    expect(await tick()).toMatchObject({ polled: 0 });
    clock.advance(minute);
  }
});

test('two ticks in two processes at the same moment poll once', async () => {
  await connect();
  const other = processOf(backends.database, memorySecrets(), clock);
  imagined.onPoll = async () => {
    for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve));
    return {};
  };
  const reports = await Promise.all([tick(), tick(other)]);
  other.close();
  expect(reports[0].polled + reports[1].polled).toBe(1);
});

test('a source that another process has just polled is not polled again, though it was read as due', async () => {
  catalogue = { proptt2: imagined.vendorWith('proptt2', ['a']) };
  await connect({}, 'proptt2');
  await tick();
  clock.advance(minute);
  const other = processOf(backends.database, memorySecrets(), clock);
  const first = Promise.withResolvers<void>();
  const arrived = Promise.withResolvers<void>();
  const slow = new Proxy(other.table, {
    get(target, name) {
      const value = Reflect.get(target, name, target) as unknown;
      if (typeof value !== 'function') return value;
      return async (...given: unknown[]) => {
        if (name === 'update' && (given[0] as { pk: string }).pk.startsWith('poll#')) {
          arrived.resolve();
          await first.promise;
        }
        return value.apply(target, given) as unknown;
      };
    },
  });
  const late = tick({ ...other, table: slow });
  // It has read what is due once it asks for the lease.
  await arrived.promise;
  expect(await tick()).toMatchObject({ polled: 1 });
  first.resolve();
  expect(await late).toMatchObject({ due: 1, polled: 0 });
  other.close();
});

test('Talk has one poll at a time, ProPTT2 by four', async () => {
  // A poll takes long enough for another one to begin beside it.
  imagined.onPoll = async () => {
    for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve));
    return {};
  };
  const sources = ['a', 'b', 'c', 'd', 'e', 'f'];
  catalogue = { talk: imagined.vendorWith('talk', sources) };
  await connect();
  const other = processOf(backends.database, memorySecrets(), clock);
  await Promise.all([tick(), tick(other)]);
  other.close();
  expect(imagined.polls).toHaveLength(6);
  expect(imagined.maxInFlight).toBe(1);
  [imagined.polls, imagined.maxInFlight] = [[], 0];
  catalogue = { proptt2: imagined.vendorWith('proptt2', sources) };
  await connect({}, 'proptt2');
  const four = Promise.withResolvers<void>();
  imagined.onPoll = async () => {
    if (imagined.maxInFlight === 4) four.resolve();
    await four.promise;
    return {};
  };
  await tick();
  expect(imagined.polls).toHaveLength(6);
  expect(imagined.maxInFlight).toBe(4);
});

test('a poller that stalled past its lease moves no cursor and stores no event', async () => {
  await connect();
  await tick();
  happen(150);
  clock.advance(minute);
  let stalled = false;
  imagined.onPoll = async () => {
    if (stalled) return {};
    stalled = true;
    clock.advance(5 * minute);
    const other = processOf(backends.database, memorySecrets(), clock);
    expect(await tick(other)).toMatchObject({ polled: 1, found: 150 });
    other.close();
    happen();
    return { events: [imagined.fact(connection)], cursor: 'stale' };
  };
  expect(await tick()).toMatchObject({ found: 0 });
  expect(await item()).toMatchObject({ cursor: '150' });
  imagined.onPoll = async () => ({});
  clock.advance(minute);
  expect(await tick()).toMatchObject({ found: 1 });
});

test('what a push stored is not stored again, and a push moves no cursor', async () => {
  await connect();
  await tick();
  happen(2);
  const [first] = imagined.facts;
  if (!first) throw new Error('No fact');
  await appendEvents(services, [{ ...first, vendor: 'talk', connection, readBy: 'getAll' }]);
  expect(await item()).toMatchObject({ cursor: '0' });
  clock.advance(minute);
  expect(await tick()).toMatchObject({ found: 1 });
});

test('a failing source is retried after longer and longer pauses, keeps its cursor, and catches up', async () => {
  await connect();
  await tick();
  imagined.onPoll = async () => {
    throw new GatewayError('vendor_unreachable', 'Nobody answers.');
  };
  const pauses: number[] = [];
  for (let at = 0; at < 8; at++) {
    const { dueAt = 0 } = (await item()) ?? {};
    clock.time = dueAt;
    expect(await tick()).toMatchObject({ polled: 1, failed: 1 });
    pauses.push(((await item())?.dueAt ?? 0) - clock.now());
  }
  expect(Math.min(...pauses)).toBeGreaterThanOrEqual(minute);
  expect(Math.max(...pauses)).toBeLessThanOrEqual(15 * minute);
  expect(await item()).toMatchObject({ cursor: '0', failures: 8, problem: 'Nobody answers.' });
  const time = expect.stringMatching(/^2026-/);
  expect(await status()).toEqual([
    {
      source: 'chat',
      state: 'failing',
      message: expect.stringMatching(/^The last 8 polls failed: Nobody answers\. Next poll in \d+ (s|min)\.$/),
      polledAt: time,
      nextPollAt: time,
      failures: 8,
    },
  ]);
  happen(2);
  imagined.onPoll = async () => ({});
  clock.advance(15 * minute);
  expect(await tick()).toMatchObject({ found: 2, failed: 0 });
  expect(await item()).toMatchObject({ failures: 0 });
  expect((await status())[0]).toMatchObject({ state: 'polling' });
});

test('Retry-After and nextIn decide when the next poll comes', async () => {
  await connect();
  imagined.onPoll = async () => ({ nextIn: 7 * minute });
  await tick();
  expect((await item())?.dueAt).toBe(clock.now() + 7 * minute);
  clock.advance(7 * minute);
  imagined.onPoll = async () => {
    throw new GatewayError('vendor_rate_limited', 'Slowly.', { retryAfter: 3600 });
  };
  await tick();
  expect((await item())?.dueAt).toBe(clock.now() + 3_600_000);
});

test('`more` polls again at once, each poll with its own cursor, up to a limit', async () => {
  await connect();
  await tick();
  happen(5);
  clock.advance(minute);
  imagined.onPoll = async (cursor = 0) => ({
    events: imagined.facts.slice(cursor, cursor + 2),
    cursor: cursor + 2,
    more: cursor + 2 < 5,
  });
  imagined.polls = [];
  expect(await tick()).toMatchObject({ polled: 3, found: 5 });
  expect(imagined.polls).toEqual([0, 2, 4]);
  imagined.onPoll = async () => ({ more: true });
  clock.advance(minute);
  expect(await tick()).toMatchObject({ polled: 10 });
  expect(await tick()).toMatchObject({ polled: 10 });
});

test('an unexpected error is reported with its stack and stops no other connection', async () => {
  await connect();
  connection = `c${++number}`;
  await connect();
  let first = true;
  imagined.onPoll = async () => {
    if (!first) return {};
    first = false;
    throw new TypeError('undefined is not a function');
  };
  const report = await tick();
  expect(report).toMatchObject({ polled: 2, failed: 1 });
  expect(report.unexpected[0]).toContain('TypeError');
});

test('with pollEvents off nothing is polled and the cursor stays; switched on again, the events in between are found', async () => {
  await connect();
  await tick();
  await connect({ pollEvents: false });
  happen(2);
  clock.advance(60 * minute);
  expect(await tick()).toMatchObject({ due: 0 });
  services.connections.forget('talk', connection);
  await connect();
  expect(await tick()).toMatchObject({ found: 2 });
});

test('a deleted connection is not polled, and one created again under its name starts without history', async () => {
  await connect();
  await tick();
  await services.table.delete(keys.connection('talk', connection));
  services.connections.forget('talk', connection);
  clock.advance(minute);
  expect(await tick()).toMatchObject({ due: 1, polled: 0 });
  expect(await tick()).toMatchObject({ due: 0 });
  await forgetPolls(services.table, 'talk', connection);
  happen(4);
  await connect();
  expect(await tick()).toMatchObject({ polled: 1, found: 0 });
});

test('existing plans stay when all connections are searched', async () => {
  await connect();
  imagined.onPoll = async () => ({ nextIn: 60 * minute });
  await tick();
  clock.advance(11 * minute);
  expect(await tick()).toMatchObject({ polled: 0 });
  clock.advance(49 * minute);
  expect(await tick()).toMatchObject({ polled: 1 });
});

test('an unplanned connection is found within ten minutes', async () => {
  await putConnection(services, 'talk', connection, {}, { appPassword: 'x' });
  clock.advance(11 * minute);
  imagined.polls = [];
  await tick();
  await tick();
  expect(await item()).toMatchObject({ cursor: '0' });
});

test('asked for now, a source is polled though it is not due, and what it finds is in the log at once', async () => {
  await connect();
  await tick();
  happen();
  const scope = { requestId: 'now', signal: new AbortController().signal };
  for (const asked of [`talk/${connection}`, connection, undefined]) {
    happen();
    await pollTypeNow(services, catalogue, { type: 'test.chat', connection: asked }, scope);
  }
  expect(imagined.polls).toHaveLength(4);
  expect(await logged(3)).toMatchObject({ position: expect.any(Number) });
  await pollTypeNow(services, catalogue, { type: 'test.other', connection }, scope);
  await pollTypeNow(services, catalogue, { type: 'test.chat', connection: 'proptt2/x' }, scope);
  expect(imagined.polls).toHaveLength(4);
});

test('what of a source is not read is reported, even if the database fails at that moment', async () => {
  await connect();
  const problem = `No events come from ${connection}.`;
  imagined.onPoll = async () => ({ problem });
  const { put } = services.table;
  const failing = vi.spyOn(services.table, 'put').mockImplementation(async (item, ...more) => {
    if (item.pk.startsWith('event#')) throw new Error('The database does not answer.');
    return put.call(services.table, item, ...more) as never;
  });
  onTestFinished(() => failing.mockRestore());
  await tick();
  failing.mockRestore();
  clock.advance(20 * minute);
  await tick();
  const all = await allUnrouted(services.table);
  expect(all.filter(({ data }) => data?.includes(problem))).toMatchObject([{ type: 'trunkline.polling.incomplete' }]);
});

describe('polling on demand', () => {
  let version = 0;
  const listeners = (...all: Listeners['all']): Listeners => ({ all, version: String(++version) });
  const nobody = listeners();

  const wait = (more: Partial<Wanted> = {}) => {
    const until = clock.now() + 90_000;
    const wanted = { callbackId: connection, type: 'test.chat', scopes: ['talk/*/*'], since: clock.now(), until };
    const starter = { complete: async () => true } as never;
    const found = { holds: async () => true, shown: async () => ({}) };
    return registerWaiter({ ...services, ...found, starter }, { ...wanted, ...more });
  };

  test('a source is polled while a run waits for its events, although no automation listens any more', async () => {
    await connect();
    await wait({ callbackId: 'another', connection: 'talk/another' });
    await wait({ callbackId: 'blind', scopes: ['proptt2/*/*'] });
    await wait();
    for (const polled of [1, 1, 0]) {
      expect(await tick(services, nobody)).toMatchObject({ due: 1, polled });
      clock.advance(minute);
    }
    expect(await status()).toMatchObject([{ state: 'resting' }]);
  });

  test('a source that rests is polled when a wait for its events ends', async () => {
    await connect();
    await tick();
    expect(await tick(services, nobody)).toMatchObject({ polled: 0 });
    clock.advance(minute);
    expect(await tick(services, nobody)).toMatchObject({ polled: 0 });
    expect(await status()).toMatchObject([{ state: 'resting' }]);
    happen();
    const scope = { requestId: 'r', signal: new AbortController().signal };
    await pollTypeNow(services, catalogue, { type: 'test.chat', connection }, scope);
    expect(await logged(0)).toMatchObject({ position: expect.any(Number) });
  });

  test('a source without listeners is not polled, and its events are found once it has one', async () => {
    await connect();
    expect(await tick(services, nobody)).toMatchObject({ due: 1, polled: 0 });
    clock.advance(minute);
    expect(await tick(services, nobody)).toMatchObject({ due: 0, polled: 0 });
    expect(await status()).toMatchObject([{ state: 'resting' }]);
    // The first poll sets the start: nothing before it is an event.
    happen(2);
    const somebody = listeners({ type: 'test.chat', connection });
    expect(await tick(services, somebody)).toMatchObject({ polled: 1, found: 0 });
    clock.advance(minute);
    expect(await tick(services, nobody)).toMatchObject({ polled: 0 });
    happen(3);
    clock.advance(60 * minute);
    expect(await tick(services, nobody)).toMatchObject({ polled: 0 });
    expect(await tick(services, listeners({ type: 'test.*' }))).toMatchObject({ polled: 1, found: 3 });
  });

  test('an event that is found late carries its time, so that it triggers nothing that was created later', async () => {
    const item = async (index: number) => (await logged(index)) as EventItem | undefined;
    const said = (at: number) =>
      imagined.facts.push({ ...imagined.fact(connection), timestamp: new Date(at).toISOString() });
    await connect();
    await tick(services, listeners({ type: '*' }));
    const lastPoll = clock.now();
    clock.advance(minute);
    await tick(services, nobody);
    said(clock.now() + 1000);
    clock.advance(60 * minute);
    // The vendor does not say when: it may have been at any time since the last poll.
    said(clock.now() + 1000);
    const listeningSince = clock.now() - 30_000;
    imagined.onPoll = async (cursor = 0) => ({
      events: imagined.facts.slice(cursor, cursor + 1),
      cursor: Math.min(imagined.facts.length, cursor + 1),
      more: cursor + 1 < imagined.facts.length,
    });
    await tick(services, listeners({ type: '*' }));
    expect((await item(0))?.happenedAt).toBe(Math.floor(clock.now() - 60 * minute + 1000));
    expect((await item(1))?.happenedAt).toBe(lastPoll);
    for (const index of [0, 1]) {
      const found = await item(index);
      if (!found) throw new Error('not found');
      expect(isHistory(found, listeningSince, listeningSince, listeningSince)).toBe(true);
    }
    said(clock.now());
    clock.advance(minute);
    await tick(services, listeners({ type: '*' }));
    expect(await item(2)).toBeDefined();
    expect((await item(2))?.happenedAt).toBeUndefined();
  });

  test('only the sources and connections that are wanted are polled', async () => {
    catalogue = { talk: imagined.vendorWith('talk', ['chat', 'rooms']) };
    await connect();
    connection = `c${++number}`;
    await connect();
    const wanted = listeners({ type: 'test.rooms', connection: `talk/${connection}` });
    expect(await tick(services, wanted)).toMatchObject({ due: 4, polled: 1 });
    clock.advance(minute);
    expect(await tick(services, wanted)).toMatchObject({ due: 1, polled: 1 });
    // A listener that may not read the connection is no reason to poll it.
    const blind = listeners({ type: '*', scopes: ['talk/elsewhere/*'] });
    clock.advance(minute);
    expect(await tick(services, blind)).toMatchObject({ polled: 0 });
  });

  test('a reader of the list of a type or connection counts as a listener for an hour', async () => {
    await connect();
    await tick(services, nobody);
    await noteReader(services, { type: 'test.chat', connection });
    const read = async () => ({ all: await recentReaders(services.table, clock.now()), version: String(++version) });
    expect(await tick(services, await read())).toMatchObject({ polled: 1 });
    clock.advance(59 * minute);
    expect(await tick(services, await read())).toMatchObject({ polled: 1 });
    clock.advance(2 * minute);
    expect(await tick(services, await read())).toMatchObject({ polled: 0 });
  });

  test('reading all events does not make a metered source be polled', async () => {
    const source = { types: { 'test.rows': {} }, poll: { every: minute, metered: true } } as never;
    const place = { vendor: 'timetonic', name: 'desk' };
    await noteReader(services, {});
    const readers = await recentReaders(services.table, clock.now());
    expect(isWanted(readers, source, place)).toBe(false);
    expect(isWanted([{ type: '*' }], source, place)).toBe(true);
    expect(isWanted([{ type: '*', connection: 'desk' }], source, place)).toBe(true);
  });
});

describe('near the monthly quota of a connection', () => {
  const spend = async (calls: number) => {
    const { made } = await connect({ monthlyCalls: 1_000 });
    const http = services.usage.counting({ request: async () => ({}) } as never, made);
    for (let at = 0; at < calls; at++)
      await http.request({ method: 'GET', url: 'https://vendor.example', timeoutMs: 1_000 });
    return http;
  };
  const pausedFor = async () => ((await item())?.dueAt ?? 0) - clock.now();

  test('a source is polled less often from 80 % on', async () => {
    await spend(799);
    await tick();
    expect(await pausedFor()).toBeLessThanOrEqual(minute);
    clock.advance(minute);
    const http = await spend(2);
    imagined.onPoll = async () => {
      await http.request({ method: 'GET', url: 'https://vendor.example', timeoutMs: 1_000 });
      return {};
    };
    await tick();
    expect(await pausedFor()).toBeGreaterThan(10 * minute);
  });

  test('at 95 % no source is polled until the month is over or the quota is raised, and an event says so once', async () => {
    await spend(950);
    happen();
    expect(await tick()).toMatchObject({ polled: 0, failed: 0 });
    expect(imagined.polls).toEqual([]);
    const [polling] = await status();
    expect(polling?.message).toMatch(
      /95 % of the monthly calls of talk\/.* are used\. Events are polled again on \d{4}-\d\d-01;/,
    );
    expect(Date.parse(polling?.nextPollAt ?? '')).toBe(monthEnd(clock.now()));
    await connect({ monthlyCalls: 2_000 });
    services.connections.forget('talk', connection);
    expect(await tick()).toMatchObject({ polled: 1 });
    expect((await item())?.unread).toBeUndefined();
  });
});

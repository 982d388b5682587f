import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { type Proptt2Sandbox, startProptt2Sandbox } from '../../sandbox/proptt2/index.ts';
import { memorySecrets, processOf, putConnection, startBackends, TestClock } from '../../test/support/harness.ts';
import { secretsManager } from '../aws/secrets.ts';
import { settingsFrom } from '../aws/settings.ts';
import { systemClock } from '../aws/system.ts';
import { GatewayError } from '../core/errors.ts';
import { sessionKeySecret } from '../core/secrets.ts';
import { vendors } from '../vendors/index.ts';
import { keepSessions } from './keepalive.ts';
import { listChanges } from './session-changes.ts';
import { vendorCall } from './vendor-calls.ts';

const owner = 'owner@company.com';
let backends: Awaited<ReturnType<typeof startBackends>>;
let sandbox: Proptt2Sandbox;
let clock: TestClock;
let secrets: ReturnType<typeof memorySecrets>;
const open: { close(): void }[] = [];
let number = 0;
let name = '';

const settings = () => ({ cloudUrl: sandbox.url, ownerId: owner, hid: 1, allowHttp: true, allowPrivateNetwork: true });
const credentials = { interactionKey: 'bb00cc' };
const tick = () => ({ requestId: 'tick', signal: new AbortController().signal });

/** A process of its own: its own memory, the same table. */
function newProcess() {
  const process = processOf(backends.database, secrets, clock);
  open.push(process);
  return process;
}

const changesOf = (process: ReturnType<typeof newProcess>) => listChanges(process.table, 'proptt2', name, clock.now());
const logins = () => sandbox.company(owner).hosts[1] ?? { serverCalls: 0, logins: 0, failedLogins: 0 };

beforeAll(async () => {
  backends = await startBackends();
});
afterAll(() => backends.stop());

beforeEach(async () => {
  clock = new TestClock();
  sandbox = await startProptt2Sandbox({ now: clock.now });
  secrets = memorySecrets();
  name = `dispatch-${number++}`;
});
afterEach(async () => {
  await newProcess().store.remove('proptt2', name);
  await newProcess().store.remove('proptt2', 'dispatch');
  for (const each of open.splice(0)) each.close();
  expect(sandbox.journal.filter((entry) => entry.refusal !== undefined).map((entry) => entry.refusal)).toEqual([]);
  await sandbox.close();
});

describe('one session for all', () => {
  test('200 callers in 8 processes without a session make exactly one /server and one /auth', async () => {
    const real = await startProptt2Sandbox();
    try {
      const manager = secretsManager(settingsFrom(backends.env), systemClock, () => undefined);
      for (const vendor of ['proptt2', 'talk', 'timetonic'])
        await manager.write(sessionKeySecret(vendor), 'a key for tests of sessions');
      const preparing = processOf(backends.database, manager, systemClock);
      open.push(preparing);
      await putConnection(preparing, 'proptt2', 'dispatch', { ...settings(), cloudUrl: real.url }, credentials);
      real.fault({ kind: 'latency', path: '/auth', ms: 300 });
      const script = join(import.meta.dirname, '../../test/support/session-caller.ts');
      const run = promisify(execFile);
      const outputs = await Promise.all(
        Array.from({ length: 8 }, () =>
          run(process.execPath, [script, '25'], { env: { ...process.env, ...backends.env } }),
        ),
      );
      const results = outputs.flatMap(({ stdout }) => JSON.parse(stdout) as string[]);
      expect(results).toHaveLength(200);
      expect(results.filter((result) => result !== 'good')).toEqual([]);
      const counts = real.counts();
      expect({ server: counts['POST /openapi/1/server'], auth: counts['POST /openapi/1/auth'] }).toEqual({
        server: 1,
        auth: 1,
      });
      expect(counts['GET /openapi/1/channels']).toBe(200);
    } finally {
      await real.close();
    }
  });

  test('of callers that wait for one login, each gives up for itself', async () => {
    const { proptt2 } = vendors;
    if (!proptt2) throw new Error('ProPTT2 is missing');
    const one = newProcess();
    const connection = await putConnection(one, 'proptt2', name, settings(), credentials);
    const current = (signal: AbortSignal) =>
      one.sessions.current(proptt2, vendorCall(one, proptt2, connection, { requestId: 'r', signal }));
    sandbox.fault({ kind: 'latency', path: '/auth', ms: 20_000, times: 1 });
    const [first, second] = [new AbortController(), new AbortController()];
    const waiting = [first, second, ...[3, 4].map(() => new AbortController())].map(({ signal }) => current(signal));
    const settled = Promise.allSettled(waiting);
    await expect.poll(() => sandbox.counts()['POST /openapi/1/auth'] ?? 0).toBe(1);
    second.abort(new Error('The second gives up.'));
    await expect(waiting[1]).rejects.toThrow('The second gives up.');
    first.abort();
    expect((await settled).map(({ status }) => status)).toEqual(['rejected', 'rejected', 'fulfilled', 'fulfilled']);
    expect(sandbox.counts()['POST /openapi/1/auth']).toBe(2);
    sandbox.reset();
  });

  test('a warm call reads nothing from the table, and its requests are counted in batches of ten', async () => {
    const one = newProcess();
    await putConnection(one, 'proptt2', name, settings(), credentials);
    await one.call('proptt2', name, 'sendMessageToChannel', { channelId: 1, message: 'first' });
    const before = one.table.requests;
    for (let turn = 0; turn < 20; turn++) {
      clock.advance(200);
      await one.call('proptt2', name, 'sendMessageToChannel', { channelId: 1, message: `${turn}` });
    }
    expect(one.table.requests - before).toBe(2);
    expect(logins().logins).toBe(1);
  });

  test('a process that comes later uses the stored session', async () => {
    const one = newProcess();
    await putConnection(one, 'proptt2', name, settings(), credentials);
    await one.call('proptt2', name, 'getChannelList');
    await newProcess().call('proptt2', name, 'getChannelList');
    expect(logins().logins).toBe(1);
  });

  test('a holder that stalls past its lease never overwrites a newer session', async () => {
    const stalled = newProcess();
    const quick = newProcess();
    await putConnection(stalled, 'proptt2', name, settings(), credentials);
    sandbox.fault({ kind: 'latency', path: '/auth', ms: 600, times: 1 });
    const slow = stalled.call('proptt2', name, 'getChannelList');
    await expect.poll(() => sandbox.counts()['POST /openapi/1/auth'] ?? 0).toBe(1);
    clock.advance(21_000);
    await quick.call('proptt2', name, 'getChannelList');
    const stored = await quick.store.read('proptt2', name);
    await slow;
    const after = await quick.store.read('proptt2', name);
    expect(after?.data).toEqual(stored?.data);
    expect(after).toMatchObject({ generation: stored?.generation, state: 'live', refusals: 0 });
    // Its Rand was reset by the newer login: the vendor's no to it says nothing about the key.
    expect(sandbox.journal.flatMap((entry) => entry.refusal ?? [])).toEqual(['this Rand was reset by a later /server']);
    sandbox.reset();
  });
});

describe('a session that dies', () => {
  test.each(['401', '403', '500-html', '200-code-401'] as const)(
    'looks like %s: one login, the write is sent once',
    async (how) => {
      const one = newProcess();
      await putConnection(one, 'proptt2', name, settings(), credentials);
      sandbox.configure({ sessionTimeoutStatus: how });
      await one.call('proptt2', name, 'sendSosToChannel', { channelId: 1 });
      clock.advance(6_000);
      sandbox.killSession(owner, 1);
      await one.call('proptt2', name, 'sendSosToChannel', { channelId: 1 });
      expect(sandbox.state.sent.filter((each) => each.kind === 'sos')).toHaveLength(2);
      expect(logins().logins).toBe(2);
    },
  );

  test('is noticed after the clock was set back, too', async () => {
    const one = newProcess();
    await putConnection(one, 'proptt2', name, settings(), credentials);
    sandbox.fault({ kind: 'html', path: '/sendSOS', times: 1 });
    await expect(one.call('proptt2', name, 'sendSosToChannel', { channelId: 1 })).rejects.toThrow();
    clock.advance(-3_600_000);
    sandbox.configure({ sessionTimeoutStatus: '500-html' });
    sandbox.killSession(owner, 1);
    await one.call('proptt2', name, 'sendSosToChannel', { channelId: 1 });
    expect(logins().logins).toBe(2);
  });

  test('while many call: one new login, each write done exactly once', async () => {
    const processes = [newProcess(), newProcess(), newProcess()];
    const [one] = processes;
    if (!one) throw new Error('no process');
    await putConnection(one, 'proptt2', name, settings(), credentials);
    for (const each of processes) await each.call('proptt2', name, 'getChannelList');
    const calls = processes.flatMap((each) =>
      Array.from({ length: 30 }, (_, at) =>
        each.call('proptt2', name, 'sendMessageToChannel', { channelId: 1, message: `m${at}` }),
      ),
    );
    sandbox.killSession(owner, 1);
    await Promise.all(calls);
    expect(sandbox.state.sent).toHaveLength(90);
    expect(logins().logins).toBe(2);
    const sends = sandbox.counts()['POST /openapi/1/channels/1/sendMessage'] ?? 0;
    expect(sends).toBeLessThanOrEqual(180);
  });

  test('a 500 that is no dead session is answered as it is, without a login', async () => {
    const one = newProcess();
    await putConnection(one, 'proptt2', name, settings(), credentials);
    await one.call('proptt2', name, 'getChannelList');
    sandbox.fault({ kind: 'html', path: '/sendSOS', times: 1 });
    await expect(one.call('proptt2', name, 'sendSosToChannel', { channelId: 1 })).rejects.toMatchObject({
      code: 'vendor_failed',
      retryable: false,
    });
    expect(logins().logins).toBe(1);
    expect(sandbox.counts()['POST /openapi/1/channels/1/sendSOS']).toBe(1);
  });
});

describe('an answer that is lost', () => {
  test.each(['reset', 'truncate'] as const)('%s after the write: outcome_unknown, never sent again', async (kind) => {
    const one = newProcess();
    await putConnection(one, 'proptt2', name, settings(), credentials);
    await one.call('proptt2', name, 'getChannelList');
    sandbox.fault({ kind, when: 'after', path: '/sendSOS', times: 1 });
    const error = await one
      .call('proptt2', name, 'sendSosToChannel', { channelId: 1 })
      .catch((caught: unknown) => caught);
    expect(error).toBeInstanceOf(GatewayError);
    expect(error).toMatchObject({ code: 'outcome_unknown', status: 504, retryable: false });
    expect(sandbox.state.sent.filter((each) => each.kind === 'sos')).toHaveLength(1);
  });

  test('of a read: tried again', async () => {
    const one = newProcess();
    await putConnection(one, 'proptt2', name, settings(), credentials);
    sandbox.fault({ kind: 'reset', when: 'after', path: '/channels\\?', times: 2 });
    await expect(one.call('proptt2', name, 'getChannelList')).resolves.toMatchObject({ channels: expect.any(Array) });
    expect(sandbox.counts()['GET /openapi/1/channels']).toBe(3);
  });

  test('of a login: starts again from /server, and no Rand is used twice', async () => {
    const one = newProcess();
    await putConnection(one, 'proptt2', name, settings(), credentials);
    sandbox.fault({ kind: 'reset', when: 'after', path: '/auth', times: 1 });
    await one.call('proptt2', name, 'getChannelList');
    expect(sandbox.counts()).toMatchObject({ 'POST /openapi/1/server': 2, 'POST /openapi/1/auth': 2 });
  });

  test('of two logins: auth_ambiguous, and the next call starts afresh', async () => {
    const one = newProcess();
    await putConnection(one, 'proptt2', name, settings(), credentials);
    sandbox.fault({ kind: 'reset', when: 'after', path: '/auth', times: 2 });
    await expect(one.call('proptt2', name, 'getChannelList')).rejects.toMatchObject({ code: 'auth_ambiguous' });
    await expect(one.call('proptt2', name, 'getChannelList')).resolves.toBeDefined();
  });
});

describe('a wrong interaction key', () => {
  test('stops after two tries, says so, and storms no more', async () => {
    const one = newProcess();
    const other = newProcess();
    await putConnection(one, 'proptt2', name, settings(), { interactionKey: 'wrong key' });
    const errors = await Promise.all(
      Array.from({ length: 20 }, () =>
        one.call('proptt2', name, 'getChannelList').catch((error: GatewayError) => error.code),
      ),
    );
    expect(new Set(errors)).toEqual(new Set(['connection_needs_attention']));
    await expect(other.call('proptt2', name, 'getChannelList')).rejects.toMatchObject({
      code: 'connection_needs_attention',
      status: 424,
    });
    expect(sandbox.counts()['POST /openapi/1/auth']).toBe(2);
    expect(one.attention).toEqual([{ connection: name, reason: expect.stringContaining('interaction key') }]);
  });

  test('works again once the key is corrected', async () => {
    const one = newProcess();
    await putConnection(one, 'proptt2', name, settings(), { interactionKey: 'wrong key' });
    await expect(one.call('proptt2', name, 'getChannelList')).rejects.toMatchObject({
      code: 'connection_needs_attention',
    });
    await putConnection(one, 'proptt2', name, settings(), credentials);
    await expect(one.call('proptt2', name, 'getChannelList')).resolves.toBeDefined();
  });
});

describe('the clock', () => {
  test('keeps a session alive over an hour with one login, beats at most three minutes apart', async () => {
    const one = newProcess();
    await putConnection(one, 'proptt2', name, settings(), credentials);
    let longest = 0;
    for (let minute = 0; minute < 60; minute++) {
      const report = await keepSessions(one, vendors, tick());
      expect(report.unexpected).toEqual([]);
      longest = Math.max(longest, report.longestGap);
      clock.advance(60_000);
    }
    expect(logins().logins).toBe(1);
    expect(longest).toBeLessThanOrEqual(3 * 60_000);
    await newProcess().call('proptt2', name, 'getChannelList');
    expect(logins().logins).toBe(1);
  });

  test('refreshes a session that died', async () => {
    const one = newProcess();
    await putConnection(one, 'proptt2', name, settings(), credentials);
    await keepSessions(one, vendors, tick());
    sandbox.killSession(owner, 1);
    clock.advance(121_000);
    await expect(keepSessions(one, vendors, tick())).resolves.toMatchObject({ due: 1, kept: 0, renewed: 1 });
    await expect(one.store.read('proptt2', name)).resolves.toMatchObject({ state: 'live' });
  });

  test('leaves a locked connection alone', async () => {
    const one = newProcess();
    await putConnection(one, 'proptt2', name, settings(), { interactionKey: 'wrong key' });
    await keepSessions(one, vendors, tick());
    clock.advance(10 * 60_000);
    await expect(keepSessions(one, vendors, tick())).resolves.toMatchObject({ due: 0 });
    expect(sandbox.counts()['POST /openapi/1/auth']).toBe(2);
    expect(await changesOf(one)).toMatchObject([{ kind: 'locked', reason: expect.stringContaining('key') }]);
  });

  test('tries a vendor that is down again with each tick and keeps the session that it has', async () => {
    const one = newProcess();
    await putConnection(one, 'proptt2', name, settings(), credentials);
    await keepSessions(one, vendors, tick());
    sandbox.fault({ kind: 'reset', path: '/keepalive' });
    for (let minute = 0; minute < 3; minute++) {
      clock.advance(121_000);
      await expect(keepSessions(one, vendors, tick())).resolves.toMatchObject({ due: 1, failed: 1 });
    }
    sandbox.clearFaults();
    clock.advance(60_000);
    await expect(keepSessions(one, vendors, tick())).resolves.toMatchObject({ due: 1, kept: 1 });
    expect(logins().logins).toBe(1);
    // Three failures for one reason are one entry of the history.
    expect(await changesOf(one)).toMatchObject([
      { kind: 'failed', reason: expect.any(String) },
      { kind: 'live', generation: 2 },
    ]);
  });
});

describe('old servers', () => {
  test('without a keepalive are renewed on use', async () => {
    sandbox.configure({ serverVersion: '3.0.0' });
    const one = newProcess();
    await putConnection(one, 'proptt2', name, settings(), credentials);
    await keepSessions(one, vendors, tick());
    clock.advance(121_000);
    await keepSessions(one, vendors, tick());
    clock.advance(121_000);
    await expect(keepSessions(one, vendors, tick())).resolves.toMatchObject({ due: 0 });
    clock.advance(20 * 60_000);
    await one.call('proptt2', name, 'getChannelList');
    expect(logins().logins).toBe(2);
  });
});

import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import type { TalkSandboxOptions } from '../../../sandbox/talk/index.ts';
import {
  changeCredentials,
  processOf,
  putConnection,
  startBackends,
  TestClock,
} from '../../../test/support/harness.ts';
import { startTalk, type TalkUnderTest } from '../../../test/support/talk-gateway.ts';
import type { SecretStore } from '../../core/secrets.ts';

let backends: Awaited<ReturnType<typeof startBackends>>;
beforeAll(async () => {
  backends = await startBackends();
});
afterAll(() => backends.stop());

const open: TalkUnderTest[] = [];
async function start(options: TalkSandboxOptions = {}, clock = new TestClock()) {
  const talk = await startTalk(backends, { changelog: false, now: clock.now, ...options }, clock);
  open.push(talk);
  return { talk, clock };
}
afterEach(async () => {
  for (const talk of open.splice(0)) await talk.stop();
});

const token = 'controlroom';
const count = (talk: TalkUnderTest, status: number) =>
  talk.sandbox.journal.filter((entry) => entry.status === status).length;

describe('who the account is', () => {
  test('is read once with the capabilities, for all calls and all processes', async () => {
    const { talk } = await start();
    const alice = await talk.connect('alice');
    await Promise.all([alice.do('getRooms'), alice.do('getRooms'), alice.do('getRoom', { token })]);
    await alice.do('getRooms', {}, talk.newProcess());
    const about = talk.seen().filter((line) => line.includes('/cloud/'));
    expect(about).toEqual(['GET /ocs/v2.php/cloud/user', 'GET /ocs/v2.php/cloud/capabilities']);
  });

  test('is not read again while it is warm: only the requests are counted, in batches of ten', async () => {
    const { talk, clock } = await start();
    const alice = await talk.connect('alice');
    await alice.do('sendChatMessage', { token, message: 'warm' });
    const before = talk.process.table.requests;
    for (let at = 0; at < 20; at++) {
      clock.advance(200);
      await alice.do('sendChatMessage', { token, message: `m${at}` });
    }
    expect(talk.process.table.requests - before).toBe(2);
  });

  test('is sent in UTF-8, and may differ from the login name', async () => {
    const { talk } = await start({
      users: [
        { id: 'zoë', displayName: 'Zoë Müller', appPassword: 'zoë-app-pässwörd' },
        { id: 'u-17', loginName: 'kim@example.test', displayName: 'Kim' },
      ],
    });
    const zoe = await talk.connect('zoë', { credentials: { appPassword: 'zoë-app-pässwörd' } });
    expect((await zoe.call().session.latest()) as object).toMatchObject({ userId: 'zoë' });
    const kim = await talk.connect('kim@example.test', { credentials: { appPassword: 'u-17-app-password' } });
    expect((await kim.call().session.latest()) as object).toMatchObject({ userId: 'u-17' });
  });

  test('every request carries the OCS header, our own name, JSON in the query, and no cookie but for joins', async () => {
    const { talk } = await start();
    const alice = await talk.connect('alice');
    await alice.do('getRooms');
    await alice.do('sendChatMessage', { token, message: 'x' });
    const [, , ...calls] = talk.sandbox.journal;
    for (const { headers, query, path } of calls) {
      expect(headers).toMatchObject({ 'ocs-apirequest': 'true', 'user-agent': 'Trunkline' });
      expect(query.format).toBe('json');
      expect(headers.cookie, path).toBeUndefined();
    }
  });
});

describe('a wrong app password', () => {
  test('is tried once, then nothing is sent until the credentials change', async () => {
    const { talk } = await start();
    const alice = await talk.connect('alice', { credentials: { appPassword: 'not the password' } });
    for (let at = 0; at < 3; at++) {
      const refused = await alice.refusal('getRooms');
      expect([refused.status, refused.code]).toEqual([424, 'connection_needs_attention']);
      expect(refused.message).toContain('app password of alice');
    }
    await alice.refusal('sendChatMessage', { token, message: 'x' }, talk.newProcess());
    expect(talk.sandbox.journal).toHaveLength(1);
    expect(talk.process.attention).toHaveLength(1);
    await putConnection(talk.process, 'talk', alice.name, alice.connection.settings as Record<string, unknown>, {
      appPassword: 'alice-app-password',
    });
    const unlocked = talk.newProcess();
    expect(await alice.do('getRooms', {}, unlocked)).toHaveLength(1);
  });

  test('locks at the first refusal of a call, without another try', async () => {
    const { talk } = await start();
    const alice = await talk.connect('alice');
    await alice.do('getRooms');
    const user = talk.sandbox.state.users.alice;
    if (user) user.appPasswords = [];
    talk.sandbox.reset();
    expect((await alice.refusal('sendChatMessage', { token, message: 'x' })).code).toBe('connection_needs_attention');
    expect((await alice.refusal('getRooms')).code).toBe('connection_needs_attention');
    expect((await alice.refusal('getRooms', {}, talk.newProcess())).code).toBe('connection_needs_attention');
    expect(talk.sandbox.journal).toHaveLength(1);
    expect(talk.process.attention).toEqual([
      { connection: alice.name, reason: expect.stringContaining('app password') },
    ]);
  });

  test('that is found out while the capabilities are read again locks as well', async () => {
    const { talk } = await start();
    const alice = await talk.connect('alice');
    await alice.do('getRooms');
    talk.sandbox.state.users.alice?.appPasswords.splice(0);
    talk.sandbox.reset();
    expect((await alice.refusal('getCapabilities')).code).toBe('connection_needs_attention');
    expect((await alice.refusal('getRooms')).code).toBe('connection_needs_attention');
    expect(talk.sandbox.journal).toHaveLength(1);
    expect(talk.process.attention).toHaveLength(1);
  });

  test('of a warm process is known there within a minute', async () => {
    const { talk, clock } = await start();
    const alice = await talk.connect('alice');
    const other = talk.newProcess();
    await alice.do('getRooms');
    await alice.do('getRooms', {}, other);
    await alice.call().session.lock('somebody else was refused.');
    clock.advance(61_000);
    talk.sandbox.reset();
    expect((await alice.refusal('getRooms', {}, other)).code).toBe('connection_needs_attention');
    expect(talk.sandbox.journal).toHaveLength(0);
  });

  test('that was replaced meanwhile is read again from the secret, and nothing is locked', async () => {
    const { talk, clock } = await start();
    const alice = await talk.connect('alice');
    const cache = new Map<string, string | undefined>();
    const cached: SecretStore = {
      ...talk.secrets,
      read: async (name, fresh) => {
        if (fresh || !cache.has(name)) cache.set(name, await talk.secrets.read(name));
        return cache.get(name);
      },
    };
    const other = processOf(backends.database, cached, clock, {
      talk: (await import('./index.ts')).talk,
    });
    await alice.do('getRooms', {}, other);
    talk.sandbox.state.users.alice?.appPasswords.splice(0, 1, { token: 'a newer app password', name: 'x' });
    await changeCredentials(talk.process, 'talk', alice.name, { appPassword: 'a newer app password' });
    talk.sandbox.reset();
    expect((await alice.answer('sendChatMessage', { token, message: 'x' }, other)).status).toBe(201);
    expect(count(talk, 401)).toBe(1);
    expect(other.attention).toEqual([]);
    other.close();
  });
});

describe('a server that changes', () => {
  test('is read again when its hash changes', async () => {
    const { talk } = await start({ talkVersion: '17.1.6' });
    const alice = await talk.connect('alice');
    const { id } = await alice.do('sendChatMessage', { token, message: 'teh' });
    const early = await alice.refusal('editChatMessage', { token, messageId: id, message: 'the' });
    expect([early.status, early.code]).toEqual([424, 'vendor_too_old']);
    expect(early.message).toMatch(/needs Talk 19 or newer.*this server has Talk 17\.1\.6/);
    await alice.do('getRooms');
    talk.sandbox.setVersion({ talkVersion: '21.1.0' });
    await alice.do('getRooms');
    expect(await alice.do('editChatMessage', { token, messageId: id, message: 'the' })).toMatchObject({
      id,
      message: 'the',
      text: 'the',
    });
    expect(talk.seen().filter((line) => line.endsWith('/capabilities'))).toHaveLength(2);
  });

  test('and no longer has a route gets the request in its new dialect, once', async () => {
    const { talk } = await start({ era: 'C' });
    const alice = await talk.connect('alice');
    await alice.do('addParticipant', { token, newParticipant: 'bob' });
    talk.sandbox.setVersion({ era: 'E' });
    talk.sandbox.reset();
    await alice.do('promoteToModerator', { token, participant: 'bob' });
    expect(talk.seen()).toEqual([
      `POST /v1/room/${token}/moderators`,
      'GET /ocs/v2.php/cloud/user',
      'GET /ocs/v2.php/cloud/capabilities',
      `GET /v4/room/${token}/participants`,
      `POST /v4/room/${token}/moderators`,
    ]);
  });

  test('is read again once, however many callers there are', async () => {
    const { talk } = await start({ era: 'C' });
    const alice = await talk.connect('alice');
    const other = talk.newProcess();
    await Promise.all([alice.do('getRooms'), alice.do('getRooms', {}, other)]);
    talk.sandbox.setVersion({ era: 'E' });
    talk.sandbox.reset();
    const both = Array.from({ length: 20 }, (_, at) => alice.do('getRooms', {}, at % 2 ? talk.process : other));
    expect((await Promise.all(both)).every((rooms) => rooms.length === 1)).toBe(true);
    expect(talk.seen().filter((line) => line.endsWith('/capabilities'))).toHaveLength(1);
  });

  test('is read again after a day', async () => {
    const { talk, clock } = await start();
    const alice = await talk.connect('alice');
    await alice.do('getRooms');
    clock.advance(25 * 60 * 60_000);
    talk.sandbox.reset();
    await alice.do('sendChatMessage', { token, message: 'x' });
    await alice.do('sendChatMessage', { token, message: 'y' });
    expect(talk.seen().filter((line) => line.endsWith('/capabilities'))).toHaveLength(1);
  });

  test('of the first release, which does not report Talk, is era A', async () => {
    const { talk } = await start({ talkVersion: '3.0.0' });
    const alice = await talk.connect('alice');
    expect(await alice.do('getRooms')).toHaveLength(1);
    expect((await alice.refusal('markChatRead', { token })).code).toBe('vendor_too_old');
  });

  test('that does not let the account use Talk, or has none, says so', async () => {
    const { talk } = await start();
    const alice = await talk.connect('alice');
    talk.sandbox.configure({ talkAllowed: { alice: false } });
    const refused = await alice.refusal('getRooms');
    expect([refused.status, refused.code]).toEqual([424, 'connection_needs_attention']);
    expect(refused.message).toContain('may not use Talk');
    talk.sandbox.configure({ talkAllowed: { alice: true } });
    expect(await alice.do('getRooms')).toHaveLength(1);
    talk.sandbox.configure({ talkAllowed: { alice: false } });
    expect((await alice.refusal('getRooms')).code).toBe('connection_needs_attention');
  });
});

describe('the cookie jar', () => {
  test('is one for all rooms and processes', async () => {
    const { talk } = await start();
    const alice = await talk.connect('alice');
    const other = talk.newProcess();
    const rooms = ['Pumps', 'Valves', 'Doors'].map((name) => talk.sandbox.createRoom({ name, owner: 'alice' }).token);
    const by = (at: number) => (at % 2 === 0 ? talk.process : other);
    await Promise.all(rooms.map((each, at) => alice.do('joinRoom', { token: each }, by(at))));
    await Promise.all(rooms.map((each, at) => alice.do('joinCall', { token: each }, by(at + 1))));
    for (const each of rooms) expect(await alice.do('getCallParticipants', { token: each })).toHaveLength(1);
    await Promise.all(rooms.map((each, at) => alice.do('pingCall', { token: each }, by(at))));
    expect(talk.complaints()).toEqual([]);
  });

  test('is primed before a join on Nextcloud 13, so that the seat in the call can be kept', async () => {
    const { talk } = await start({ era: 'A' });
    const alice = await talk.connect('alice');
    await alice.do('joinRoom', { token });
    await alice.do('joinCall', { token });
    await alice.do('pingCall', { token });
    talk.sandbox.state.phpSessions = {};
    expect((await alice.refusal('pingCall', { token })).code).toBe('not_participant');
    await alice.do('joinRoom', { token });
    await alice.do('joinCall', { token });
    await alice.do('pingCall', { token });
    expect(talk.sandbox.journal.at(-1)?.headers.cookie).toContain('oc_sessionPassphrase=');
  });

  test('that another process changed is read again before it is used', async () => {
    const { talk } = await start({ era: 'A' });
    const alice = await talk.connect('alice');
    const other = talk.newProcess();
    await Promise.all([alice.do('getRooms'), alice.do('getRooms', {}, other)]);
    talk.sandbox.state.phpSessions = {};
    await alice.do('joinRoom', { token });
    await alice.do('joinCall', { token });
    await alice.do('pingCall', { token }, other);
  });

  test('shows that a session was ended elsewhere', async () => {
    const { talk } = await start();
    const alice = await talk.connect('alice');
    await alice.do('joinRoom', { token });
    await alice.do('joinCall', { token });
    talk.sandbox.killSession({ token, user: 'alice' });
    const refused = await alice.refusal('pingCall', { token });
    expect([refused.status, refused.code]).toEqual([409, 'vendor_conflict']);
  });

  test('never waits for a signaling pull that the server holds', async () => {
    const { talk } = await start({ signalingHold: 3_600_000 });
    const alice = await talk.connect('alice');
    await alice.do('joinRoom', { token });
    await alice.do('joinCall', { token });
    expect(await alice.do('pingCall', { token })).toEqual({});
  });
});

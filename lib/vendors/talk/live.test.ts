import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import type { TalkSandboxOptions } from '../../../sandbox/talk/index.ts';
import { startBackends, TestClock } from '../../../test/support/harness.ts';
import { botSecret, Listener, signedPush } from '../../../test/support/listener.ts';
import { startTalk, type TalkUnderTest } from '../../../test/support/talk-gateway.ts';

/** What was recorded at live servers of Talk 14, 17 and 22, one test for each recording. */
const folder = join(import.meta.dirname, '..', '..', '..', 'test', 'fixtures', 'talk', 'live');
const names = readdirSync(folder).map((file) => file.replace(/\.json$/, ''));

interface Live {
  pushes?: { rawBody: string }[];
  wire?: {
    request: { body?: unknown };
    response: { status: number; body: unknown; headers: Record<string, string> };
  }[];
  response?: { body: { ocs: { data: Record<string, unknown> } } };
}
const live = (name: string) => JSON.parse(readFileSync(join(folder, `${name}.json`), 'utf8')) as Live;

let backends: Awaited<ReturnType<typeof startBackends>>;
beforeAll(async () => {
  backends = await startBackends();
});
afterAll(() => backends.stop());
const running: TalkUnderTest[] = [];
afterEach(async () => {
  for (const each of running.splice(0)) await each.stop();
});

const token = 'controlroom';
const html = { 'content-type': 'text/html' };

async function start(options: TalkSandboxOptions) {
  const clock = new TestClock();
  const talk = await startTalk(backends, { changelog: false, now: clock.now, ...options }, clock);
  running.push(talk);
  const alice = await talk.connect('alice', { credentials: { botSecret } });
  const lastly = () => talk.sandbox.journal.map(({ method, path }) => `${method} ${path.replace('/ocs/v2.php', '')}`);
  return { talk, alice, clock, lastly };
}

const cases: Record<string, (recorded: Live) => Promise<void>> = {
  async proxy__401_html_locks_for_good() {
    const { talk, alice } = await start({ talkVersion: '22.0.10' });
    await alice.do('getRooms');
    const headers = { ...html, 'www-authenticate': 'Basic realm="proxy"' };
    talk.sandbox.fault({
      kind: 'status',
      when: 'before',
      path: '/chat/',
      status: 401,
      body: '<html>',
      headers,
      times: 1,
    });
    const refused = await alice.refusal('sendChatMessage', { token, message: 'x' });
    expect([refused.status, refused.code, refused.outcome]).toEqual([502, 'vendor_failed', 'no']);
    expect(refused.message).toContain('a proxy in front of it requires its own login');
    expect(await alice.do('sendChatMessage', { token, message: 'x' })).toMatchObject({ message: 'x' });
    expect(talk.process.attention).toEqual([]);
  },

  async talk14__capabilities_without_version() {
    const { alice } = await start({ talkVersion: '14.0.11' });
    expect(await alice.findings()).toContainEqual(expect.stringMatching(/^good version: Talk 14 by its features/));
  },

  async talk17__check_says_logins_are_held_back() {
    const { talk, alice } = await start({ talkVersion: '17.1.10' });
    const { fault } = talk.sandbox;
    await alice.do('getRooms');
    const [, capabilities] = live('talk17__check_says_logins_are_held_back').wire ?? [];
    const body = JSON.stringify(capabilities?.response.body);
    const headers = { 'content-type': 'application/json' };
    fault({ kind: 'status', when: 'before', path: '/cloud/capabilities', status: 200, body, headers });
    const [throttle] = (await alice.findings()).filter((line) => line.includes('throttle'));
    expect(throttle).toMatch(/^warning throttle: .*of the kind that failed .* by 1600 ms/);
    expect(throttle).not.toContain('every login');
  },

  async talk17__description_longer_than_500_400() {
    const { alice, lastly, talk } = await start({ talkVersion: '17.1.10' });
    await alice.do('getRooms');
    talk.sandbox.reset();
    const refused = await alice.refusal('setRoomDescription', { token, description: 'x'.repeat(501) });
    expect([refused.status, refused.code]).toEqual([400, 'vendor_bad_request']);
    expect(refused.message).toContain('501 characters, and this server allows at most 500');
    expect(lastly()).toEqual([]);
    const newer = await start({ talkVersion: '22.0.10' });
    await newer.alice.do('setRoomDescription', { token, description: 'x'.repeat(2000) });
    expect(
      (await newer.alice.refusal('setRoomDescription', { token, description: 'x'.repeat(2001) })).message,
    ).toContain('at most 2000');
  },

  async talk17__push_reply_without_replyTo(recorded) {
    const { talk, alice, clock } = await start({ talkVersion: '17.1.10' });
    const listener = new Listener(alice);
    await listener.poll();
    const [asked] = [talk.sandbox.postMessage({ token, user: 'bob', message: 'Confirm?' })];
    const reply = talk.sandbox.postMessage({ token, user: 'carol', message: 'a reply', replyTo: asked.id });
    const body = JSON.parse(recorded.pushes?.[0]?.rawBody ?? '{}');
    expect(body.object.inReplyTo).toBeUndefined();
    body.object.id = String(reply.id);
    body.target = { ...body.target, id: token, name: 'Control room' };
    const [event] = await listener.push(...signedPush(JSON.stringify(body), talk.sandbox.url), clock.now() + 611);
    expect(event).toMatchObject({ type: 'talk.message.created', data: { messageId: reply.id, text: 'a reply' } });
    expect(event?.data.replyTo).toBeUndefined();
    await listener.poll();
    expect(listener.log.get(event?.id ?? '')).toMatchObject({
      timestamp: new Date(clock.now()).toISOString(),
      data: { messageId: reply.id, replyTo: asked.id },
    });
  },

  async talk22__account_disabled_and_enabled_stays_locked() {
    const { talk, alice, clock } = await start({ talkVersion: '22.0.10' });
    await alice.do('getRooms');
    const passwords = talk.sandbox.state.users.alice?.appPasswords ?? [];
    const disabled = passwords.splice(0);
    expect((await alice.refusal('getRooms')).code).toBe('connection_needs_attention');
    const seen = talk.sandbox.journal.length;
    expect((await alice.refusal('getRooms')).code).toBe('connection_needs_attention');
    expect(talk.sandbox.journal.length).toBe(seen);
    // The check of a person asks once; while the account is disabled, it stays locked, and no further event is raised.
    expect(await alice.findings()).toContainEqual(expect.stringMatching(/^bad account/));
    expect((await alice.refusal('getRooms')).code).toBe('connection_needs_attention');
    expect(talk.process.attention).toHaveLength(1);
    passwords.push(...disabled);
    expect((await alice.refusal('getRooms')).code).toBe('connection_needs_attention');
    expect(await alice.findings()).toContainEqual(expect.stringMatching(/^good account/));
    expect(await alice.do('getRooms')).toHaveLength(1);
    // It is retried after an hour without a request.
    passwords.splice(0);
    expect((await alice.refusal('getRooms')).code).toBe('connection_needs_attention');
    passwords.push(...disabled);
    clock.advance(59 * 60_000);
    expect((await alice.refusal('getRooms')).code).toBe('connection_needs_attention');
    clock.advance(2 * 60_000);
    expect(await alice.do('getRooms')).toHaveLength(1);
  },

  async talk22__create_room_without_name_201() {
    const { alice, lastly, talk } = await start({ talkVersion: '22.0.10' });
    talk.sandbox.reset();
    for (const input of [{ roomType: 2 }, { roomType: 3 }]) {
      const refused = await alice.refusal('createRoom', input);
      expect([refused.status, refused.errors?.[0]?.pointer]).toEqual([422, '/roomName']);
    }
    expect((await alice.refusal('createRoom', { roomType: 1 })).errors?.[0]?.pointer).toBe('/invite');
    expect(lastly()).toEqual([]);
    expect(await alice.do('createRoom', { roomType: 2, invite: 'team' })).toMatchObject({ type: 2 });
  },

  async talk22__edit_answers_the_system_message() {
    const { alice } = await start({ talkVersion: '22.0.10' });
    const { id } = await alice.do('sendChatMessage', { token, message: 'first' });
    expect(await alice.do('editChatMessage', { token, messageId: id, message: 'edited' })).toMatchObject({
      id,
      message: 'edited',
      text: 'edited',
      systemMessage: '',
    });
    expect(await alice.do('deleteChatMessage', { token, messageId: id })).toMatchObject({
      id,
      messageType: 'comment_deleted',
    });
  },

  async talk22__force_passwords_400() {
    const { alice } = await start({ talkVersion: '22.0.10', forcePasswords: true });
    const { token: group } = await alice.do('createRoom', { roomType: 2, roomName: 'Group' });
    for (const [name, input] of [
      ['createRoom', { roomType: 3, roomName: 'needs pw' }],
      ['allowGuests', { token: group }],
    ] as const) {
      const refused = await alice.refusal(name, input);
      expect([refused.status, refused.code]).toEqual([400, 'vendor_bad_request']);
      expect(refused.message).toContain(
        'requires a password for public rooms, by its policy: Password needs to be set',
      );
    }
    expect(await alice.do('allowGuests', { token: group, password: 'Tr7-secret-Room!' })).toMatchObject({ type: 3 });
    const older = await start({ talkVersion: '17.1.10' });
    expect((await older.alice.refusal('allowGuests', { token, password: 'x' })).code).toBe('vendor_too_old');
  },

  async talk22__guest_writes_before_joining_404() {
    const { talk } = await start({ talkVersion: '22.0.10' });
    const { token: hall } = talk.sandbox.createRoom({ name: 'Hall', type: 3, owner: 'alice' });
    const guest = await talk.connect('', {
      settings: { user: undefined, guest: true },
      credentials: { appPassword: undefined },
    });
    const refused = await guest.refusal('sendChatMessage', { token: hall, message: 'x' });
    expect([refused.code, refused.message]).toEqual([
      'not_participant',
      expect.stringContaining('call joinRoom first'),
    ]);
    await guest.do('joinRoom', { token: hall });
    expect(await guest.do('sendChatMessage', { token: hall, message: 'x' })).toMatchObject({ message: 'x' });
  },

  async talk22__login_with_email_own_messages_pushed_as_foreign() {
    const { talk, clock } = await start({ talkVersion: '22.0.10' });
    talk.sandbox.addUser({ id: 'dora', loginName: 'dora@example.test', appPassword: 'dora-app-password' });
    const dora = await talk.connect('dora@example.test', {
      credentials: { appPassword: 'dora-app-password', botSecret },
    });
    const { token: room } = await dora.do('createRoom', { roomType: 2, roomName: 'Email loop' });
    const { id } = await dora.do('sendChatMessage', { token: room, message: 'answer to 830' });
    const listener = new Listener(dora);
    const push = (actor: string) => {
      const content = JSON.stringify({ message: 'answer to 830', parameters: [] });
      const object = { type: 'Note', id: String(id), name: 'message', content, mediaType: 'text/markdown' };
      const body = {
        type: 'Create',
        actor: { type: 'Person', id: `users/${actor}`, name: actor },
        object,
        target: { type: 'Collection', id: room, name: 'Email loop' },
      };
      return listener.push(...signedPush(JSON.stringify(body), talk.sandbox.url), clock.now());
    };
    expect(await push('dora')).toEqual([]);
    expect(await push('erik')).toMatchObject([{ data: { actorId: 'erik' } }]);
  },

  async talk22__promote_self_403() {
    const { alice, talk } = await start({ talkVersion: '22.0.10' });
    const bob = await talk.connect('bob');
    for (const name of ['promoteToModerator', 'demoteModerator']) {
      const refused = await alice.refusal(name, { token, participant: 'alice' });
      expect(refused.code).toBe('vendor_forbidden');
      expect(refused.message).toContain('An account cannot change its own role');
      const notOwner = await bob.refusal(name, { token, participant: 'carol' });
      expect(notOwner.message).toContain('The account is not a moderator of the room');
    }
  },

  async talk22__push_reaction_readded_is_lost() {
    const { talk, alice } = await start({ talkVersion: '22.0.10' });
    const carol = await talk.connect('carol');
    const listener = new Listener(alice);
    const { id } = talk.sandbox.postMessage({ token, user: 'bob', message: 'react here' });
    await listener.poll();
    const reaction = { token, messageId: id, reaction: '👍' };
    await carol.do('addReaction', reaction);
    const answer = [await listener.poll()];
    await carol.do('removeReaction', reaction);
    await carol.do('addReaction', reaction);
    answer.push(await listener.poll());
    expect(answer.flat().map(({ type, data }) => [type, data.messageId, data.reaction])).toEqual([
      ['talk.reaction.added', id, '👍'],
      ['talk.reaction.removed', id, '👍'],
      ['talk.reaction.added', id, '👍'],
    ]);
  },

  async talk22__push_reaction_removed_without_message(recorded) {
    const { talk, alice, clock } = await start({ talkVersion: '22.0.10' });
    const listener = new Listener(alice);
    const received = [];
    for (const { rawBody } of recorded.pushes ?? [])
      received.push(await listener.push(...signedPush(rawBody, talk.sandbox.url), clock.now()));
    expect(received).toEqual([
      [],
      [
        expect.objectContaining({
          type: 'talk.reaction.removed',
          data: expect.objectContaining({ messageId: 413, reaction: '🔥', actorId: 'carol' }),
        }),
      ],
    ]);
  },

  async talk22__send_to_missing_room_counts_as_brute_force() {
    const { talk, alice, lastly, clock } = await start({ talkVersion: '22.0.10', bruteForce: true });
    await alice.do('getRooms');
    talk.sandbox.reset();
    for (let minute = 0; minute < 12; minute++) {
      const refused = await alice.refusal('sendChatMessage', { token: `miss00${minute}x`, message: 'alarm' });
      expect(refused.code).toBe('room_not_found');
      clock.advance(60_000);
    }
    expect(lastly().filter((line) => line.includes('/room/'))).toEqual([]);
    expect(talk.sandbox.state.attempts).toEqual([]);
    expect(await alice.do('getRoom', { token })).toMatchObject({ token });
  },

  async talk22__set_password_group_room_400_type() {
    for (const talkVersion of ['17.1.10', '22.0.10']) {
      const { alice } = await start({ talkVersion });
      const refused = await alice.refusal('setRoomPassword', { token, password: 'Tr7-secret-Room!' });
      expect([refused.status, refused.code], talkVersion).toEqual([403, 'vendor_forbidden']);
      expect(refused.message).toContain('the room is not public'.slice(4));
    }
  },

  async talk22__guest_name_via_raw_404() {
    const { talk } = await start({ talkVersion: '22.0.10' });
    const { token: hall } = talk.sandbox.createRoom({ name: 'Hall', type: 3, owner: 'alice' });
    const guest = await talk.connect('', {
      settings: { user: undefined, guest: true },
      credentials: { appPassword: undefined },
    });
    const path = `ocs/v2.php/apps/spreed/api/v1/guest/${hall}/name`;
    const name = () => guest.raw({ method: 'POST', path, body: { displayName: 'Gate 4' } });
    await expect(name()).rejects.toMatchObject({ code: 'not_participant' });
    await guest.do('joinRoom', { token: hall });
    await name();
    await guest.do('sendChatMessage', { token: hall, message: 'x' });
    const alice = await talk.connect('alice');
    const { messages } = await alice.do('getChatMessages', { token: hall });
    expect(messages.at(-1)).toMatchObject({ actorType: 'guests', actorDisplayName: 'Gate 4' });
  },

  async talk22__raw_history_goes_the_wrong_way() {
    const { alice } = await start({ talkVersion: '22.0.10' });
    for (let at = 1; at <= 3; at++) await alice.do('sendChatMessage', { token, message: `m${at}` });
    const { messages } = await alice.do('getChatMessages', { token, limit: 1 });
    const answer = await alice.raw({
      path: `ocs/v2.php/apps/spreed/api/v1/chat/${token}`,
      query: new URLSearchParams({ lookIntoFuture: '0', limit: '2', lastKnownMessageId: String(messages[0].id) }),
    });
    expect(answer).toMatchObject({ body: [{ message: 'm2' }, { message: 'm1' }] });
  },

  async talk22__raw_refuses_what_the_server_takes() {
    const { alice } = await start({ talkVersion: '22.0.10' });
    const post = (path: string, body: object) =>
      alice.raw({ method: 'POST', path: `ocs/v2.php/apps/spreed/api/${path}`, body });
    expect(await post(`v1/chat/${token}`, { message: 'm', threadTitle: 'Incident 7' })).toMatchObject({
      status: 201,
      body: { threadTitle: 'Incident 7' },
    });
    await post(`v4/room/${token}/participants`, { newParticipant: 'guest@example.test', source: 'emails' });
    const room = { roomType: 2, roomName: 'r', description: 'd', participants: { users: ['bob'] } };
    expect(await post('v4/room', room)).toMatchObject({ status: 201, body: { description: 'd' } });
    const bytes = Buffer.from([0xff, 0xd8, 0xff, 0x00]);
    await alice.raw({
      method: 'PUT',
      path: 'remote.php/dav/files/alice/gate.jpg',
      content: { bytes, type: 'image/jpeg' },
    });
  },

  async talk22__thread_create_direct_201(recorded) {
    const { alice } = await start({ talkVersion: '22.0.10' });
    const sent = await alice.do('sendChatMessage', { token, message: 'thread direct', threadTitle: 'Incident 7' });
    const data = recorded.response?.body.ocs.data ?? {};
    for (const name of ['message', 'isThread', 'threadTitle', 'messageType'])
      expect(sent[name], name).toEqual(data[name]);
    expect(data.threadId).toBe(data.id);
    expect(sent.threadId).toBe(sent.id);
  },

  async upgrade_17_to_22_capabilities_stay_old() {
    const { talk, alice, clock } = await start({ talkVersion: '17.1.10' });
    const { id } = await alice.do('sendChatMessage', { token, message: 'x' });
    clock.advance(5 * 60_000);
    talk.sandbox.setVersion({ talkVersion: '22.0.10' });
    expect(await alice.do('editChatMessage', { token, messageId: id, message: 'edited' })).toMatchObject({ id });
  },
};

test('every recording is a test', () => {
  expect(Object.keys(cases).sort()).toEqual([...names].sort());
});

test.each(Object.keys(cases))('%s', async (name) => {
  await cases[name]?.(live(name));
});

import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { startBackends } from '../../../test/support/harness.ts';
import { startTalk, type TalkUnderTest } from '../../../test/support/talk-gateway.ts';
import { until } from '../../../test/support/until.ts';

let backends: Awaited<ReturnType<typeof startBackends>>;
beforeAll(async () => {
  backends = await startBackends();
});
afterAll(() => backends.stop());

type Connected = Awaited<ReturnType<TalkUnderTest['connect']>>;

describe.each(['A', 'C', 'E'] as const)('era %s', (era) => {
  let talk: TalkUnderTest;
  let alice: Connected;
  let bob: Connected;

  beforeEach(async () => {
    talk = await startTalk(backends, { era, changelog: false });
    alice = await talk.connect('alice');
    bob = await talk.connect('bob');
  });
  afterEach(async () => {
    expect(talk.complaints()).toEqual([]);
    await talk.stop();
  });

  const room = async (input: object = { roomType: 2, roomName: 'Pumps' }) =>
    (await alice.do('createRoom', input as Record<string, unknown>)).token as string;

  test('makes rooms, finds one-to-one rooms again, lists and gets them in one shape', async () => {
    const group = await alice.answer('createRoom', { roomType: 2, roomName: 'Pumps' });
    expect(group.status).toBe(201);
    expect((await alice.answer('createRoom', { roomType: 1, invite: 'bob' })).status).toBe(201);
    expect((await alice.answer('createRoom', { roomType: 1, invite: 'bob' })).status).toBe(200);
    expect((await alice.answer('createRoom', { roomType: 3, roomName: 'Lounge' })).status).toBe(201);
    const listed = await alice.do('getRooms');
    const wanted = {
      token: group.body.token,
      type: 2,
      name: 'Pumps',
      displayName: 'Pumps',
      description: '',
      participantType: 1,
      participantInCall: false,
      participantFlags: 0,
      sessionId: '0',
      hasPassword: false,
      hasCall: false,
      readOnly: 0,
      lobbyState: 0,
      lastPing: 0,
      lastActivity: expect.any(Number),
    };
    expect(listed.find((each: { token: string }) => each.token === group.body.token)).toMatchObject(wanted);
    expect(await alice.do('getRoom', { token: group.body.token })).toMatchObject(wanted);
  });

  test('renames, protects, opens and closes a room, and deletes it', async () => {
    const token = await room();
    expect(await alice.do('renameRoom', { token, roomName: 'Pümps & Vålves' })).toMatchObject({});
    expect((await alice.do('getRoom', { token })).displayName).toBe('Pümps & Vålves');
    expect((await alice.refusal('setRoomPassword', { token, password: 'x' })).code).toBe('vendor_forbidden');
    await alice.do('allowGuests', { token });
    await alice.do('allowGuests', { token });
    expect(await alice.do('getRoom', { token })).toMatchObject({ type: 3 });
    await alice.do('setRoomPassword', { token, password: 's3cret-Room-pw' });
    expect(await alice.do('getRoom', { token })).toMatchObject({ hasPassword: true });
    await alice.do('setRoomPassword', { token, password: '' });
    expect(await alice.do('getRoom', { token })).toMatchObject({ hasPassword: false });
    await alice.do('disallowGuests', { token });
    expect(await alice.do('getRoom', { token })).toMatchObject({ type: 2 });
    await alice.do('deleteRoom', { token });
    expect((await alice.refusal('getRoom', { token })).code).toBe('room_not_found');
  });

  test('adds, promotes, demotes and removes people by user id', async () => {
    const token = await room();
    await alice.do('addParticipant', { token, newParticipant: 'bob' });
    await alice.do('addParticipant', { token, newParticipant: 'zoë' });
    await alice.do('addParticipant', { token, newParticipant: 'bob' });
    await alice.do('promoteToModerator', { token, participant: 'zoë' });
    const people = await alice.do('getParticipants', { token });
    expect(people).toHaveLength(3);
    expect(people[1]).toMatchObject({
      attendeeId: era === 'E' ? expect.any(Number) : null,
      actorType: 'users',
      actorId: 'bob',
      userId: 'bob',
      displayName: 'Bob',
      participantType: 3,
      inCall: 0,
      lastPing: 0,
      sessionId: '0',
      sessionIds: [],
    });
    expect(people[2]).toMatchObject({ userId: 'zoë', displayName: 'Zoë Müller', participantType: 2 });
    const again = await alice.refusal('promoteToModerator', { token, participant: 'zoë' });
    expect([again.code, again.status]).toEqual(['vendor_precondition_failed', 412]);
    await alice.do('demoteModerator', { token, participant: 'zoë' });
    const twice = await alice.refusal('demoteModerator', { token, participant: 'zoë' });
    expect(twice.code).toBe('vendor_precondition_failed');
    await alice.do('removeParticipant', { token, participant: 'zoë' });
    await bob.do('removeSelf', { token });
    expect(await alice.do('getParticipants', { token })).toHaveLength(1);
  });

  test('explains refusals in the same way on every server', async () => {
    const token = await room();
    await alice.do('addParticipant', { token, newParticipant: 'bob' });
    const code = async (who: Connected, operation: string, input: Record<string, unknown>) => {
      const { code, status, vendor, outcome } = await who.refusal(operation, input);
      expect([vendor, outcome]).toEqual(['talk', 'refused']);
      return `${status} ${code}`;
    };
    expect(await code(alice, 'addParticipant', { token, newParticipant: 'nobody' })).toBe('404 user_not_found');
    expect(await code(alice, 'removeParticipant', { token, participant: 'carol' })).toBe('404 user_not_found');
    expect(await code(alice, 'promoteToModerator', { token, participant: 'carol' })).toBe('404 user_not_found');
    expect(await code(alice, 'removeGuest', { token, participant: 'S'.repeat(255) })).toBe('404 user_not_found');
    expect(await code(alice, 'createRoom', { roomType: 1, invite: 'nobody' })).toBe('404 user_not_found');
    expect(await code(alice, 'createRoom', { roomType: 2, invite: 'nogroup' })).toBe('404 user_not_found');
    expect(await code(alice, 'getRoom', { token: 'nosuchroom' })).toBe('404 room_not_found');
    expect(await code(alice, 'getParticipants', { token: 'nosuchroom2' })).toBe('404 room_not_found');
    expect(await code(alice, 'sendChatMessage', { token: 'nosuchroom3', message: 'x' })).toBe('404 room_not_found');
    expect(await code(alice, 'getChatMessages', { token: 'nosuchroom4' })).toBe('404 room_not_found');
    expect(await code(bob, 'renameRoom', { token, roomName: 'Mine' })).toBe('403 vendor_forbidden');
    expect(await code(bob, 'deleteRoom', { token })).toBe('403 vendor_forbidden');
    expect(await code(bob, 'addParticipant', { token, newParticipant: 'carol' })).toBe('403 vendor_forbidden');
    const pair = await room({ roomType: 1, invite: 'bob' });
    expect(await code(alice, 'renameRoom', { token: pair, roomName: 'Us' })).toBe('405 vendor_method_not_allowed');
    expect(await code(alice, 'joinCall', { token })).toBe('404 not_participant');
    const lounge = await room({ roomType: 3, roomName: 'Lounge' });
    // To tell such a room from none would take a question that servers count against the address.
    expect(await code(bob, 'getParticipants', { token: lounge })).toBe('404 room_not_found');
    expect(await code(bob, 'removeSelf', { token: lounge })).toBe('404 room_not_found');
  });

  test('joins a call, keeps it alive and leaves, with the cookies of another process', async () => {
    const token = await room();
    const other = talk.newProcess();
    const joined = await alice.do('joinRoom', { token });
    expect(joined.sessionId).toMatch(/^.{255}$/);
    await alice.do('joinCall', { token }, other);
    const [me] = await alice.do('getCallParticipants', { token });
    expect(me).toMatchObject({
      userId: 'alice',
      actorType: 'users',
      actorId: 'alice',
      token,
      sessionId: joined.sessionId,
    });
    talk.sandbox.advance(20_000);
    await alice.do('pingCall', { token });
    talk.sandbox.advance(20_000);
    expect(await alice.do('getCallParticipants', { token })).toHaveLength(1);
    talk.sandbox.advance(20_000);
    expect(await alice.do('getCallParticipants', { token })).toHaveLength(0);
    await alice.do('pingCall', { token }, other);
    expect(await alice.do('getCallParticipants', { token })).toHaveLength(1);
    expect(await alice.do('getRoom', { token })).toMatchObject({ hasCall: true });
    await alice.do('leaveCall', { token });
    await alice.do('leaveRoom', { token });
    expect(await alice.do('getRoom', { token })).toMatchObject({ hasCall: false });
    expect((await alice.refusal('pingCall', { token })).code).toBe('not_participant');
  });

  test('joins a public room with its password only', async () => {
    const token = await room({ roomType: 3, roomName: 'Lounge' });
    await alice.do('setRoomPassword', { token, password: 's3cret-Room-pw' });
    expect((await bob.refusal('joinRoom', { token, password: 'nope' })).code).toBe('vendor_forbidden');
    expect((await bob.do('joinRoom', { token, password: 's3cret-Room-pw' })).sessionId).toHaveLength(255);
    const people = await alice.do('getParticipants', { token });
    expect(people.map((each: { userId: string }) => each.userId)).toEqual(['alice', 'bob']);
  });

  test('lets a guest join, speak and be removed', async () => {
    const token = await room({ roomType: 3, roomName: 'Lounge' });
    const guest = await talk.connect('nobody', {
      settings: { user: undefined, guest: true },
      credentials: { appPassword: undefined },
    });
    await guest.do('joinRoom', { token });
    await guest.do('sendChatMessage', { token, message: 'hello from a guest' });
    const { messages } = await alice.do('getChatMessages', { token });
    expect(messages.at(-1)).toMatchObject({ actorType: 'guests', message: 'hello from a guest' });
    expect((await guest.refusal('getRooms')).code).toBe('vendor_forbidden');
    const people = await alice.do('getParticipants', { token });
    const row = people.find((each: { actorType: string }) => each.actorType === 'guests');
    expect(row).toMatchObject({ userId: '', participantType: 4, sessionId: expect.stringMatching(/^.{255}$/) });
    await alice.do('removeGuest', { token, participant: row.sessionId });
    expect(await alice.do('getParticipants', { token })).toHaveLength(1);
  });

  test('sends and reads messages in one shape and marks nothing as read', async () => {
    const token = await room();
    await alice.do('addParticipant', { token, newParticipant: 'bob' });
    const before = await alice.do('getChatMessages', { token });
    const sent = await bob.answer('sendChatMessage', { token, message: 'Hi @alice, **bold** ünï 🚒' });
    expect(sent.status).toBe(201);
    expect(sent.body).toMatchObject({ token, id: era === 'A' ? null : expect.any(Number) });
    const page = await alice.do('getChatMessages', { token, after: before.cursor });
    expect(page.messages).toHaveLength(1);
    expect(page.messages[0]).toMatchObject({
      id: expect.any(Number),
      actorType: 'users',
      actorId: 'bob',
      actorDisplayName: 'Bob',
      text: era === 'A' ? 'Hi @alice, **bold** ünï 🚒' : 'Hi @Alice, **bold** ünï 🚒',
      systemMessage: '',
      messageParameters: era === 'A' ? {} : { 'mention-user1': { id: 'alice' } },
      reactions: {},
    });
    expect((await alice.do('getChatMessages', { token, after: page.cursor })).messages).toEqual([]);
    // Era E is the first that counts what a user has not read.
    const unread = (counts: object) => (era === 'E' ? counts : {});
    expect(await alice.do('getRoom', { token })).toMatchObject(unread({ unreadMessages: 1, unreadMention: true }));
    await alice.do('getChatMessages', { token, after: before.cursor, markRead: true });
    expect(await alice.do('getRoom', { token })).toMatchObject(unread({ unreadMessages: 0 }));
  });

  test('refuses what is too long before anything is sent, and names the limit', async () => {
    const token = await room();
    const limit = era === 'A' ? 1000 : era === 'C' ? 1000 : 32_000;
    await alice.do('sendChatMessage', { token, message: '🚒'.repeat(limit) });
    talk.sandbox.reset();
    const refused = await alice.refusal('sendChatMessage', { token, message: '🚒'.repeat(limit + 1) });
    expect([refused.status, refused.code, refused.outcome]).toEqual([413, 'vendor_too_large', 'no']);
    expect(refused.message).toContain(String(limit));
    expect(talk.seen()).toEqual([]);
    const long = await alice.refusal('renameRoom', { token, roomName: 'n'.repeat(era === 'E' ? 256 : 201) });
    expect([400, 422]).toContain(long.status);
  });

  test('skips the oldest messages as the v1 document does', async () => {
    const token = await room();
    const history = (await alice.do('getChatMessages', { token })).messages.length;
    for (let at = 0; at < 6; at++) await alice.do('sendChatMessage', { token, message: `m${at}` });
    const { messages, cursor } = await alice.do('getChatMessages', { token, offset: history + 2, limit: 3 });
    expect(messages.map((each: { message: string }) => each.message)).toEqual(['m2', 'm3', 'm4']);
    const rest = await alice.do('getChatMessages', { token, after: cursor });
    expect(rest.messages.map((each: { message: string }) => each.message)).toEqual(['m5']);
    const future = Math.floor(Date.now() / 1000) + 3600;
    expect((await alice.do('getChatMessages', { token, notOlderThanTimestamp: future })).messages).toEqual([]);
    const all = await alice.do('getChatMessages', { token, notOlderThanTimestamp: future - 7200 });
    expect(all.messages).toHaveLength(history + 6);
  });

  test('waits for a message, at most as long as it was asked to', async () => {
    const token = await room();
    const { cursor } = await alice.do('getChatMessages', { token });
    const waiting = alice.do('getChatMessages', { token, after: cursor, timeout: 10 });
    await until(() => talk.sandbox.heldRequests() === 1);
    talk.sandbox.postMessage({ token, user: 'alice', message: 'arrives while polling' });
    expect((await waiting).messages.at(-1).message).toBe('arrives while polling');
    const page = await alice.do('getChatMessages', { token, after: (await waiting).cursor, timeout: 1 });
    expect(page.messages).toEqual([]);
  });
});

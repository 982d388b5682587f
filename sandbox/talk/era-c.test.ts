import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { Replay } from '../../test/support/talk-replay.ts';
import { demoRoomToken as room, startTalkSandbox, type TalkSandbox } from './index.ts';

// Era C (Talk 4 to 8) was not recorded, so it is checked against the mapping table: rooms and calls on v1, chat-v2, no ping.
let talk: TalkSandbox;
let client: Replay;

beforeEach(async () => {
  talk = await startTalkSandbox({ era: 'C', changelog: false });
  client = new Replay(talk);
});
afterEach(() => talk.close());

type Data = Record<string, unknown>;
const call = (user: string | null, method: string, path: string, body?: object, jar?: string) =>
  client.status(user, method, path, { ...(body ? { body } : {}), ...(jar ? { jar } : {}) });

test('the capabilities say chat-v2 and no-ping, and nothing of v4', async () => {
  const answer = await client.call('alice', 'GET', '/cloud/capabilities');
  const { spreed } = (answer.body as { ocs: { data: { capabilities: { spreed: { features: string[] } } } } }).ocs.data
    .capabilities;
  expect(spreed).toEqual({
    features: expect.arrayContaining(['chat-v2', 'no-ping', 'in-call-flags', 'read-only-rooms']),
  });
  expect(spreed.features).not.toEqual(expect.arrayContaining(['chat']));
  expect(spreed.features.some((name) => /conversation|signaling-v3|reactions|bots|chat-read-marker/.test(name))).toBe(
    false,
  );
});

describe('rooms', () => {
  test('creating answers token, name and displayName; a one-to-one that is there only its token', async () => {
    const made = await client.call('alice', 'POST', '/apps/spreed/api/v1/room', {
      body: { roomType: 1, invite: 'bob' },
    });
    expect([made.status, made.body]).toMatchObject([201, { ocs: { data: { name: 'bob', displayName: 'Bob' } } }]);
    const again = await client.call('bob', 'POST', '/apps/spreed/api/v1/room', {
      body: { roomType: 1, invite: 'alice' },
    });
    const { token } = (made.body as { ocs: { data: { token: string } } }).ocs.data;
    expect([again.status, again.body]).toMatchObject([200, { ocs: { data: { token } } }]);
    expect(await call('alice', 'POST', '/v1/room', { roomType: 3, roomName: ' ' })).toBe(400);
    expect(await call('alice', 'POST', '/v1/room', { roomType: 2, invite: 'nogroup' })).toBe(404);
    expect(await call('alice', 'PUT', `/v1/room/${token}`, { roomName: 'x' })).toBe(400);
    expect(await call('alice', 'DELETE', `/v1/room/${token}`)).toBe(400);
    expect(await call('alice', 'POST', `/v1/room/${token}/participants`, { newParticipant: 'carol' })).toBe(400);
  });

  test('carry the fields of v1 with flags and the last line', async () => {
    const [data] = await client.data<Data[]>('alice', 'GET', '/v1/room');
    const v1 = [
      'participantInCall',
      'participantFlags',
      'count',
      'numGuests',
      'guestList',
      'participants',
      'lastActivity',
    ];
    expect(Object.keys(data ?? {})).toEqual(
      expect.arrayContaining([...v1, 'readOnly', 'unreadMessages', 'lastMessage']),
    );
    expect(data).toMatchObject({
      lastMessage: { systemMessage: 'user_added' },
      participants: { bob: { type: 3, call: 0 } },
    });
    expect(Object.keys(data ?? {}).filter((name) => /attendee|actor|lobby|permissions|callFlag/.test(name))).toEqual(
      [],
    );
  });

  test('can be locked, but have no description and no lobby', async () => {
    expect(await call('alice', 'PUT', `/v1/room/${room}/read-only`, { state: 1 })).toBe(200);
    expect(await call('bob', 'POST', `/v1/chat/${room}`, { message: 'x' })).toBe(403);
    expect(await call('alice', 'PUT', `/v1/room/${room}/description`, { description: 'x' })).toBe(404);
    expect(await call('alice', 'PUT', `/v1/room/${room}/webinar/lobby`, { state: 1 })).toBe(404);
    expect(await call('alice', 'GET', '/v4/room')).toBe(404);
  });

  test('guests are allowed twice, passwords are for public rooms, names have 200 characters', async () => {
    expect(await call('alice', 'PUT', `/v1/room/${room}/password`, { password: 'x' })).toBe(403);
    expect(await call('alice', 'POST', `/v1/room/${room}/public`)).toBe(200);
    expect(await call('alice', 'POST', `/v1/room/${room}/public`)).toBe(200);
    expect(await call('alice', 'PUT', `/v1/room/${room}/password`, { password: 'x' })).toBe(200);
    expect(await call('alice', 'PUT', `/v1/room/${room}`, { roomName: 'x'.repeat(201) })).toBe(400);
    expect(await call(null, 'POST', `/v1/room/${room}/participants/active`, { password: 'y' })).toBe(403);
    expect(await call(null, 'POST', `/v1/room/${room}/participants/active`, { password: 'x' })).toBe(200);
  });
});

describe('participants', () => {
  test('are rows by account with call flags, added by account, group or mail', async () => {
    const rows = await client.data<Data[]>('alice', 'GET', `/v1/room/${room}/participants`);
    const row = { userId: 'alice', displayName: 'Alice', participantType: 1, inCall: 0, sessionId: '0', lastPing: 0 };
    expect(rows[0]).toEqual(row);
    const { token } = talk.createRoom({ name: 'Small' });
    const add = (newParticipant: string, source?: string) =>
      call('alice', 'POST', `/v1/room/${token}/participants`, { newParticipant, ...(source ? { source } : {}) });
    expect([await add('bob'), await add('team', 'groups'), await add('x', 'martians')]).toEqual([200, 200, 400]);
    const ids = await client.data<Data[]>('alice', 'GET', `/v1/room/${token}/participants`);
    expect(ids.map((one) => one.userId)).toEqual(['alice', 'bob', 'carol']);
    expect(
      await client.data('alice', 'POST', `/v1/room/${token}/participants`, {
        body: { newParticipant: 'a@b.test', source: 'emails' },
      }),
    ).toEqual({ type: 3 });
  });

  test('a wrong type is 400, removing oneself as the last moderator too', async () => {
    const moderators = `/v1/room/${room}/moderators`;
    expect(await call('alice', 'DELETE', moderators, { participant: 'bob' })).toBe(400);
    expect(await call('alice', 'POST', moderators, { participant: 'bob' })).toBe(200);
    expect(await call('alice', 'POST', moderators, { participant: 'bob' })).toBe(400);
    expect(await call('alice', 'POST', moderators, { participant: 'nobody' })).toBe(404);
    expect(await call('alice', 'DELETE', moderators, { participant: 'bob' })).toBe(200);
    expect(await call('alice', 'DELETE', `/v1/room/${room}/participants/self`)).toBe(400);
    expect(await call('alice', 'DELETE', `/v1/room/${room}/participants`, { participant: 'alice' })).toBe(400);
    expect(await call('alice', 'DELETE', `/v1/room/${room}/participants`, { participant: 'bob' })).toBe(200);
    expect(await call('alice', 'DELETE', `/v1/room/${room}/attendees`, { attendeeId: 1 })).toBe(404);
  });

  test('a guest is promoted and removed by its session', async () => {
    const { token } = talk.createRoom({ name: 'Open', type: 3 });
    const path = `/v1/room/${token}/participants`;
    const { sessionId } = await client.data<Data>(null, 'POST', `${path}/active`, { jar: 'guest' });
    expect(await call('alice', 'POST', `/v1/room/${token}/moderators`, { sessionId })).toBe(200);
    expect(await call('alice', 'DELETE', `${path}/guests`, { participant: 'nobody' })).toBe(404);
    expect(await client.status('alice', 'DELETE', `${path}/guests`, { query: { participant: sessionId } })).toBe(200);
    expect(await call(null, 'GET', `/v1/chat/${token}`, undefined, 'guest')).toBe(404);
  });
});

test('calls need a join but no cookies, take flags, and have no ping', async () => {
  expect(await call('alice', 'POST', `/v1/call/${room}`)).toBe(404);
  expect(await client.data('alice', 'POST', `/v1/room/${room}/participants/active`)).toEqual({
    sessionId: expect.stringMatching(/^.{255}$/),
  });
  expect(await call('alice', 'POST', `/v1/call/${room}`, { flags: 3 })).toBe(200);
  const peer = { userId: 'alice', token: room, lastPing: expect.any(Number), sessionId: expect.any(String) };
  expect(await client.data('bob', 'GET', `/v1/call/${room}`)).toEqual([peer]);
  expect(await client.data('bob', 'GET', `/v1/room/${room}`)).toMatchObject({
    hasCall: true,
    count: 1,
    participants: { alice: { call: 3 } },
  });
  expect(await call('alice', 'POST', `/v1/call/${room}/ping`)).toBe(404);
  expect(await call('alice', 'DELETE', `/v1/call/${room}`)).toBe(200);
});

test('a call is kept by the signaling pull of v1, with the cookies of the join', async () => {
  await client.data('alice', 'POST', `/v1/room/${room}/participants/active`, { jar: 'alice' });
  await client.data('alice', 'POST', `/v1/call/${room}`, { jar: 'alice' });
  talk.advance(40_000);
  expect(await client.data('bob', 'GET', `/v1/call/${room}`)).toEqual([]);
  await client.data('alice', 'GET', `/v1/signaling/${room}`, { jar: 'alice' });
  expect(await client.data('bob', 'GET', `/v1/call/${room}`)).toHaveLength(1);
});

test('chat pages by id, has placeholders and system lines, and answers the line that was sent', async () => {
  const sent = await client.data<Data>('alice', 'POST', `/v1/chat/${room}`, { body: { message: 'Hi @bob' } });
  expect(sent).toMatchObject({ id: expect.any(Number), message: 'Hi {mention-user1}', systemMessage: '' });
  expect(Object.keys(sent)).not.toContain('parent');
  const lines = await client.data<Data[]>('bob', 'GET', `/v1/chat/${room}`, { query: { lookIntoFuture: 0 } });
  expect(lines.map((line) => line.systemMessage)).toEqual([
    '',
    'user_added',
    'user_added',
    'user_added',
    'conversation_created',
  ]);
  expect(lines[1]?.messageParameters).toMatchObject({ actor: { id: 'alice' }, user: { id: 'zoë' } });
  const newer = { lookIntoFuture: 1, lastKnownMessageId: sent.id, timeout: 0 };
  expect(await client.status('bob', 'GET', `/v1/chat/${room}`, { query: newer })).toBe(304);
  expect(await call('bob', 'GET', `/v1/chat/${room}`)).toBe(500);
  expect(await call('bob', 'POST', `/v1/chat/${room}`, { message: ' ' })).toBe(201);
  expect(await call('bob', 'POST', `/v1/chat/${room}`, { message: 'x'.repeat(1001) })).toBe(413);
  expect(await call('bob', 'DELETE', `/v1/chat/${room}/${sent.id}`)).toBe(404);
  expect(await call('bob', 'POST', `/v1/reaction/${room}/${sent.id}`, { reaction: '👍' })).toBe(404);
});

test('within the era the releases differ: Talk 5 as era A refuses, Talk 8 answers whole rooms and replies', async () => {
  talk.setVersion({ talkVersion: '5.0.0' });
  const one = { body: { roomType: 1, invite: 'bob' } };
  const made = await client.data<Data>('alice', 'POST', '/v1/room', one);
  expect(Object.keys(made)).toEqual(['token']);
  expect(await call('alice', 'PUT', `/v1/room/${made.token}`, { roomName: 'x' })).toBe(405);
  expect(await call('alice', 'DELETE', `/v1/room/${room}/moderators`, { participant: 'bob' })).toBe(412);
  expect(
    await client.data('alice', 'POST', `/v1/room/${made.token}/participants`, { body: { newParticipant: 'carol' } }),
  ).toEqual({ type: 2 });
  expect(await call('alice', 'PUT', `/v1/room/${room}/read-only`, { state: 1 })).toBe(404);
  talk.setVersion({ talkVersion: '8.0.0' });
  expect(await client.data('alice', 'POST', '/v1/room', one)).toMatchObject({
    type: 1,
    lastReadMessage: expect.any(Number),
  });
  expect(await client.data('alice', 'POST', `/v1/room/${room}/participants/active`)).toMatchObject({
    token: room,
    lobbyState: 0,
  });
  const replyTo = talk.postMessage({ token: room, user: 'bob', message: 'first' }).id;
  const reply = await client.data('alice', 'POST', `/v1/chat/${room}`, { body: { message: 'second', replyTo } });
  expect(reply).toMatchObject({ isReplyable: true, parent: { id: replyTo, message: 'first' } });
  expect(await call('alice', 'POST', `/v1/chat/${room}/read`, { lastReadMessage: replyTo })).toBe(200);
  expect(await call('alice', 'PUT', `/v1/room/${room}/webinary/lobby`, { state: 1 })).toBe(200);
  expect(await call('bob', 'GET', `/v1/call/${room}`)).toBe(412);
});

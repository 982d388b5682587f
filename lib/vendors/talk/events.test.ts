import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import type { TalkSandboxOptions } from '../../../sandbox/talk/index.ts';
import { startBackends, TestClock } from '../../../test/support/harness.ts';
import { botSecret, Listener } from '../../../test/support/listener.ts';
import { passTimeWhileHeld, startTalk, type TalkUnderTest } from '../../../test/support/talk-gateway.ts';
import type { Clock } from '../../core/clock.ts';
import type { TrunklineEvent } from '../../core/event-type.ts';
import { events } from './events/index.ts';

let backends: Awaited<ReturnType<typeof startBackends>>;
let talk: TalkUnderTest;
beforeAll(async () => {
  backends = await startBackends();
});
afterAll(() => backends.stop());
const running: TalkUnderTest[] = [];
afterEach(async () => {
  for (const each of running.splice(0)) await each.stop();
});

const token = 'controlroom';

async function start<C extends Clock>(options: TalkSandboxOptions, clock: C) {
  talk = await startTalk(backends, { changelog: false, now: clock.now, ...options }, clock);
  running.push(talk);
  const alice = await talk.connect('alice', { credentials: { botSecret } });
  const bob = await talk.connect('bob');
  return { alice, bob, clock, listener: new Listener(alice) };
}

const received = (found: TrunklineEvent[]) =>
  found.map(({ type, data }) => [type, data.text ?? data.reaction ?? data.participant ?? data.token]);
const person = (id: string, name = id) => ({ type: 'user', id, name });

test('every type has a sample that fits its schema', () => {
  for (const [name, type] of Object.entries(events.rooms?.types ?? {})) {
    expect(type.data().safeParse(type.sample).error?.issues, name).toBeUndefined();
  }
});

describe('era E', () => {
  test('the first poll reports no earlier message, not even of the same second', async () => {
    const { bob, listener } = await start({}, new TestClock());
    const { id } = await bob.do('sendChatMessage', { token, message: 'before' });
    await bob.do('addReaction', { token, messageId: id, reaction: '👍' });
    expect(await listener.poll()).toEqual([]);
    expect(await listener.poll()).toEqual([]);
    await bob.do('sendChatMessage', { token, message: 'after, in the same second' });
    expect(received(await listener.poll())).toEqual([['talk.message.created', 'after, in the same second']]);
  });

  test('messages of others are events, with the names of mentioned people', async () => {
    const { alice, bob, clock, listener } = await start({}, new TestClock());
    await listener.poll();
    const { id } = await bob.do('sendChatMessage', { token, message: 'Hi @alice, pump 2' });
    await alice.do('sendChatMessage', { token, message: 'my own' });
    clock.advance(1000);
    await bob.do('sendChatMessage', { token, message: 'really', replyTo: id });
    const [first, second, ...rest] = await listener.poll();
    expect(rest).toEqual([]);
    expect(first).toEqual({
      type: 'talk.message.created',
      id: expect.stringMatching(/^evt_/),
      vendor: 'talk',
      connection: alice.name,
      timestamp: '2026-01-05T02:11:09.000Z',
      data: {
        token,
        roomName: 'Control room',
        messageId: id,
        message: 'Hi {mention-user1}, pump 2',
        text: 'Hi @Alice, pump 2',
        messageParameters: { 'mention-user1': expect.objectContaining({ id: 'alice', name: 'Alice' }) },
        actorType: 'users',
        actorId: 'bob',
        actorDisplayName: 'Bob',
        own: true,
      },
    });
    expect(second).toMatchObject({ timestamp: '2026-01-05T02:11:10.000Z', data: { text: 'really', replyTo: id } });
    expect(await listener.poll()).toEqual([]);
  });

  test('reactions, rooms, people and calls', async () => {
    const { alice, bob, listener } = await start({}, new TestClock());
    await listener.poll();
    const { id } = await alice.do('sendChatMessage', { token, message: 'Who comes?' });
    await bob.do('addReaction', { token, messageId: id, reaction: '👍' });
    expect(received(await listener.poll())).toEqual([['talk.reaction.added', '👍']]);
    await bob.do('removeReaction', { token, messageId: id, reaction: '👍' });
    await bob.do('addReaction', { token, messageId: id, reaction: '👍' });
    const again = await listener.poll();
    expect(again.map(({ type, data }) => [type, data.messageId])).toEqual([
      ['talk.reaction.removed', id],
      ['talk.reaction.added', id],
    ]);
    const { token: made } = await bob.do('createRoom', { roomType: 2, roomName: 'INC-42' });
    await bob.do('addParticipant', { token: made, newParticipant: 'alice' });
    await bob.do('addParticipant', { token: made, newParticipant: 'carol' });
    await bob.do('removeParticipant', { token: made, participant: 'carol' });
    await bob.do('sendChatMessage', { token: made, message: 'Welcome' });
    expect(received(await listener.poll())).toEqual([
      ['talk.room.created', made],
      ['talk.participant.joined', person('alice', 'Alice')],
      ['talk.participant.joined', person('carol', 'Carol')],
      ['talk.participant.left', person('carol', 'Carol')],
      ['talk.message.created', 'Welcome'],
    ]);
    await bob.do('joinRoom', { token });
    await bob.do('joinCall', { token });
    await bob.do('leaveCall', { token });
    expect(received(await listener.poll())).toEqual([
      ['talk.call.started', 'Bob started a call'],
      ['talk.call.ended', expect.stringContaining('Call with')],
    ]);
  });

  test('a room that the account joins reports only what happened since the last poll', async () => {
    const { bob, clock, listener } = await start({}, new TestClock());
    const { token: old } = await bob.do('createRoom', { roomType: 2, roomName: 'Old' });
    for (let at = 0; at < 5; at++) await bob.do('sendChatMessage', { token: old, message: `long ago ${at}` });
    clock.advance(60_000);
    await listener.poll();
    clock.advance(60_000);
    await bob.do('addParticipant', { token: old, newParticipant: 'alice' });
    await bob.do('sendChatMessage', { token: old, message: 'now' });
    expect(received(await listener.poll())).toEqual([
      ['talk.participant.joined', person('alice', 'Alice')],
      ['talk.message.created', 'now'],
    ]);
  });

  test('bots, deleted messages and what the account itself writes are no message events', async () => {
    const { alice, bob, listener } = await start({}, new TestClock());
    talk.sandbox.installBot({ name: 'Bot', secret: botSecret, url: 'http://127.0.0.1:9/', rooms: [token] });
    await listener.poll();
    await alice.do('sendBotMessage', { token, message: 'beep' });
    await alice.do('sendChatMessage', { token, message: 'mine' });
    const { id } = await bob.do('sendChatMessage', { token, message: 'oops' });
    await bob.do('deleteChatMessage', { token, messageId: id });
    expect((await listener.poll()).map(({ type, data }) => [type, data.messageId])).toEqual([
      ['talk.message.deleted', id],
    ]);
  });

  test('the first poll reports what happened since the connection was made', async () => {
    const { alice, bob, clock, listener } = await start({}, new TestClock());
    const quiet = talk.sandbox.createRoom({ name: 'Quiet', owner: 'bob', users: ['alice'] });
    const { id } = await bob.do('sendChatMessage', { token, message: 'before' });
    const made = clock.now();
    clock.advance(3_000);
    await bob.do('sendChatMessage', { token, message: 'three seconds later' });
    await bob.do('addReaction', { token, messageId: id, reaction: '👍' });
    clock.advance(30_000);
    expect(received(await listener.poll(undefined, made))).toEqual([
      ['talk.message.created', 'three seconds later'],
      ['talk.reaction.added', '👍'],
    ]);
    await bob.do('sendChatMessage', { token: quiet.token, message: 'later' });
    expect(received(await listener.poll())).toEqual([['talk.message.created', 'later']]);
    await alice.do('removeSelf', { token: quiet.token });
    expect((await listener.poll()).map(({ type, data }) => [type, data.token, data.roomName, data.own])).toEqual([
      ['talk.room.gone', quiet.token, 'Quiet', true],
    ]);
    expect(await listener.poll()).toEqual([]);
  });

  test('changes of messages, rooms and polls', async () => {
    const { alice, bob, listener } = await start({ talkVersion: '22.0.10' }, new TestClock());
    const { token: room } = await bob.do('createRoom', { roomType: 2, roomName: 'Gate' });
    await bob.do('addParticipant', { token: room, newParticipant: 'alice' });
    await listener.poll();
    const { id } = await bob.do('sendChatMessage', { token: room, message: 'Pump 2' });
    await bob.do('editChatMessage', { token: room, messageId: id, message: 'Pump 3' });
    await bob.do('deleteChatMessage', { token: room, messageId: id });
    await bob.do('renameRoom', { token: room, roomName: 'Gate 4' });
    await bob.do('setReadOnly', { token: room, readOnly: true });
    await bob.do('setReadOnly', { token: room, readOnly: false });
    expect((await listener.poll()).map(({ type, data }) => [type, data.messageId ?? data.text])).toEqual([
      ['talk.message.edited', id],
      ['talk.message.deleted', id],
      ['talk.room.renamed', expect.stringMatching(/"Gate" to "Gate 4"/)],
      ['talk.room.closed', 'Bob locked the conversation'],
      ['talk.room.reopened', 'Bob unlocked the conversation'],
    ]);
    await alice.do('getRooms');
    await bob.do('deleteRoom', { token: room });
    expect((await listener.poll()).map(({ type, data }) => [type, data.roomName, data.own])).toEqual([
      ['talk.room.gone', 'Gate 4', undefined],
    ]);
  });

  test('messages of one room keep their order when the clock of the server steps back', async () => {
    const { clock, listener } = await start({}, new TestClock());
    const other = talk.sandbox.createRoom({ name: 'Other', owner: 'bob', users: ['alice'] });
    await listener.poll();
    talk.sandbox.postMessage({ token, user: 'bob', message: 'first' });
    talk.sandbox.postMessage({ token: other.token, user: 'bob', message: 'elsewhere' });
    clock.advance(-2_000);
    talk.sandbox.postMessage({ token, user: 'bob', message: 'second' });
    clock.advance(10_000);
    const order = (await listener.poll()).map(({ data }) => data.text);
    expect(order).toHaveLength(3);
    expect(order.indexOf('first')).toBeLessThan(order.indexOf('second'));
  });

  test('quiet rooms are read in turn, so that a reaction is found in any of them, one request at a time', async () => {
    const { bob, listener } = await start({}, new TestClock());
    const rooms = Array.from({ length: 60 }, (_, at) =>
      talk.sandbox.createRoom({ name: `Room ${at}`, owner: 'bob', users: ['alice'] }),
    );
    const last = rooms[40]?.token ?? '';
    const { id } = await bob.do('sendChatMessage', { token: last, message: 'x' });
    await listener.poll();
    await bob.do('addReaction', { token: last, messageId: id, reaction: '👍' });
    const found: TrunklineEvent[] = [];
    for (let polls = 0; polls < 7; polls++) found.push(...(await listener.poll()));
    expect(received(found)).toEqual([['talk.reaction.added', '👍']]);
    expect(talk.sandbox.peakPolls().alice).toBe(1);
    expect(JSON.stringify(listener.cursor).length).toBeLessThan(20_000);
  });

  test('quiet rooms are not read without a listener, and what happened there before is history', async () => {
    const { bob, clock, listener } = await start({}, new TestClock());
    const { id } = await bob.do('sendChatMessage', { token, message: 'x' });
    await listener.poll();
    listener.hears = false;
    talk.sandbox.reset();
    await bob.do('addReaction', { token, messageId: id, reaction: '👍' });
    for (let polls = 0; polls < 3; polls++) expect(await listener.poll()).toEqual([]);
    expect(talk.seen().filter((line) => line.startsWith('GET'))).toEqual(Array(3).fill('GET /v4/room'));
    clock.advance(1_000);
    await bob.do('sendChatMessage', { token, message: 'moved' });
    expect(received(await listener.poll())).toEqual([['talk.message.created', 'moved']]);
    listener.hears = true;
    clock.advance(60_000);
    await bob.do('addReaction', { token, messageId: id, reaction: '🎉' });
    expect(received(await listener.poll())).toEqual([['talk.reaction.added', '🎉']]);
  });

  test('a poll that finds many messages continues at once and misses none', async () => {
    const { listener } = await start({}, new TestClock());
    const rooms = Array.from({ length: 60 }, (_, at) =>
      talk.sandbox.createRoom({ name: `R${at}`, owner: 'alice', users: ['bob'] }),
    );
    const post = (token: string, count: number) => {
      for (let at = 0; at < count; at++) talk.sandbox.postMessage({ token, user: 'bob', message: `m${at}` });
    };
    await listener.poll();
    for (const room of rooms) post(room.token, 15);
    expect(await listener.poll()).toHaveLength(900);
    post(rooms[50]?.token ?? '', 1300);
    expect(await listener.poll()).toHaveLength(1300);
    expect(await listener.poll()).toEqual([]);
  });

  test('a room with a closed lobby does not hide the others', async () => {
    const { alice, bob, listener } = await start({}, new TestClock());
    const { token: other } = await bob.do('createRoom', { roomType: 2, roomName: 'Lobby' });
    await bob.do('addParticipant', { token: other, newParticipant: 'alice' });
    await listener.poll();
    await bob.do('setLobby', { token: other, lobby: true });
    await bob.do('sendChatMessage', { token: other, message: 'behind the door' });
    await bob.do('sendChatMessage', { token, message: 'in the open' });
    expect(received(await listener.poll())).toEqual([['talk.message.created', 'in the open']]);
    await bob.do('setLobby', { token: other, lobby: false });
    expect(received(await listener.poll())).toContainEqual(['talk.message.created', 'behind the door']);
    await alice.do('removeSelf', { token: other });
    expect((await listener.poll()).map(({ type }) => type)).toEqual(['talk.room.gone']);
    expect(await listener.poll()).toEqual([]);
  });

  test('an error is thrown to the caller, and the next poll finds what was missed', async () => {
    const { bob, listener } = await start({}, new TestClock());
    await listener.poll();
    await bob.do('sendChatMessage', { token, message: 'one' });
    talk.sandbox.setMaintenance(true);
    await expect(listener.poll()).rejects.toMatchObject({ code: 'vendor_maintenance', retryAfter: 300 });
    talk.sandbox.setMaintenance(false);
    talk.sandbox.fault({ kind: 'status', when: 'before', path: '/chat/', status: 429, times: 1 });
    await expect(listener.poll()).rejects.toMatchObject({ code: 'vendor_rate_limited' });
    await bob.do('sendChatMessage', { token, message: 'two' });
    const later = new TestClock(Date.parse('2026-01-05T02:15:00Z'));
    expect(received(await listener.poll(talk.newProcess(later)))).toHaveLength(2);
  });
});

describe('older servers', () => {
  test('era C reports through system messages', async () => {
    const { bob, listener } = await start({ era: 'C' }, new TestClock());
    await bob.do('sendChatMessage', { token, message: 'before' });
    await listener.poll();
    const { token: made } = await bob.do('createRoom', { roomType: 2, roomName: 'INC-42' });
    await bob.do('addParticipant', { token: made, newParticipant: 'alice' });
    await bob.do('addParticipant', { token: made, newParticipant: 'carol' });
    await bob.do('sendChatMessage', { token: made, message: 'Welcome @alice' });
    await bob.do('joinRoom', { token });
    await bob.do('joinCall', { token });
    await bob.do('leaveCall', { token });
    const found = received(await listener.poll());
    expect(found).toHaveLength(6);
    expect(found).toEqual(
      expect.arrayContaining([
        ['talk.room.created', made],
        ['talk.participant.joined', person('alice', 'Alice')],
        ['talk.participant.joined', person('carol', 'Carol')],
        ['talk.message.created', 'Welcome @Alice'],
        ['talk.call.started', 'Bob started a call'],
        ['talk.call.ended', expect.stringContaining('Call with')],
      ]),
    );
    expect(await listener.poll()).toEqual([]);
  });

  test('era A reports through its lists', async () => {
    const { bob, clock, listener } = await start({ era: 'A' }, new TestClock());
    passTimeWhileHeld(talk, clock);
    await bob.do('sendChatMessage', { token, message: 'before' });
    await listener.poll();
    await bob.do('sendChatMessage', { token, message: 'after' });
    await bob.do('joinRoom', { token });
    await bob.do('joinCall', { token });
    expect(received(await listener.poll())).toEqual(
      expect.arrayContaining([
        ['talk.message.created', 'after'],
        ['talk.call.started', 'A call started'],
      ]),
    );
    await bob.do('leaveCall', { token });
    const { token: made } = await bob.do('createRoom', { roomType: 2, roomName: 'INC-42' });
    await bob.do('addParticipant', { token: made, newParticipant: 'alice' });
    const room = await listener.poll();
    expect(received(room)).toEqual(
      expect.arrayContaining([
        ['talk.room.created', made],
        ['talk.call.ended', 'The call ended'],
      ]),
    );
    await bob.do('addParticipant', { token: made, newParticipant: 'carol' });
    expect(received(await listener.poll())).toEqual([['talk.participant.joined', person('carol')]]);
    await bob.do('removeParticipant', { token: made, participant: 'carol' });
    expect(received(await listener.poll())).toEqual([['talk.participant.left', person('carol')]]);
    expect(await listener.poll()).toEqual([]);
  });

  test('an upgrade between two polls loses and repeats nothing', async () => {
    const { clock, listener } = await start({ era: 'A' }, new TestClock());
    passTimeWhileHeld(talk, clock);
    const say = (message: string) => talk.sandbox.postMessage({ token, user: 'bob', message });
    say('history');
    await listener.poll();
    say('one');
    expect(received(await listener.poll())).toEqual([['talk.message.created', 'one']]);
    say('two');
    talk.sandbox.setVersion({ era: 'E' });
    say('three');
    expect(received(await listener.poll())).toEqual([
      ['talk.message.created', 'two'],
      ['talk.message.created', 'three'],
    ]);
    say('four');
    expect(received(await listener.poll())).toEqual([['talk.message.created', 'four']]);
  });
});

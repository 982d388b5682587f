import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { startBackends, TestClock } from '../../../test/support/harness.ts';
import { botSecret, Listener } from '../../../test/support/listener.ts';
import { startTalk, type TalkUnderTest } from '../../../test/support/talk-gateway.ts';

let backends: Awaited<ReturnType<typeof startBackends>>;
let talk: TalkUnderTest;
let clock: TestClock;
let alice: Awaited<ReturnType<TalkUnderTest['connect']>>;
let bob: typeof alice;
beforeAll(async () => {
  backends = await startBackends();
});
afterAll(() => backends.stop());
beforeEach(async () => {
  clock = new TestClock();
  talk = await startTalk(backends, { changelog: false, now: clock.now, talkVersion: '23.0.0' }, clock);
  [alice, bob] = [await talk.connect('alice', { credentials: { botSecret } }), await talk.connect('bob')];
});
afterEach(async () => {
  expect(talk.complaints()).toEqual([]);
  await talk.stop();
});

const token = 'controlroom';
const picture = { base64: 'SGVsbG8=', name: 'gate 4.jpg', type: 'image/jpeg' };

describe('a file', () => {
  test('is sent into a room with its caption, and returns the message', async () => {
    const { id } = await bob.do('sendChatMessage', { token, message: 'Show me gate 4' });
    const { status, body } = await alice.answer('sendFile', { token, file: picture, caption: 'Gate 4', replyTo: id });
    expect(status).toBe(201);
    expect(body).toMatchObject({ path: '/Talk/gate 4.jpg', size: 5, message: 'Gate 4', parent: { id } });
    expect(talk.sandbox.state.files).toMatchObject([{ userId: 'alice', path: '/Talk/gate 4.jpg', type: 'image/jpeg' }]);
    const { messages } = await bob.do('getChatMessages', { token });
    expect(messages.at(-1)).toMatchObject({ id: body.id, messageParameters: { file: { name: 'gate 4.jpg' } } });
  });

  test('takes another name if its own is taken, and is in the folder of the account', async () => {
    const first = await alice.do('sendFile', { token, file: picture });
    const second = await alice.do('sendFile', { token, file: picture });
    expect(first.path).toBe('/Talk/gate 4.jpg');
    expect(second.path).toMatch(/^\/Talk\/gate 4 \([0-9a-f]{6}\)\.jpg$/);
  });

  test('that cannot be shared is removed again, with the reason', async () => {
    const missing = await alice.refusal('sendFile', { token: 'nosuchroom', file: picture });
    expect([missing.status, missing.code]).toEqual([404, 'room_not_found']);
    await alice.do('setReadOnly', { token, readOnly: true });
    expect((await alice.refusal('sendFile', { token, file: picture })).message).toContain('it is read-only');
    expect(talk.sandbox.state.files).toEqual([]);
  });

  test('is sent once when the answer to its share is lost', async () => {
    talk.sandbox.fault({ kind: 'reset', when: 'after', path: '/files_sharing/', times: 1 });
    const { status, body } = await alice.answer('sendFile', { token, file: picture, caption: 'Gate 4' });
    expect([status, body.message]).toEqual([201, 'Gate 4']);
    const { messages } = await alice.do('getChatMessages', { token });
    expect(messages.filter(({ message }: { message: string }) => message === 'Gate 4')).toHaveLength(1);
  });

  test('with a caption needs Talk 18', async () => {
    talk.sandbox.setVersion({ talkVersion: '17.1.10' });
    clock.advance(120_000);
    const refused = await alice.refusal('sendFile', { token, file: picture, caption: 'Gate 4' });
    for (const manner of [{ silent: true }, { replyTo: 1 }])
      expect((await alice.refusal('sendFile', { token, file: picture, ...manner })).code).toBe('vendor_too_old');
    expect([refused.code, refused.message]).toEqual(['vendor_too_old', expect.stringContaining('needs Talk 18')]);
    expect(await alice.do('sendFile', { token, file: picture })).toMatchObject({ path: '/Talk/gate 4.jpg' });
  });
});

test('a thread is started, answered in, listed, renamed, and reported by push and poll', async () => {
  const listener = new Listener(bob);
  await listener.poll();
  const first = await alice.do('sendChatMessage', { token, message: 'Pump 2', threadTitle: 'Incident 7' });
  const reply = await alice.do('sendChatMessage', { token, message: 'On my way', threadId: first.id });
  await alice.do('sendChatMessage', { token, message: 'beside it' });
  expect(reply).toMatchObject({ threadId: first.id, isThread: true, threadTitle: 'Incident 7' });
  expect(await alice.do('getThreads', { token })).toMatchObject(
    [
      {
        thread: { id: first.id, title: 'Incident 7', numReplies: 2 },
        first: { text: 'Pump 2' },
        last: { text: 'On my way' },
      },
    ].map((each) => ({ ...each, thread: { id: first.id, title: 'Incident 7' } })),
  );
  expect(await alice.do('renameThread', { token, threadId: first.id, threadTitle: 'Incident 8' })).toMatchObject({
    thread: { title: 'Incident 8' },
  });
  expect(await alice.do('getThread', { token, threadId: first.id })).toMatchObject({ thread: { title: 'Incident 8' } });
  const { messages } = await alice.do('getChatMessages', { token, threadId: first.id });
  expect(messages.map(({ text }: { text: string }) => text)).toEqual(['Pump 2', 'On my way']);
  const answer = await listener.poll();
  expect(answer.map(({ type, data }) => [type, data.threadId, data.threadTitle ?? data.text])).toEqual([
    ['talk.message.created', first.id, 'Pump 2'],
    ['talk.thread.created', first.id, 'Incident 7'],
    ['talk.message.created', first.id, 'On my way'],
    ['talk.message.created', undefined, 'beside it'],
  ]);
  expect((await alice.refusal('sendChatMessage', { token, message: 'x', threadId: 999 })).message).toContain(
    'There is no such thread',
  );
});

test('a history is read backwards page by page, and a message with those around it', async () => {
  for (let at = 1; at <= 5; at++) await alice.do('sendChatMessage', { token, message: `m${at}` });
  const words = ({ messages }: { messages: { text: string }[] }) => messages.map(({ text }) => text);
  const newest = await alice.do('getChatMessages', { token, limit: 2 });
  const before = await alice.do('getChatMessages', { token, limit: 2, before: newest.earlier });
  expect([words(newest), words(before)]).toEqual([
    ['m4', 'm5'],
    ['m2', 'm3'],
  ]);
  const around = await alice.do('getMessageContext', { token, messageId: before.messages[1].id, limit: 2 });
  expect(around.map(({ text }: { text: string }) => text)).toEqual(['m2', 'm3', 'm4']);
  const both = { token, before: newest.earlier, after: newest.cursor };
  expect((await alice.refusal('getChatMessages', both)).errors?.[0]?.pointer).toBe('/before');
  expect((await alice.refusal('getChatMessages', { token, before: 'x' })).errors?.[0]?.pointer).toBe('/before');
});

test('a room is made with everything at once', async () => {
  const made = await alice.do('createRoom', {
    roomType: 3,
    roomName: 'War room',
    description: 'Fire in hall 2',
    password: 'Tr7-secret-Room!',
    participants: { users: ['bob', 'carol'] },
    readOnly: true,
    lobby: true,
  });
  expect(made).toMatchObject({ description: 'Fire in hall 2', hasPassword: true, readOnly: 1, lobbyState: 1 });
  const people = await alice.do('getParticipants', { token: made.token });
  expect(people.map(({ actorId }: { actorId: string }) => actorId)).toEqual(['alice', 'bob', 'carol']);
  talk.sandbox.setVersion({ talkVersion: '17.1.10' });
  await alice.do('getCapabilities');
  const refused = await alice.refusal('createRoom', { roomType: 2, roomName: 'Old', description: 'x' });
  expect([refused.code, refused.message]).toEqual(['vendor_too_old', expect.stringContaining('needs Talk 21.1')]);
});

test('polls are voted in, read and closed, and reported as events', async () => {
  const listener = new Listener(bob);
  await listener.poll();
  const { id: pollId } = await alice.do('createPoll', { token, question: 'Who?', options: ['Ada', 'Bob'] });
  expect(await bob.do('votePoll', { token, pollId, optionIds: [1] })).toMatchObject({ votes: { 'option-1': 1 } });
  expect((await bob.refusal('votePoll', { token, pollId, optionIds: [7] })).message).toContain('does not exist');
  expect(await alice.do('closePoll', { token, pollId })).toMatchObject({ status: 1 });
  expect(await alice.do('getPoll', { token, pollId })).toMatchObject({ status: 1, votes: { 'option-1': 1 } });
  const received = (await listener.poll()).filter(({ type }) => type.startsWith('talk.poll'));
  expect(received.map(({ type, data }) => [type, data.pollId, data.question, data.actorId])).toEqual([
    ['talk.poll.voted', pollId, 'Who?', 'bob'],
    ['talk.poll.closed', pollId, 'Who?', 'alice'],
  ]);
});

test('a bot is found, enabled and disabled', async () => {
  const { id } = talk.sandbox.installBot({ name: 'Trunkline', secret: botSecret, url: 'http://127.0.0.1:9/' });
  expect(await alice.do('getBots', { token })).toMatchObject([{ id, name: 'Trunkline', state: 0 }]);
  expect(await alice.do('enableBot', { token, botId: id })).toMatchObject({ state: 1 });
  await alice.do('sendBotMessage', { token, message: 'beep' });
  expect(await alice.do('disableBot', { token, botId: id })).toMatchObject({ state: 0 });
  expect((await alice.refusal('enableBot', { token, botId: 99 })).message).toContain('no such bot');
  expect((await bob.refusal('getBots', { token })).code).toBe('vendor_forbidden');
});

test('a call is rung, recorded, and ended for everybody', async () => {
  await alice.do('joinRoom', { token });
  await alice.do('joinCall', { token, flags: 3, silent: true, recordingConsent: true });
  await alice.do('ringParticipant', { token, participant: 'bob' });
  await alice.do('startRecording', { token, kind: 'audio' });
  expect((await alice.refusal('startRecording', { token, kind: 'video' })).message).toContain('recorded already');
  await alice.do('stopRecording', { token });
  await bob.do('joinRoom', { token });
  await bob.do('joinCall', { token });
  await alice.do('leaveCall', { token, all: true });
  expect(await alice.do('getCallParticipants', { token })).toEqual([]);
  expect((await alice.refusal('startRecording', { token, kind: 'video' })).message).toContain('no call in the room');
});

test('messages are scheduled, remembered and pinned', async () => {
  const later = { token, message: 'Shift starts', sendAt: '2026-01-05T08:00:00Z' };
  const { id } = await alice.do('scheduleMessage', later);
  expect(await alice.do('getScheduledMessages', { token })).toMatchObject([{ id, message: 'Shift starts' }]);
  await alice.do('deleteScheduledMessage', { token, messageId: id });
  expect(await alice.do('getScheduledMessages', { token })).toEqual([]);
  expect((await alice.refusal('scheduleMessage', { ...later, sendAt: '2020-01-01T00:00:00Z' })).message).toContain(
    'The time has passed',
  );
  const { id: messageId } = await alice.do('sendChatMessage', { token, message: 'Remember' });
  expect(await alice.answer('setReminder', { token, messageId, at: '2026-01-05T08:00:00Z' })).toMatchObject({
    status: 201,
    body: { messageId, timestamp: Date.parse('2026-01-05T08:00:00Z') / 1000 },
  });
  await alice.do('deleteReminder', { token, messageId });
  await alice.do('pinMessage', { token, messageId });
  expect(talk.sandbox.state.rooms[0]?.pinned).toEqual([messageId]);
  await alice.do('unpinMessage', { token, messageId });
  expect(talk.sandbox.state.rooms[0]?.pinned).toEqual([]);
  expect((await bob.refusal('pinMessage', { token, messageId })).code).toBe('vendor_forbidden');
});

test('participants of other kinds, expiration and notification', async () => {
  await alice.do('addParticipant', { token, newParticipant: 'guest@example.test', source: 'emails' });
  await alice.do('resendInvitations', { token });
  await alice.do('resendInvitations', { token, participant: 'guest@example.test' });
  expect((await alice.refusal('resendInvitations', { token, participant: 'nobody' })).code).toBe('user_not_found');
  await alice.do('setMessageExpiration', { token, seconds: 3600 });
  await alice.do('setNotificationLevel', { token, level: 3 });
  expect(talk.sandbox.state.rooms[0]).toMatchObject({ type: 3, expiration: 3600 });
});

test('a file is fetched only from public addresses', async () => {
  const camera = createServer((_request, response) => response.end('JPEG'));
  await new Promise<void>((resolve) => camera.listen(0, '127.0.0.1', resolve));
  const { port } = camera.address() as AddressInfo;
  const refused = await alice.refusal('sendFile', { token, file: { url: `http://127.0.0.1:${port}/snapshot.jpg` } });
  expect(refused.errors?.[0]?.pointer).toBe('/file/url');
  camera.close();
});

test('a feature that the server has switched off is distinguished from one that it is too old for', async () => {
  talk.sandbox.setVersion({ talkVersion: '17.1.10' });
  clock.advance(120_000);
  const off = await alice.refusal('setMessageExpiration', { token, seconds: 3600 });
  expect([off.code, off.message]).toEqual(['vendor_too_old', expect.stringContaining('its administrator may be able')]);
  const old = await alice.refusal('getThreads', { token });
  expect([old.code, old.message]).toEqual(['vendor_too_old', expect.stringContaining('needs Talk 22 or newer')]);
});

import { createHmac } from 'node:crypto';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import type { TalkSandboxOptions } from '../../../sandbox/talk/index.ts';
import { startBackends } from '../../../test/support/harness.ts';
import { startTalk, type TalkUnderTest } from '../../../test/support/talk-gateway.ts';
import { recording } from '../../../test/support/talk-replay.ts';
import { talk as vendor } from './index.ts';

let backends: Awaited<ReturnType<typeof startBackends>>;
let talk: TalkUnderTest;
beforeAll(async () => {
  backends = await startBackends();
});
afterAll(() => backends.stop());
const start = async (options: TalkSandboxOptions) => {
  talk = await startTalk(backends, { changelog: false, ...options });
  return talk.connect('alice', { credentials: { botSecret: secret } });
};
afterEach(async () => {
  expect(talk.complaints()).toEqual([]);
  await talk.stop();
});

const token = 'controlroom';
const secret = 'test-only-bot-secret-0123456789-0123456789-abcdef';

test.each(['17.1.6', '19.0.0', '21.1.0'])(
  'on Talk %s the features of the server work in one shape',
  async (talkVersion) => {
    const alice = await start({ talkVersion });
    const { id } = await alice.do('sendChatMessage', { token, message: 'teh pump' });
    expect(await alice.do('addReaction', { token, messageId: id, reaction: '👍' })).toMatchObject({
      '👍': [{ actorId: 'alice' }],
    });
    expect((await alice.do('getChatMessages', { token, limit: 2 })).messages[0].reactions).toEqual({ '👍': 1 });
    expect(await alice.do('removeReaction', { token, messageId: id, reaction: '👍' })).toEqual({});
    const notThere = await alice.refusal('removeReaction', { token, messageId: id, reaction: '👍' });
    expect([notThere.status, notThere.code]).toEqual([404, 'vendor_not_found']);
    expect((await alice.refusal('addReaction', { token, messageId: id, reaction: 'ok' })).code).toBe(
      'vendor_bad_request',
    );
    await alice.do('setRoomDescription', { token, description: 'Pumps and valves' });
    expect(await alice.do('getRoom', { token })).toMatchObject({ description: 'Pumps and valves' });
    const poll = { question: 'Who?', options: ['Ada', 'Bob'] };
    expect(await alice.do('createPoll', { token, ...poll })).toMatchObject({
      ...poll,
      votes: {},
      resultMode: 0,
      maxVotes: 0,
    });
    await alice.do('markChatRead', { token });
    await alice.do('markChatRead', { token, messageId: id });
    if (talkVersion !== '17.1.6') await alice.do('editChatMessage', { token, messageId: id, message: 'the pump' });
    const reply = await alice.do('sendChatMessage', { token, message: 'Done', replyTo: id, silent: true });
    expect(reply.parent.id).toBe(id);
    expect(await alice.do('deleteChatMessage', { token, messageId: id })).toMatchObject({
      id,
      messageType: 'comment_deleted',
    });
    expect((await alice.refusal('deleteChatMessage', { token, messageId: 99_999 })).code).toBe('vendor_not_found');
    expect(await alice.do('getCapabilities')).toMatchObject({
      capabilities: { spreed: { version: talkVersion } },
      dialect: { rooms: 'v4', chat: 'modern', signaling: 'v3', maxLength: 32_000 },
    });
  },
);

test.each([
  [
    '3.1.0',
    [
      'setReadOnly',
      'setLobby',
      'setRoomDescription',
      'markChatRead',
      'deleteChatMessage',
      'addReaction',
      'removeReaction',
      'createPoll',
      'sendBotMessage',
      'sendBotReaction',
      'editChatMessage',
    ],
  ],
  [
    '6.0.0',
    [
      'setLobby',
      'setRoomDescription',
      'markChatRead',
      'deleteChatMessage',
      'addReaction',
      'removeReaction',
      'createPoll',
      'sendBotMessage',
      'sendBotReaction',
      'editChatMessage',
    ],
  ],
  ['14.0.0', ['createPoll', 'sendBotMessage', 'sendBotReaction', 'editChatMessage']],
] as const)('on Talk %s later features are refused as too new, and nothing is sent', async (talkVersion, later) => {
  const alice = await start({ talkVersion });
  await alice.do('getRooms');
  talk.sandbox.reset();
  const inputs: Record<string, object> = {
    setReadOnly: { readOnly: true },
    setLobby: { lobby: true },
    setRoomDescription: { description: 'x' },
    markChatRead: {},
    deleteChatMessage: { messageId: 1 },
    editChatMessage: { messageId: 1, message: 'x' },
    addReaction: { messageId: 1, reaction: '👍' },
    removeReaction: { messageId: 1, reaction: '👍' },
    createPoll: { question: 'x', options: ['a', 'b'] },
    sendBotMessage: { message: 'x' },
    sendBotReaction: { messageId: 1, reaction: '👍' },
  };
  for (const operation of later) {
    const refused = await alice.refusal(operation, { token, ...inputs[operation] });
    expect([refused.status, refused.code], operation).toEqual([424, 'vendor_too_old']);
    expect(refused.message).toContain(`needs Talk ${vendor.operations[operation]?.since} or newer`);
  }
  const replying = await alice.refusal('sendChatMessage', { token, message: 'x', silent: true });
  expect(replying.code).toBe(talkVersion === '14.0.0' || later.length > 5 ? 'vendor_too_old' : 'vendor_failed');
  expect(talk.seen()).toEqual([]);
});

test('bots speak with the signature that a real server has taken', async () => {
  const { request } = recording('talk17__bot_message_send_201');
  const random = request.headers['X-Nextcloud-Talk-Bot-Random'] ?? '';
  const message = (request.body as { message: string }).message;
  const signature = createHmac('sha256', secret).update(random).update(message).digest('hex');
  expect(signature).toBe(request.headers['X-Nextcloud-Talk-Bot-Signature']);

  const alice = await start({ talkVersion: '17.1.6' });
  talk.sandbox.installBot({ name: 'Gateway bot', secret, url: 'http://127.0.0.1:9/', rooms: [token] });
  const { id } = await alice.do('sendChatMessage', { token, message: 'Hello bot' });
  expect((await alice.answer('sendBotMessage', { token, message: 'I am a bot ✓', replyTo: id })).status).toBe(201);
  expect((await alice.answer('sendBotReaction', { token, messageId: id, reaction: '👍' })).status).toBe(201);
  const { messages } = await alice.do('getChatMessages', { token });
  expect(messages.at(-2)).toMatchObject({ actorType: 'bots', text: 'I am a bot ✓', parent: { id } });
  const { token: other } = await alice.do('createRoom', { roomType: 2, roomName: 'Without' });
  const refused = await alice.refusal('sendBotMessage', { token: other, message: 'x' });
  expect([refused.status, refused.code]).toEqual([403, 'vendor_forbidden']);
  expect(talk.process.attention).toEqual([]);
  const without = await talk.connect('alice');
  expect((await without.refusal('sendBotMessage', { token, message: 'x' })).message).toContain('botSecret');
});

test('a connection without a bot secret still reads, and reactions of era E show who reacted', async () => {
  const alice = await start({ talkVersion: '17.1.6' });
  const bob = await talk.connect('bob');
  const { id } = await bob.do('sendChatMessage', { token, message: 'x' });
  await alice.do('addReaction', { token, messageId: id, reaction: '👍' });
  expect(await bob.do('addReaction', { token, messageId: id, reaction: '🎉' })).toMatchObject({
    '👍': [{ actorId: 'alice' }],
    '🎉': [{ actorId: 'bob' }],
  });
});

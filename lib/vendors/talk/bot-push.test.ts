import { createHmac } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import * as fc from 'fast-check';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import type { TalkSandboxOptions } from '../../../sandbox/talk/index.ts';
import { startBackends, TestClock } from '../../../test/support/harness.ts';
import { botSecret, Listener } from '../../../test/support/listener.ts';
import { startTalk } from '../../../test/support/talk-gateway.ts';
import { GatewayError } from '../../core/errors.ts';
import type { TalkSettings } from './connection.ts';
import { pushes } from './events/index.ts';

interface RecordedPush {
  secret: string;
  request: { headers: Record<string, string>; rawBody: string };
}

/** What a real server (Talk 17.1.6) sent to a bot, byte by byte. */
function recorded(name: string): RecordedPush {
  const folder = join(import.meta.dirname, '..', '..', '..', 'test', 'fixtures', 'talk', 'recorded');
  return JSON.parse(readFileSync(join(folder, `${name}.json`), 'utf8')) as RecordedPush;
}

const receivedAt = Date.parse('2026-01-05T02:11:09Z');
/** No request is sent to another server: the recorded one reports this address as its own. */
const own: TalkSettings = { serverUrl: 'http://127.0.0.1:8093', user: 'bob' };

async function receive(
  push: { headers: Record<string, string>; rawBody: Buffer },
  settings: TalkSettings = own,
  secret: string | undefined = botSecret,
) {
  const connection = { vendor: 'talk', name: 'c', version: 1, settings } as const;
  const receiver = pushes['talk-bot'];
  if (!receiver) throw new Error('There is no receiver');
  return receiver.receive({ ...push, receivedAt }, { connection, credentials: async () => ({ botSecret: secret }) });
}

const refusal = async (...given: Parameters<typeof receive>) => {
  const failed = await receive(...given).catch((error: unknown) => error);
  return failed instanceof GatewayError ? `${failed.status} ${failed.code}` : failed;
};

describe('what a real server sent', () => {
  const { request, secret } = recorded('talk17__webhook_0_create');
  const push = { headers: request.headers, rawBody: Buffer.from(request.rawBody) };

  test('is verified over its raw bytes and becomes the event of its message', async () => {
    expect(secret).toBe(botSecret);
    expect(await receive(push)).toEqual({
      status: 200,
      nonce: request.headers['X-Nextcloud-Talk-Random'],
      events: [
        {
          type: 'talk.message.created',
          id: '127.0.0.1:8093/5kqineb7/142',
          timestamp: '2026-01-05T02:11:09.000Z',
          by: '127.0.0.1:8093/users/alice',
          partial: true,
          data: {
            token: '5kqineb7',
            roomName: 'Bot room',
            messageId: 142,
            message: 'Hello bot, meet {mention-user1} and **bold** ünï ✓',
            text: 'Hello bot, meet @Alice and **bold** ünï ✓',
            messageParameters: { 'mention-user1': { type: 'user', id: 'alice', name: 'Alice' } },
            actorType: 'users',
            actorId: 'alice',
            actorDisplayName: 'Alice',
          },
        },
      ],
    });
  });

  test('is refused when anything of it was changed', async () => {
    const other = (headers: Record<string, string>) => ({ ...push, headers: { ...push.headers, ...headers } });
    const rewritten = Buffer.from(JSON.stringify(JSON.parse(request.rawBody)));
    expect(rewritten.equals(push.rawBody)).toBe(false);
    expect(await refusal({ ...push, rawBody: rewritten })).toBe('401 unauthorized');
    expect(await refusal({ ...push, rawBody: Buffer.concat([push.rawBody, Buffer.from(' ')]) })).toBe(
      '401 unauthorized',
    );
    expect(await refusal(other({ 'X-Nextcloud-Talk-Random': `x${request.headers['X-Nextcloud-Talk-Random']}` }))).toBe(
      '401 unauthorized',
    );
    expect(await refusal(other({ 'X-Nextcloud-Talk-Signature': '00' }))).toBe('401 unauthorized');
    expect(await refusal(other({ 'X-Nextcloud-Talk-Signature': '' }))).toBe('401 unauthorized');
    expect(await refusal(push, own, 'another-secret-0123456789-0123456789-0123456789')).toBe('401 unauthorized');
    expect(await refusal(push, own, undefined)).not.toBe('200');
    const upper = { 'X-Nextcloud-Talk-Signature': String(request.headers['X-Nextcloud-Talk-Signature']).toUpperCase() };
    expect((await receive(other(upper))).events).toHaveLength(1);
  });

  test('must come from the server of the connection, or from what it calls itself', async () => {
    expect(await refusal(push, { ...own, serverUrl: 'https://cloud.example.test' })).toBe('401 unauthorized');
    const called = { ...own, serverUrl: 'https://cloud.example.test', backendUrl: 'http://127.0.0.1:8093/' };
    expect((await receive(push, called)).events[0]?.id).toBe('cloud.example.test/5kqineb7/142');
  });

  test('produces no event when a bot wrote it', async () => {
    const activity = recorded('talk17__webhook_1_activity').request;
    const byBot = await receive({ headers: activity.headers, rawBody: Buffer.from(activity.rawBody) });
    expect(byBot).toMatchObject({ events: [], status: 200, nonce: activity.headers['X-Nextcloud-Talk-Random'] });
  });

  test('with unexpected contents produces no event, or is refused', async () => {
    const random = 'r'.repeat(64);
    const sign = (body: string) => ({
      rawBody: Buffer.from(body),
      headers: {
        'x-nextcloud-talk-random': random,
        'x-nextcloud-talk-signature': createHmac('sha256', botSecret)
          .update(random + body)
          .digest('hex'),
        'x-nextcloud-talk-backend': 'http://127.0.0.1:8093/',
      },
    });
    expect(await refusal(sign('no json'))).toBe('400 invalid_json');
    for (const body of [
      {},
      { type: 'Join', actor: { id: 'bots/bot-1' } },
      { type: 'Create', actor: null, object: { content: '{' } },
    ]) {
      const { status } = await receive(sign(JSON.stringify(body)));
      expect(status).toBe(200);
    }
  });
});

let backends: Awaited<ReturnType<typeof startBackends>>;
beforeAll(async () => {
  backends = await startBackends();
});
afterAll(() => backends.stop());

const running: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const stop of running.splice(0)) await stop();
});

const token = 'controlroom';

async function start(options: TalkSandboxOptions = {}) {
  const clock = new TestClock();
  const talk = await startTalk(backends, { changelog: false, now: clock.now, ...options }, clock);
  const alice = await talk.connect('alice', { credentials: { botSecret } });
  const bob = await talk.connect('bob');
  const listener = new Listener(alice);
  const hook = await listener.startHook(clock.now);
  running.push(async () => {
    expect(hook.failures).toEqual([]);
    await hook.close();
    await talk.stop();
  });
  talk.sandbox.installBot({ name: 'Ear', secret: botSecret, url: hook.url, features: 1 | 8, rooms: [token] });
  return { talk, alice, bob, clock, listener, hook };
}

describe('pushes and polls feed one log', () => {
  test.each(['17.1.6', '21.1.0', '22.0.10'])('on Talk %s with the same ids', async (talkVersion) => {
    const { talk, alice, bob, listener } = await start({ talkVersion });
    await listener.poll();
    const before = listener.cursor;
    const { id } = await bob.do('sendChatMessage', { token, message: 'Hi @alice' });
    await alice.do('sendChatMessage', { token, message: 'mine' });
    await bob.do('addReaction', { token, messageId: id, reaction: '👍' });
    await bob.do('removeReaction', { token, messageId: id, reaction: '👍' });
    await alice.do('removeParticipant', { token, participant: 'carol' });
    await alice.do('addParticipant', { token, newParticipant: 'carol' });
    await bob.do('joinRoom', { token });
    await bob.do('joinCall', { token });
    await bob.do('leaveCall', { token });
    await bob.do('createPoll', { token, question: 'Who?', options: ['a', 'b'] });
    await talk.sandbox.pushesSettled();
    const pushed = [...listener.log.values()];
    expect(pushed.map(({ type }) => type).sort()).toEqual(
      [
        ...(talkVersion === '17.1.6' ? [] : ['talk.reaction.added', 'talk.reaction.removed']),
        'talk.call.ended',
        'talk.call.started',
        'talk.message.created',
        'talk.message.created',
        'talk.participant.joined',
        'talk.participant.left',
      ].sort(),
    );
    // A push moves no cursor, and the poll after it finds nothing that is new but what Talk 17 does not push.
    expect(listener.cursor).toBe(before);
    expect((await listener.poll()).map(({ type, data }) => [type, data.messageId])).toEqual(
      talkVersion === '17.1.6' ? [['talk.reaction.removed', id]] : [],
    );
  });

  test('a lost push is found by the next poll, and a replayed one has no effect', async () => {
    const { talk, bob, listener } = await start();
    await listener.poll();
    talk.sandbox.setPushes('drop');
    await bob.do('sendChatMessage', { token, message: 'lost' });
    talk.sandbox.setPushes('on');
    await bob.do('sendChatMessage', { token, message: 'heard' });
    await talk.sandbox.pushesSettled();
    expect([...listener.log.values()].map(({ data }) => data.text)).toEqual(['heard']);
    expect((await listener.poll()).map(({ data }) => data.text)).toEqual(['lost']);
  });

  test('every fact once, whatever was pushed, lost, late or polled before', async () => {
    const { talk, clock } = await start({ talkVersion: '21.1.0' });
    const emoji = ['👍', '🎉'];
    const act = fc.oneof(
      { weight: 5, arbitrary: fc.constant('say') },
      { weight: 4, arbitrary: fc.constantFrom(...emoji) },
      { weight: 4, arbitrary: fc.constant('poll') },
      { weight: 1, arbitrary: fc.constantFrom('restart', 'pass', 'on', 'drop', 'pause') },
    );
    await fc.assert(
      fc.asyncProperty(fc.array(act, { minLength: 1, maxLength: 25 }), async (plan) => {
        // The rooms of earlier plans have been quiet for long, because a poll reads a limited number of rooms that have
        // moved.
        clock.advance(60_000);
        const alice = await talk.connect('alice', { credentials: { botSecret } });
        const bob = await talk.connect('bob');
        const listener = new Listener(alice);
        const hook = await listener.startHook(clock.now);
        const { token: room } = talk.sandbox.createRoom({ name: 'P', owner: 'alice', users: ['bob'] });
        talk.sandbox.installBot({ name: 'Ear', secret: botSecret, url: hook.url, features: 1 | 8, rooms: [room] });
        const { id: messageId } = talk.sandbox.postMessage({ token: room, user: 'bob', message: 'history' });
        await talk.sandbox.pushesSettled();
        listener.log.clear();
        await listener.poll();
        let reader = talk.process;
        const said: string[] = [];
        const reacted = { added: 0, removed: 0 };
        const has = new Set<string>();
        for (const step of plan) {
          if (step === 'say') {
            said.push(`m${said.length}`);
            await bob.do('sendChatMessage', { token: room, message: said.at(-1) });
          } else if (step === 'poll') await listener.poll(reader);
          else if (step === 'restart') reader = talk.newProcess();
          else if (step === 'pass') clock.advance(1500);
          else if (step === 'on' || step === 'drop' || step === 'pause') talk.sandbox.setPushes(step);
          else {
            const gone = has.delete(step);
            await bob.do(gone ? 'removeReaction' : 'addReaction', { token: room, messageId, reaction: step });
            if (!gone) has.add(step);
            reacted[gone ? 'removed' : 'added']++;
            // One that is taken back before a poll is in no list and no push of Talk 17.
            if (!gone) await listener.poll(reader);
          }
        }
        talk.sandbox.setPushes('on');
        await talk.sandbox.pushesSettled();
        await listener.poll(reader);
        // A removed reaction whose push was lost is an event once no push can name it any more.
        clock.advance(301_000);
        await listener.poll(reader);
        const of = (type: string) => [...listener.log.values()].filter((event) => event.type === type);
        expect(
          of('talk.message.created')
            .map(({ data }) => data.text)
            .sort(),
        ).toEqual([...said].sort());
        expect(of('talk.reaction.added')).toHaveLength(reacted.added);
        expect(of('talk.reaction.added').every(({ data }) => emoji.includes(String(data.reaction)))).toBe(true);
        expect(of('talk.reaction.removed')).toHaveLength(reacted.removed);
        expect(await listener.poll(talk.newProcess())).toEqual([]);
        expect(hook.failures).toEqual([]);
        await hook.close();
      }),
      { numRuns: 8, endOnFailure: true },
    );
  });

  test.each(['17.1.10', '22.0.10'])(
    'on Talk %s the same facts are stored, whether pushes or a poll report them first',
    { timeout: 120_000 },
    async (talkVersion) => {
      const clock = new TestClock();
      const talk = await startTalk(backends, { changelog: false, now: clock.now, talkVersion }, clock);
      const bob = await talk.connect('bob');
      const pushes: { headers: Record<string, string>; rawBody: Buffer; receivedAt: number }[] = [];
      const ear = await startEar((headers, rawBody) =>
        pushes.push({ headers, rawBody, receivedAt: clock.now() + 400 }),
      );
      running.push(ear.close, talk.stop);
      const old = ['say', 'reply', 'delete', 'rename', 'lock', 'carol', 'call', 'poll', '👍', '🎉'] as const;
      // Talk 17 knows neither.
      const acts = talkVersion === '17.1.10' ? old : ([...old, 'edit', 'thread'] as const);
      await fc.assert(
        fc.asyncProperty(
          fc.array(fc.constantFrom(...acts), { minLength: 1, maxLength: 10 }),
          fc.nat({ max: 20 }),
          async (plan, split) => {
            clock.advance(600_000);
            const { token: room } = talk.sandbox.createRoom({ name: 'P', owner: 'bob', users: ['alice'] });
            talk.sandbox.installBot({ name: 'Ear', secret: botSecret, url: ear.url, features: 1 | 8, rooms: [room] });
            const post = () => talk.sandbox.postMessage({ token: room, user: 'bob', message: 'history' }).id;
            const messageId = post();
            const toDelete = plan.filter((act) => act === 'delete').map(post);
            await talk.sandbox.pushesSettled();
            pushes.splice(0);
            const names = ['pushed first', 'polled first', 'polled in between', 'polled alone'] as const;
            const listeners = new Map<string, Listener>();
            for (const name of names) {
              listeners.set(name, new Listener(await talk.connect('alice', { credentials: { botSecret } })));
              await listeners.get(name)?.poll();
            }
            const on = new Set<string>();
            for (const [at, act] of plan.entries()) {
              clock.advance(2_000);
              if (act === 'say') await bob.do('sendChatMessage', { token: room, message: `m${at}` });
              else if (act === 'reply')
                await bob.do('sendChatMessage', { token: room, message: 'r', replyTo: messageId });
              else if (act === 'edit')
                await bob.do('editChatMessage', { token: room, messageId, message: `edited ${at}` });
              else if (act === 'delete') await bob.do('deleteChatMessage', { token: room, messageId: toDelete.pop() });
              else if (act === 'thread')
                await bob.do('sendChatMessage', { token: room, message: `t${at}`, threadTitle: 'T' });
              else if (act === 'poll') {
                const { id: pollId } = await bob.do('createPoll', {
                  token: room,
                  question: 'Who?',
                  options: ['a', 'b'],
                });
                await bob.do('votePoll', { token: room, pollId, optionIds: [0] });
                await bob.do('closePoll', { token: room, pollId });
              } else if (act === 'rename') await bob.do('renameRoom', { token: room, roomName: `P${at}` });
              else if (act === 'lock') {
                await bob.do('setReadOnly', { token: room, readOnly: true });
                await bob.do('setReadOnly', { token: room, readOnly: false });
              } else if (act === 'carol') {
                const isIn = on.delete(act);
                await (isIn
                  ? bob.do('removeParticipant', { token: room, participant: 'carol' })
                  : bob.do('addParticipant', { token: room, newParticipant: 'carol' }));
                if (!isIn) on.add(act);
              } else if (act === 'call') {
                await bob.do('joinRoom', { token: room });
                await bob.do('joinCall', { token: room });
                await bob.do('leaveCall', { token: room });
              } else {
                const isOn = on.delete(act);
                await bob.do(isOn ? 'removeReaction' : 'addReaction', { token: room, messageId, reaction: act });
                if (!isOn) on.add(act);
              }
              // What is pushed has arrived before the clock moves on.
              await talk.sandbox.pushesSettled();
            }
            const push = async (name: string, from: number, to: number) => {
              for (const { headers, rawBody, receivedAt } of pushes.slice(from, to))
                await listeners.get(name)?.push(headers, rawBody, receivedAt);
            };
            await push('pushed first', 0, pushes.length);
            await push('polled in between', 0, split);
            for (const name of names) await listeners.get(name)?.poll();
            await push('polled first', 0, pushes.length);
            await push('polled in between', split, pushes.length);
            // Removed reactions are complete once no push can name them any more.
            clock.advance(301_000);
            for (const name of names) await listeners.get(name)?.poll();
            const stored = (name: (typeof names)[number]) =>
              [...(listeners.get(name)?.log.values() ?? [])]
                .map(({ type, timestamp, data }) => ({ type, timestamp, data }))
                .sort((a, b) =>
                  JSON.stringify([a.type, a.timestamp]) < JSON.stringify([b.type, b.timestamp]) ? -1 : 1,
                );
            expect(stored('polled first')).toEqual(stored('pushed first'));
            expect(stored('polled in between')).toEqual(stored('pushed first'));
            // A poll alone cannot name a reaction that was taken back; what it finds is reported alike.
            const lasting = (name: (typeof names)[number]) =>
              stored(name).filter(({ type }) => !type.startsWith('talk.reaction'));
            expect(lasting('polled alone')).toEqual(lasting('pushed first'));
            const removed = (name: (typeof names)[number]) =>
              stored(name).filter(({ type }) => type === 'talk.reaction.removed');
            expect(removed('polled alone').map(({ timestamp, data }) => [timestamp, data.messageId])).toEqual(
              removed('pushed first').map(({ timestamp, data }) => [timestamp, data.messageId]),
            );
          },
        ),
        { numRuns: 5, endOnFailure: true, examples: [[['🎉', 'delete', '🎉'], 4]] },
      );
    },
  );
});

/** A server that forwards what bots receive. */
async function startEar(hear: (headers: Record<string, string>, rawBody: Buffer) => void) {
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      hear(request.headers as Record<string, string>, Buffer.concat(chunks));
      response.end();
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}/`,
    close: () => new Promise<void>((resolve) => server.close(() => resolve())),
  };
}

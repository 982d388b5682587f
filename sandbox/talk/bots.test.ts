import { createHmac } from 'node:crypto';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { Replay } from '../../test/support/talk-replay.ts';
import { phpJson } from './bot-pushes.ts';
import { demoRoomToken as room, startTalkSandbox, type TalkSandbox, type TalkSandboxOptions } from './index.ts';

const secret = 'a-secret-of-the-bot-that-has-forty-characters';
const random = 'r'.repeat(64);

let talk: TalkSandbox;
let receiver: Server;
let url: string;
let answer: number;
let received: { headers: NodeJS.Dict<string | string[]>; raw: string; body: Activity }[];

interface Activity {
  type: string;
  actor: { id: string; name: string; talkParticipantType?: string };
  object: { id: string; name: string; content: string; inReplyTo?: unknown; object?: unknown; type: string };
  target: { id: string };
  content?: string;
}

beforeEach(async () => {
  answer = 200;
  received = [];
  receiver = createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const raw = Buffer.concat(chunks).toString('utf8');
    received.push({ headers: request.headers, raw, body: JSON.parse(raw) as Activity });
    response.writeHead(answer).end();
  });
  await new Promise<void>((resolve) => receiver.listen(0, '127.0.0.1', resolve));
  url = `http://127.0.0.1:${(receiver.address() as AddressInfo).port}/hook`;
});
afterEach(async () => {
  await talk.close();
  receiver.close();
});

async function start(features = 3, options: TalkSandboxOptions = {}): Promise<Replay> {
  talk = await startTalkSandbox({ changelog: false, ...options });
  talk.installBot({ name: 'Gateway bot', url, secret, features, rooms: [room] });
  return new Replay(talk);
}

const say = (message: string, more = {}) => talk.postMessage({ token: room, user: 'bob', message, ...more }).id;
const types = () => received.map((one) => `${one.body.type} ${one.body.object.name ?? ''}`.trim());

function signed(text: string, with_ = secret, seed = random): Record<string, string> {
  const signature = createHmac('sha256', with_)
    .update(seed + text)
    .digest('hex');
  return { 'x-nextcloud-talk-bot-random': seed, 'x-nextcloud-talk-bot-signature': signature };
}

describe('a push', () => {
  test('is signed over random and raw body, in the JSON that PHP writes', async () => {
    await start();
    say('Größe 5/6 für @alice 🚒');
    await talk.pushesSettled();
    const [push] = received;
    expect(push?.raw).toContain('Gr\\\\u00f6\\\\u00dfe 5\\\\\\/6');
    expect(push?.raw).toContain('\\\\ud83d\\\\ude92');
    expect(JSON.parse(push?.body.object.content ?? '')).toEqual({
      message: 'Größe 5/6 für {mention-user1} 🚒',
      parameters: { 'mention-user1': { type: 'user', id: 'alice', name: 'Alice' } },
    });
    const seed = push?.headers['x-nextcloud-talk-random'];
    const expected = createHmac('sha256', secret).update(`${seed}${push?.raw}`).digest('hex');
    expect(push?.headers['x-nextcloud-talk-signature']).toBe(expected);
    expect(push?.headers['x-nextcloud-talk-backend']).toBe(`${talk.url}/`);
    expect(JSON.stringify(push?.body)).not.toBe(push?.raw);
  });

  test.each([
    [202, 0],
    [201, 1],
    [204, 1],
    [500, 1],
  ])('that is answered %i raises the error count by %i and is not sent again', async (status, errors) => {
    await start();
    answer = status;
    say('once');
    await talk.pushesSettled();
    expect(received).toHaveLength(1);
    expect(talk.state.bots[0]?.errorCount).toBe(errors);
  });

  test('to an unreachable bot is an error, too', async () => {
    await start();
    await new Promise((resolve) => receiver.close(resolve));
    say('hello?');
    await talk.pushesSettled();
    expect(talk.state.bots[0]).toMatchObject({
      errorCount: 1,
      lastErrorMessage: expect.stringContaining('ECONNREFUSED'),
    });
  });

  test('comes for system lines of anybody, but not for lines and reactions of bots', async () => {
    const client = await start();
    const id = say('first');
    const path = `/apps/spreed/api/v1/bot/${room}`;
    const message = { message: 'I am a bot' };
    expect(
      (await client.call(null, 'POST', `${path}/message`, { headers: signed('I am a bot'), body: message })).status,
    ).toBe(201);
    for (const method of ['POST', 'DELETE']) {
      await client.call(null, method, `${path}/reaction/${id}`, { headers: signed('👍'), body: { reaction: '👍' } });
    }
    await client.data('alice', 'PUT', `/v4/room/${room}`, { body: { roomName: 'Renamed' } });
    await talk.pushesSettled();
    expect(types().sort()).toEqual(['Activity conversation_renamed', 'Activity reaction_revoked', 'Create message']);
    expect(received.find((one) => one.body.object.name === 'reaction_revoked')?.body.actor.id).toMatch(
      /^bots\/bot-[0-9a-f]{40}$/,
    );
  });

  test('can be held and released, or lost, without any effect on the chat', async () => {
    const client = await start();
    talk.setPushes('pause');
    say('held');
    await talk.pushesSettled();
    expect(received).toEqual([]);
    talk.setPushes('drop');
    say('lost');
    talk.setPushes('on');
    say('sent');
    await talk.pushesSettled();
    const texts = received.map((one) => JSON.parse(one.body.object.content).message).sort();
    expect(texts).toEqual(['held', 'sent']);
    const lines = await client.data<{ message: string }[]>('alice', 'GET', `/v1/chat/${room}`, {
      query: { lookIntoFuture: 0, limit: 3 },
    });
    expect(lines.map((line) => line.message)).toEqual(['sent', 'lost', 'held']);
  });

  test('needs the webhook feature, a room where the bot is on, and Talk 17.1', async () => {
    await start(2);
    say('no webhook');
    await talk.pushesSettled();
    expect(received).toEqual([]);
    await talk.close();
    const older = await start(3, { talkVersion: '17.0.0' });
    say('too old');
    expect(await older.status('alice', 'GET', `/v1/bot/${room}`)).toBe(404);
    await talk.pushesSettled();
    expect(received).toEqual([]);
  });

  test('of Talk 21 names what is answered and sends reactions; joining and leaving is sent since 20', async () => {
    const client = await start(11, { talkVersion: '21.0.0' });
    const first = say('question');
    const second = say('answer', { replyTo: first });
    for (const method of ['POST', 'DELETE']) {
      await client.data('alice', method, `/v1/reaction/${room}/${second}`, { body: { reaction: '👍' } });
    }
    await client.data('alice', 'DELETE', `/v1/bot/${room}/1`);
    await talk.pushesSettled();
    expect(received.map((one) => one.body.type).sort()).toEqual([
      'Activity',
      'Create',
      'Create',
      'Join',
      'Leave',
      'Like',
      'Undo',
    ]);
    const of = (type: string) => received.findLast((one) => one.body.type === type)?.body;
    const answered = received.find((one) => one.body.object.id === String(second))?.body;
    expect(answered?.object.inReplyTo).toMatchObject({ actor: { id: 'users/bob' }, object: { id: String(first) } });
    expect(answered?.actor.talkParticipantType).toBe('3');
    expect(of('Like')).toMatchObject({ actor: { id: 'users/alice' }, object: { id: String(second) }, content: '👍' });
    expect(of('Undo')).toMatchObject({ object: { type: 'Like', content: '👍', object: { id: String(second) } } });
  });
});

describe('a bot speaks', () => {
  const send = (client: Replay, text: string, headers: Record<string, string>, more = {}) =>
    client.status(null, 'POST', `/v1/bot/${room}/message`, { headers, body: { message: text, ...more } });

  test('with a signature over random and text, by any of the ways that are refused', async () => {
    const client = await start();
    expect(await send(client, 'ünï', signed('ünï'))).toBe(201);
    expect(talk.state.messages.at(-1)).toMatchObject({ actorType: 'bots', text: 'ünï' });
    expect(await send(client, 'x', signed('y'))).toBe(401);
    expect(await send(client, 'x', signed('x', 'another-secret'))).toBe(401);
    expect(await send(client, 'x', signed('x', secret, 'r'.repeat(31)))).toBe(400);
    expect(await send(client, ' ', signed(' '))).toBe(400);
    expect(await send(client, 'x', signed('x'), { replyTo: 9999 })).toBe(400);
    expect(await send(client, 'x'.repeat(32_001), signed('x'.repeat(32_001)))).toBe(413);
    expect(
      await client.status(null, 'POST', '/v1/bot/elsewhere/message', { headers: signed('x'), body: { message: 'x' } }),
    ).toBe(401);
    for (let at = 0; at < 7; at++) await send(client, 'x', signed('y'));
    expect(await send(client, 'x', signed('y'))).toBe(500);
    expect(await send(client, 'ünï', signed('ünï'))).toBe(429);
  });

  test('only with the response feature', async () => {
    const client = await start(1);
    expect(await send(client, 'x', signed('x'))).toBe(401);
  });

  test('after a moderator switched it on, and only moderators can list bots', async () => {
    const client = await start();
    const path = `/v1/bot/${room}`;
    expect(await client.data('alice', 'GET', path)).toEqual([
      { id: 1, name: 'Gateway bot', description: '', state: 1 },
    ]);
    expect(await client.status('bob', 'GET', path)).toBe(403);
    expect(await client.status('alice', 'POST', `${path}/9`)).toBe(400);
    expect(await client.status('alice', 'GET', '/v1/bot/admin')).toBe(403);
    expect(JSON.stringify(await client.data('admin', 'GET', '/v1/bot/admin'))).not.toContain(secret);
    expect(await client.status('alice', 'DELETE', `${path}/1`)).toBe(200);
    expect(await send(client, 'x', signed('x'))).toBe(401);
    expect(() => talk.installBot({ name: 'Short', url, secret: 'short' })).toThrow(RangeError);
  });
});

test('JSON as PHP writes it', () => {
  expect(phpJson({ 'a/b': ['é', '🚒', '\u2028', '"', '\n'] })).toBe(
    '{"a\\/b":["\\u00e9","\\ud83d\\ude92","\\u2028","\\"","\\n"]}',
  );
});

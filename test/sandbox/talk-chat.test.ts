import { afterEach, describe, expect, test } from 'vitest';
import {
  demoRoomToken as room,
  startTalkSandbox,
  type TalkSandbox,
  type TalkSandboxOptions,
} from '../../local/sandbox/talk/index.ts';
import { Replay } from './talk-replay.ts';

let talk: TalkSandbox;
let now = 1_795_281_240_000;

async function start(options: TalkSandboxOptions = {}): Promise<Replay> {
  talk = await startTalkSandbox({ now: () => now, changelog: false, ...options });
  return new Replay(talk);
}

afterEach(async () => {
  await talk.close();
  now = 1_795_281_240_000;
});

interface Line {
  id: number | string;
  message: string;
  systemMessage: string;
  messageParameters: Record<string, { id: string; name: string }>;
  parent?: Line;
  [field: string]: unknown;
}

const chat = `/v1/chat/${room}`;
const say = (user: string, message: string) => talk.postMessage({ token: room, user, message }).id;
const pause = () => new Promise((resolve) => setTimeout(resolve, 60));
const held = (count: number) => expect.poll(() => talk.peakPolls().alice, { timeout: 10_000 }).toBe(count);

describe('long polls', () => {
  test('wait on a test clock and are cut at 30 seconds', async () => {
    const client = await start();
    const known = talk.state.nextId.message - 1;
    const query = { lookIntoFuture: 1, lastKnownMessageId: known, timeout: 60 };
    let status = 0;
    const poll = client.status('alice', 'GET', chat, { query }).then((answered) => {
      status = answered;
    });
    await held(1);
    now += 29_000;
    await pause();
    expect(status).toBe(0);
    now += 1000;
    await poll;
    expect(status).toBe(304);
  });

  test('wait on the real clock, end with a message, and are counted per account', async () => {
    talk = await startTalkSandbox();
    const known = talk.state.nextId.message - 1;
    const query = { lookIntoFuture: 1, lastKnownMessageId: known, timeout: 20 };
    const reader = new Replay(talk);
    const polls = [1, 2].map(() => reader.data<Line[]>('alice', 'GET', chat, { query }));
    await held(2);
    say('bob', 'now');
    expect((await Promise.all(polls)).map((lines) => lines.map((line) => line.message))).toEqual([['now'], ['now']]);
    expect(talk.peakPolls()).toEqual({ alice: 2 });
  });

  test('end when the caller hangs up', async () => {
    await start();
    const abort = new AbortController();
    const query = new URLSearchParams({ format: 'json', lookIntoFuture: '1', lastKnownMessageId: '99', timeout: '30' });
    const authorization = `Basic ${Buffer.from('alice:alice-app-password').toString('base64')}`;
    const headers = { authorization, 'ocs-apirequest': 'true' };
    const gone = fetch(`${talk.url}/ocs/v2.php/apps/spreed/api${chat}?${query}`, { headers, signal: abort.signal });
    await held(1);
    abort.abort();
    await expect(gone).rejects.toThrow();
    await expect.poll(() => talk.journal.at(-1)?.status).toBe(304);
  });
});

describe('chat v1 of era A', () => {
  const read = (client: Replay, query: object) =>
    client.data<Line[]>('alice', 'GET', chat, { query: { timeout: 1, ...query } });

  test('takes only what is newer than the second it is given', async () => {
    const client = await start({ era: 'A' });
    say('bob', 'first');
    now += 1000;
    const second = now / 1000;
    say('bob', 'second');
    expect((await read(client, { notOlderThanTimestamp: second - 1 })).map((line) => line.message)).toEqual(['second']);
    expect((await read(client, { offset: 1 })).map((line) => line.message)).toEqual(['second']);
  });

  test('reads the room of the session, whatever the path says', async () => {
    const client = await start({ era: 'A' });
    const { token } = talk.createRoom({ name: 'Other' });
    talk.postMessage({ token, user: 'alice', message: 'elsewhere' });
    await client.call('alice', 'GET', '/cloud/user', { jar: 'alice' });
    await client.data('alice', 'POST', `/v1/room/${token}/participants/active`, { jar: 'alice' });
    const [line] = await client.data<Line[]>('alice', 'GET', chat, { jar: 'alice', query: { timeout: 1 } });
    expect(line).toMatchObject({ message: 'elsewhere', token: room });
  });

  test('has no system lines', async () => {
    const client = await start({ era: 'A' });
    await client.data('alice', 'PUT', `/v1/room/${room}`, { body: { roomName: 'Renamed' } });
    expect(talk.state.messages).toEqual([]);
  });
});

describe('chat-v2', () => {
  test('pages into the past newest first and into the future oldest first', async () => {
    const client = await start();
    for (const text of ['one', 'two', 'three']) say('bob', text);
    const past = await client.call('alice', 'GET', `/apps/spreed/api${chat}`, {
      query: { lookIntoFuture: 0, limit: 2 },
    });
    const lines = (past.body as { ocs: { data: Line[] } }).ocs.data;
    expect(lines.map((line) => line.message)).toEqual(['three', 'two']);
    const given = past.headers.get('x-chat-last-given');
    expect(given).toBe(String(lines[1]?.id));
    const future = { lookIntoFuture: 1, lastKnownMessageId: given, timeout: 0, includeLastKnown: 1 };
    const newer = await client.data<Line[]>('alice', 'GET', chat, { query: future });
    expect(newer.map((line) => line.message)).toEqual(['two', 'three']);
  });

  test('marks as read only when looking into the future, and unless told not to', async () => {
    const client = await start();
    say('bob', 'unread');
    const unread = async () => (await client.data<Line>('alice', 'GET', `/v4/room/${room}`)).unreadMessages;
    await client.data('alice', 'GET', chat, { query: { lookIntoFuture: 0 } });
    await client.data('alice', 'GET', chat, { query: { lookIntoFuture: 1, timeout: 0, setReadMarker: 0 } });
    expect(await unread()).toBe(1);
    await client.data('alice', 'GET', chat, { query: { lookIntoFuture: 1, timeout: 0 } });
    expect(await unread()).toBe(0);
    await client.data('alice', 'DELETE', `${chat}/read`);
    expect(await unread()).toBe(1);
  });

  test('answers 200 and nothing when only the common read mark moved', async () => {
    const client = await start();
    const query = { lookIntoFuture: 1, lastKnownMessageId: 999, timeout: 0, lastCommonReadId: 999 };
    const answer = await client.call('alice', 'GET', `/apps/spreed/api${chat}`, { query });
    expect(answer.status).toBe(200);
    expect(answer.headers.has('x-chat-last-given')).toBe(false);
    expect(answer.headers.get('x-chat-last-common-read')).toBe('1');
  });

  test('renders mentions of accounts, guests and everybody, and leaves other words alone', async () => {
    const client = await start({ talkVersion: '20.0.0' });
    say('bob', 'Hi @alice and @"zoë", @all: mail a@bob.test or @nobody. @alice!');
    const [line] = await client.data<Line[]>('alice', 'GET', chat, { query: { lookIntoFuture: 0, limit: 1 } });
    expect(line?.message).toBe(
      'Hi {mention-user1} and {mention-user2}, {mention-call1}: mail a@bob.test or @nobody. {mention-user1}!',
    );
    expect(line?.messageParameters['mention-user2']).toMatchObject({
      id: 'zoë',
      name: 'Zoë Müller',
      'mention-id': 'zoë',
    });
    expect(line?.messageParameters['mention-call1']).toMatchObject({
      id: room,
      name: 'Control room',
      'call-type': 'group',
    });
    const { unreadMention } = await client.data<Line>('alice', 'GET', `/v4/room/${room}`);
    expect(unreadMention).toBe(true);
  });
});

describe('changes to lines', () => {
  test('editing comes with Talk 19, for a day, and says who edited', async () => {
    const client = await start();
    const id = say('bob', 'old');
    const edit = (user: string, body: object) => client.status(user, 'PUT', `${chat}/${id}`, { body });
    expect(await edit('bob', { message: 'new' })).toBe(405);
    talk.setVersion({ talkVersion: '19.0.0' });
    expect(await edit('carol', { message: 'new' })).toBe(403);
    expect(await edit('bob', { message: ' ' })).toBe(400);
    const notice = await client.data<Line>('alice', 'PUT', `${chat}/${id}`, { body: { message: 'new' } });
    expect(notice).toMatchObject({
      systemMessage: 'message_edited',
      parent: { message: 'new', lastEditActorId: 'alice' },
    });
    const system = talk.state.messages[0]?.id;
    expect(await client.status('alice', 'PUT', `${chat}/${system}`, { body: { message: 'x' } })).toBe(405);
    expect(await client.status('alice', 'PUT', `${chat}/9999`, { body: { message: 'x' } })).toBe(404);
    talk.advance(86_401_000);
    expect(await edit('bob', { message: 'late' })).toBe(400);
  });

  test('deleting ends after six hours before Talk 19, and is 202 beside a bot', async () => {
    const client = await start();
    const ids = [say('bob', 'one'), say('bob', 'two')];
    talk.installBot({ name: 'Bot', url: 'http://127.0.0.1:9/', secret: 's'.repeat(40), rooms: [room] });
    expect(await client.status('bob', 'DELETE', `${chat}/${ids[0]}`)).toBe(202);
    expect(await client.status('bob', 'DELETE', `${chat}/${ids[0]}`)).toBe(405);
    talk.advance(21_601_000);
    expect(await client.status('bob', 'DELETE', `${chat}/${ids[1]}`)).toBe(400);
    talk.setVersion({ talkVersion: '19.0.0' });
    const gone = await client.data<Line>('alice', 'DELETE', `${chat}/${ids[1]}`);
    expect(gone.parent).toMatchObject({ message: 'Message deleted by you', messageType: 'comment_deleted' });
    const lines = await client.data<Line[]>('bob', 'GET', chat, { query: { lookIntoFuture: 0, limit: 4 } });
    expect(lines.slice(2).map((line) => line.message)).toEqual([
      'Message deleted by {actor}',
      'Message deleted by you',
    ]);
  });

  test('a reaction is a line of its own, and taking it back turns it into another', async () => {
    const client = await start();
    const id = say('bob', 'good?');
    const react = (method: string, reaction: string) =>
      client.status('alice', method, `/v1/reaction/${room}/${id}`, { body: { reaction } });
    expect([await react('POST', '👍'), await react('POST', '👍'), await react('POST', 'ok')]).toEqual([201, 200, 400]);
    expect([await react('DELETE', '👍'), await react('DELETE', '👍')]).toEqual([200, 404]);
    expect(await client.data('alice', 'GET', `/v1/reaction/${room}/${id}`)).toEqual([]);
    const lines = await client.data<Line[]>('bob', 'GET', chat, { query: { lookIntoFuture: 0, limit: 2 } });
    expect(lines.map((line) => line.systemMessage)).toEqual(['reaction_revoked', 'reaction_deleted']);
    expect(lines.map((line) => line.message)).toEqual(['{actor} deleted a reaction', 'Reaction deleted by author']);
  });

  test('a poll is shared into the chat and shows its votes to those who voted', async () => {
    const client = await start({ talkVersion: '20.0.0' });
    const body = { question: 'Where?', options: ['Here', 'There'], resultMode: 0, maxVotes: 1 };
    const poll = await client.data<Line>('bob', 'POST', `/v1/poll/${room}`, { body });
    expect(poll).toMatchObject({ question: 'Where?', votes: [], votedSelf: [], status: 0, actorId: 'bob' });
    const [line] = await client.data<Line[]>('alice', 'GET', chat, { query: { lookIntoFuture: 0, limit: 1 } });
    expect(line).toMatchObject({ message: '{object}', systemMessage: '', messageType: 'comment' });
    expect(line?.messageParameters.object).toEqual({ type: 'talk-poll', id: String(poll.id), name: 'Where?' });
    const path = `/v1/poll/${room}/${poll.id}`;
    expect(await client.status('alice', 'POST', path, { body: { optionIds: [0, 1] } })).toBe(400);
    expect(await client.data('alice', 'POST', path, { body: { optionIds: [1] } })).toMatchObject({
      votes: { 'option-1': 1 },
    });
    expect(await client.status('carol', 'DELETE', path)).toBe(403);
    expect(await client.data('bob', 'DELETE', path)).toMatchObject({
      status: 1,
      details: [{ actorId: 'alice', optionId: 1 }],
    });
    const refused = await client.call('bob', 'POST', `/apps/spreed/api/v1/poll/${room}`, {
      body: { ...body, options: ['One'] },
    });
    expect([refused.status, refused.body]).toMatchObject([400, { ocs: { data: { error: 'options' } } }]);
    talk.setVersion({ talkVersion: '14.0.0' });
    expect(await client.status('bob', 'POST', `/v1/poll/${room}`, { body })).toBe(404);
  });
});

describe('rooms', () => {
  test('a lobby opens by itself when its time has come', async () => {
    const client = await start();
    const timer = now / 1000 + 60;
    await client.data('alice', 'PUT', `/v4/room/${room}/webinar/lobby`, { body: { state: 1, timer } });
    expect(await client.status('bob', 'POST', chat, { body: { message: 'in?' } })).toBe(412);
    talk.advance(60_000);
    expect(await client.status('bob', 'POST', chat, { body: { message: 'in!' } })).toBe(201);
    expect(talk.state.messages.at(-2)?.text).toBe('lobby_timer_reached');
  });

  test('locking ends the call, and a one-to-one call that nobody takes is a missed one', async () => {
    const client = await start();
    const { token } = talk.createRoom({ name: '', type: 1, owner: 'alice', users: ['bob'] });
    for (const one of [room, token]) {
      await client.data('alice', 'POST', `/v4/room/${one}/participants/active`, { jar: one });
      await client.data('alice', 'POST', `/v4/call/${one}`, { jar: one });
    }
    await client.data('alice', 'PUT', `/v4/room/${room}/read-only`, { body: { state: 1 } });
    await client.data('alice', 'DELETE', `/v4/call/${token}`, { jar: token });
    const last = async (user: string) =>
      (await client.data<Line[]>(user, 'GET', `/v1/chat/${token}`, { query: { lookIntoFuture: 0, limit: 1 } }))[0]
        ?.message;
    expect([await last('alice'), await last('bob')]).toEqual([
      'You tried to call {user}',
      'You missed a call from {user}',
    ]);
    const lines = talk.state.messages.filter((message) => message.token === room).map((message) => message.text);
    expect(lines.slice(-3)).toEqual(['call_started', 'call_ended_everyone', 'read_only']);
  });

  test('since Talk 21 changes answer the room and the rest says null', async () => {
    const client = await start({ talkVersion: '21.1.0' });
    expect(await client.data('alice', 'POST', `/v4/room/${room}/public`)).toMatchObject({ token: room, type: 3 });
    expect(await client.data('alice', 'DELETE', `/v4/room/${room}/participants/active`)).toBeNull();
  });
});

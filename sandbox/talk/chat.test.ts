import { afterEach, describe, expect, test } from 'vitest';
import type { Replay } from '../../test/support/talk-replay.ts';
import { chat, clock, type Line, say, start, stop, talk } from '../../test/support/talk-sandbox.ts';
import { until } from '../../test/support/until.ts';
import { demoRoomToken as room } from './index.ts';

afterEach(stop);
const held = (count: number) => until(() => talk.heldRequests() === count);

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
    clock.now += 29_000;
    // Any activity in the room makes the stand-in read its clock.
    talk.killSession({ token: room, user: 'carol' });
    expect([talk.heldRequests(), status]).toEqual([1, 0]);
    clock.now += 1000;
    await poll;
    expect(status).toBe(304);
  });

  test('wait on the real clock, end with a message, and are counted per account', async () => {
    const reader = await start({}, true);
    const known = talk.state.nextId.message - 1;
    const query = { lookIntoFuture: 1, lastKnownMessageId: known, timeout: 20 };
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
    clock.now += 1000;
    const second = clock.now / 1000;
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

  test('marks as read only when looking into the future, and unless asked not to', async () => {
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

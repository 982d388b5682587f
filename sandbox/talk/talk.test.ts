import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import { start, stop, talk } from '../../test/support/talk-sandbox.ts';
import { demoRoomToken as room, type TalkSandboxOptions } from './index.ts';

afterEach(stop);

interface Capabilities {
  ocs: { data: { capabilities: { spreed?: { features: string[]; config: { chat: { 'max-length': number } } } } } };
}

describe('accounts', () => {
  test('log in with UTF-8 names and passwords, by account password and by login name', async () => {
    const client = await start();
    expect(await client.status('zoë', 'GET', '/v4/room')).toBe(200);
    talk.addUser({ id: 'dora', loginName: 'dora@example.test' });
    for (const login of ['zoë:zoë-pässwörd', 'dora@example.test:dora-password']) {
      const authorization = `Basic ${Buffer.from(login).toString('base64')}`;
      const answer = await client.call(null, 'GET', '/cloud/user', { headers: { authorization } });
      expect((answer.body as { ocs: { data: { id: string } } }).ocs.data.id).toBe(login.slice(0, login.search(/[@:]/)));
    }
  });

  test('get an app password once through the login flow, on the host that the server believes to be', async () => {
    const client = await start({ publicUrl: 'https://elsewhere.example.test' });
    const begin = async () => {
      const response = await fetch(`${talk.url}/index.php/login/v2`, {
        method: 'POST',
        headers: { 'user-agent': 'Us' },
      });
      return (await response.json()) as { poll: { token: string; endpoint: string }; login: string };
    };
    const poll = (token: string) =>
      fetch(`${talk.url}/index.php/login/v2/poll`, { method: 'POST', body: new URLSearchParams({ token }) });
    const flow = await begin();
    expect(flow.poll.endpoint).toBe('https://elsewhere.example.test/index.php/login/v2/poll');
    await begin();
    expect((await fetch(flow.login.replace('https://elsewhere.example.test', talk.url))).status).toBe(200);
    expect((await poll(flow.poll.token)).status).toBe(404);
    const granted = talk.grantLogin({ user: 'bob', login: flow.login });
    const answer = (await (await poll(flow.poll.token)).json()) as Record<string, string>;
    expect(answer).toEqual({ server: 'https://elsewhere.example.test', ...granted });
    expect((await poll(flow.poll.token)).status).toBe(404);
    const authorization = `Basic ${Buffer.from(`bob:${answer.appPassword}`).toString('base64')}`;
    expect((await client.call(null, 'GET', '/cloud/user', { headers: { authorization } })).status).toBe(200);
    expect(talk.state.users.bob?.appPasswords.at(-1)?.name).toBe('Us');
    talk.setVersion({ era: 'A' });
    expect((await fetch(`${talk.url}/index.php/login/v2`, { method: 'POST' })).status).toBe(404);
  });
});

describe('brute-force protection', () => {
  const wrong = { headers: { authorization: `Basic ${Buffer.from('alice:wrong').toString('base64')}` } };

  test('throttles ten wrong tokens, fails at the eleventh and then refuses the address for half an hour', async () => {
    const client = await start();
    const read = () => client.call('alice', 'GET', '/apps/spreed/api/v4/room/missing99');
    const seen = [];
    for (let at = 0; at < 12; at++) {
      const answer = await read();
      seen.push(`${answer.status} ${answer.headers.get('x-nextcloud-bruteforce-throttled') ?? ''}`.trim());
    }
    const delays = [200, 400, 800, 1600, 3200, 6400, 12_800, 25_000, 25_000, 25_000].map((ms) => `404 ${ms}ms`);
    expect(seen).toEqual([...delays, '500', '429']);
    expect((await read()).headers.has('retry-after')).toBe(false);
    expect(await client.status('alice', 'GET', `/v4/room/${room}`)).toBe(429);
    expect(await client.status('alice', 'GET', `/v4/room/${room}/participants`)).toBe(200);
    talk.advance(1801_000);
    expect(await client.status('alice', 'GET', `/v4/room/${room}`)).toBe(200);
  });

  test("counts wrong passwords for the whole address, and a login clears the user's own failures", async () => {
    const client = await start();
    for (let at = 0; at < 6; at++) expect((await client.call(null, 'GET', '/cloud/user', wrong)).status).toBe(401);
    expect((await client.call('alice', 'GET', '/cloud/user')).status).toBe(200);
    expect(talk.state.attempts).toHaveLength(0);
    for (let at = 0; at < 11; at++) expect((await client.call(null, 'GET', '/cloud/user', wrong)).status).toBe(401);
    expect((await client.call('bob', 'GET', '/cloud/user')).status).toBe(429);
    talk.resetThrottle();
    expect((await client.call('bob', 'GET', '/cloud/user')).status).toBe(200);
  });

  test('can be switched off, and never said 429 in 2018', async () => {
    for (const options of [{ bruteForce: false }, { era: 'A' }, { era: 'C' }] as TalkSandboxOptions[]) {
      const client = await start(options);
      for (let at = 0; at < 15; at++) expect((await client.call(null, 'GET', '/cloud/user', wrong)).status).toBe(401);
      expect((await client.call('bob', 'GET', '/cloud/user')).status).toBe(200);
      await talk.close();
    }
  });
});

describe('the server changes under its clients', () => {
  test('an upgrade keeps rooms and messages and shows in hash, etag and routes', async () => {
    const client = await start({ era: 'A' });
    await client.data('bob', 'POST', `/v1/chat/${room}`, { body: { message: 'from 2018' } });
    talk.setVersion({ era: 'E' });
    const list = await client.call('alice', 'GET', '/apps/spreed/api/v4/room');
    const before = await client.call('alice', 'GET', '/cloud/capabilities');
    const etag = before.headers.get('etag') ?? '';
    const again = { headers: { 'if-none-match': etag } };
    expect((await client.call('alice', 'GET', '/cloud/capabilities', again)).status).toBe(304);
    const lines = await client.data<{ id: number; message: string }[]>('alice', 'GET', `/v1/chat/${room}`, {
      query: { lookIntoFuture: 0 },
    });
    expect(lines.map((line) => line.message)).toEqual(['from 2018']);

    talk.setVersion({ talkVersion: '20.1.0' });
    talk.configure({ maxLength: 500 });
    const after = await client.call('alice', 'GET', '/cloud/capabilities', again);
    expect(after.status).toBe(200);
    const { spreed } = (after.body as Capabilities).ocs.data.capabilities;
    expect(spreed?.features).toEqual(expect.arrayContaining(['edit-messages', 'talk-polls', 'ban-v1', 'bots-v1']));
    expect(spreed?.config.chat['max-length']).toBe(500);
    const newList = await client.call('alice', 'GET', '/apps/spreed/api/v4/room');
    expect(newList.headers.get('x-nextcloud-talk-hash')).not.toBe(list.headers.get('x-nextcloud-talk-hash'));
    expect(await client.status('alice', 'GET', '/v1/room')).toBe(404);
  });

  test.each(['3.2.3', '9.0.0', '11.3.6', '2.0.0', 'nonsense'])('release %s is refused', async (talkVersion) => {
    await start();
    expect(() => talk.setVersion({ talkVersion })).toThrow(RangeError);
  });

  test('everything is in the state file', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'talk-'));
    const stateFile = join(folder, 'state.json');
    const client = await start({ stateFile, talkVersion: '20.0.0' });
    const { id } = await client.data<{ id: number }>('alice', 'POST', `/v1/chat/${room}`, {
      body: { message: 'kept' },
    });
    await client.data('alice', 'POST', `/v4/room/${room}/participants/active`, { jar: 'alice' });
    await talk.close();
    const resumed = await start({ stateFile });
    resumed.jars.set('alice', client.jars.get('alice') ?? new Map());
    expect(talk.state.talkVersion).toBe('20.0.0');
    expect(talk.state.messages.at(-1)).toMatchObject({ id, text: 'kept' });
    expect(await resumed.status('alice', 'POST', `/v4/call/${room}`, { jar: 'alice' })).toBe(200);
    rmSync(folder, { recursive: true });
  });
});

describe('the strict reader', () => {
  test.each([
    ['an unknown parameter', { query: { lookIntoFuture: 0, offset: 3 } }, 'unknown parameter offset'],
    ['an invalid number', { query: { lookIntoFuture: 0, limit: 'ten' } }, 'limit is not an integer'],
    ['a missing parameter', {}, 'parameter lookIntoFuture is missing'],
  ])('journals %s', async (_what, options, refusal) => {
    const client = await start();
    await client.call('alice', 'GET', `/apps/spreed/api/v1/chat/${room}`, options);
    expect(talk.journal.at(-1)?.refusal).toBe(refusal);
  });

  test('accepts a valid request', async () => {
    const client = await start();
    await client.data('alice', 'GET', `/v1/chat/${room}`, { query: { lookIntoFuture: 0, limit: 5 } });
    expect(talk.journal.filter((entry) => entry.refusal !== undefined)).toEqual([]);
  });

  test('a token that cannot be one is no route', async () => {
    const client = await start();
    expect((await client.call('alice', 'GET', '/apps/spreed/api/v4/room/Not-A-Token')).text).toContain('Invalid query');
  });
});

test('the controls answer over HTTP too', async () => {
  const client = await start();
  const control = (path: string, input: object) =>
    fetch(`${talk.url}/__sandbox/${path}`, { method: 'POST', body: JSON.stringify(input) });
  const { token } = (await (await control('rooms', { name: 'Made', users: ['bob'] })).json()) as { token: string };
  const { id } = (await (await control('messages', { token, user: 'bob', message: 'hi' })).json()) as { id: number };
  expect(talk.state.messages.at(-1)).toMatchObject({ id, token, actorId: 'bob' });
  expect((await control('messages', { token, user: 'carol', message: 'hi' })).status).toBe(400);
  expect((await control('version', { era: 'C' })).status).toBe(204);
  expect(await client.status('alice', 'GET', '/v1/room')).toBe(200);
  expect((await control('maintenance', { on: true })).status).toBe(204);
  expect(await client.status('alice', 'GET', '/v1/room')).toBe(503);
  expect((await control('pushes', { mode: 'sometimes' })).status).toBe(400);
});

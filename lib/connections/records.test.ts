import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type ControlDesk, startControlDesk } from '../../test/support/control-desk.ts';
import { admin, storedCredentials } from '../../test/support/harness.ts';
import { startServer } from '../../test/support/loopback.ts';
import { keys } from '../store/items.ts';
import { talk as talkVendor } from '../vendors/talk/index.ts';
import type { ConnectionItem } from './connections.ts';
import { invoke } from './invoke.ts';

let desk: ControlDesk;

beforeAll(async () => {
  desk = await startControlDesk();
});
afterAll(() => desk.close());

const lesser = (...scopes: string[]) => ({ keyId: 'low', name: 'Low', scopes, perMinute: 1e9 });
const editor = lesser('trunkline/connections/write', 'trunkline/connections/read', 'talk/*/getRooms');
const talk = (name: string, extra: Record<string, unknown> = {}) => ({
  vendor: 'talk',
  name,
  settings: { serverUrl: 'https://cloud.example.com', user: 'alice', ...extra },
  credentials: { appPassword: 'alice-app-password' },
});
const item = (name: string) => desk.services.table.get<ConnectionItem>(keys.connection('talk', name), true);
const secret = async (name: string) => desk.services.secrets.read(`trunkline/talk/${name}`);
const userOf = async (name: string) => String(new Map(Object.entries((await item(name))?.settings ?? {})).get('user'));
let count = 0;
const made = async (extra: Record<string, unknown> = {}) => {
  const name = `made-${++count}`;
  expect((await desk.call('POST', '/v1/connections', talk(name, extra))).status).toBe(201);
  return name;
};

describe('stored credentials stay with the address that they were entered for', () => {
  test.each([
    { serverUrl: 'https://attacker.example' },
    { serverUrl: 'https://cloud.example.com:8443' },
    { serverUrl: 'http://cloud.example.com', allowHttp: true },
    { allowHttp: true },
    { allowPrivateNetwork: true },
  ])('%j without credentials is 422, even by the admin key', async (settings) => {
    const name = await made();
    const before = await item(name);
    const refused = await desk.call('PATCH', `/v1/connections/talk/${name}`, { settings });
    expect([refused.status, refused.body.errors?.[0]?.pointer]).toEqual([422, '/credentials']);
    expect(await item(name)).toEqual(before);
  });

  test('credentials are merged by name, and null removes one', async () => {
    const name = await made();
    const change = (body: object) => desk.call('PATCH', `/v1/connections/talk/${name}`, body);
    const botSecret = 'b'.repeat(40);
    expect(await change({ credentials: { botSecret } })).toMatchObject({
      status: 200,
      body: { credentials: ['appPassword', 'botSecret'] },
    });
    expect(storedCredentials(await secret(name))).toEqual({ appPassword: 'alice-app-password', botSecret });
    await change({ credentials: { appPassword: 'next' } });
    expect(storedCredentials(await secret(name))).toEqual({ appPassword: 'next', botSecret });
    await change({ credentials: { botSecret: null } });
    expect(storedCredentials(await secret(name))).toEqual({ appPassword: 'next' });
    const refused = await change({ credentials: { appPassword: null } });
    expect([refused.status, refused.body.errors?.[0]?.pointer]).toEqual([422, '/credentials/appPassword']);
  });

  test('at another address none of the stored ones is added', async () => {
    const name = await made();
    const refused = await desk.call('PATCH', `/v1/connections/talk/${name}`, {
      settings: { serverUrl: 'https://other.example' },
      credentials: { botSecret: 'b'.repeat(40) },
    });
    expect([refused.status, refused.body.errors?.[0]?.pointer]).toEqual([422, '/credentials/appPassword']);
    expect(storedCredentials(await secret(name))).toEqual({ appPassword: 'alice-app-password' });
  });

  test('one way to log in to TimeTonic replaces another', async () => {
    const name = `way-${++count}`;
    const settings = { baseUrl: 'https://timetonic.example.com/live', user: 'u' };
    const body = { vendor: 'timetonic', name, settings, credentials: { oauthkey: 'o' } };
    expect((await desk.call('POST', '/v1/connections', body)).status).toBe(201);
    const changed = await desk.call('PATCH', `/v1/connections/timetonic/${name}`, { credentials: { sesskey: 's' } });
    expect(changed).toMatchObject({ status: 200, body: { credentials: ['sesskey'] } });
  });

  test('with credentials it moves, and the old ones are gone', async () => {
    const name = await made();
    const moved = await desk.call('PATCH', `/v1/connections/talk/${name}`, {
      settings: { serverUrl: 'https://other.example' },
      credentials: { appPassword: 'another' },
    });
    expect(moved.status).toBe(200);
    expect(await secret(name)).not.toContain('alice-app-password');
    expect(storedCredentials(await secret(name))).toEqual({ appPassword: 'another' });
  });

  test('another path, another user and a stricter rule need none', async () => {
    const name = await made({ allowHttp: true });
    const settings = { serverUrl: 'https://cloud.example.com/nextcloud', allowHttp: false };
    expect((await desk.call('PATCH', `/v1/connections/talk/${name}`, { settings })).status).toBe(200);
  });

  test('a table that was restored, or written by somebody else, sends them nowhere', async () => {
    const seen: unknown[] = [];
    const attacker = await startServer((request, response) => {
      seen.push(request.headers.authorization);
      response.end('{}');
    });
    const name = await made();
    await desk.services.table.update(keys.connection('talk', name), 'SET #settings = :settings', {
      settings: {
        serverUrl: attacker.url,
        user: 'alice',
        allowHttp: true,
        allowPrivateNetwork: true,
      },
    });
    const call = { principal: admin, connection: name, operation: 'getRooms', input: {} };
    const scope = { requestId: 'x', signal: new AbortController().signal };
    await expect(invoke(desk.services, talkVendor, call, scope)).rejects.toMatchObject({
      code: 'connection_needs_attention',
      message: expect.stringContaining(`were not entered for ${attacker.url}`),
    });
    expect(seen).toEqual([]);
  });
});

describe('private networks and plain http', () => {
  test('are opened by the admin key alone', async () => {
    for (const extra of [{ allowHttp: true }, { allowPrivateNetwork: true }]) {
      const refused = await desk.call('POST', '/v1/connections', talk(`refused-${++count}`, extra), editor);
      expect(refused.status).toBe(403);
    }
    expect((await desk.call('POST', '/v1/connections', talk(`allowed-${++count}`), editor)).status).toBe(201);
  });

  test('a lesser key changes such a connection, but not its address', async () => {
    const name = await made({ allowPrivateNetwork: true });
    const patch = (body: object) => desk.call('PATCH', `/v1/connections/talk/${name}`, body, editor);
    expect((await patch({ settings: { maxConcurrency: 3 } })).status).toBe(200);
    const moved = { settings: { serverUrl: 'https://10.0.0.1' }, credentials: { appPassword: 'mine' } };
    expect((await patch(moved)).status).toBe(403);
  });

  test.each(['https://cloud.example.com/x?y=', 'https://cloud.example.com/#x', 'https://cloud.example.com/?'])(
    'an address that would hide the path is refused: %s',
    async (address) => {
      const body = { credentials: { interactionKey: 'k' }, name: `swallow-${++count}`, vendor: 'proptt2' };
      const settings = { cloudUrl: address, ownerId: 'o@x.example', hid: 1 };
      expect((await desk.call('POST', '/v1/connections', { ...body, settings })).status).toBe(422);
      const others = { vendor: 'timetonic', name: body.name, credentials: { oauthkey: 'o' } };
      for (const field of [{ baseUrl: address }, { uploadUrl: address }]) {
        const given = { baseUrl: 'https://timetonic.example.com/live', user: 'u', ...field };
        expect((await desk.call('POST', '/v1/connections', { ...others, settings: given })).status).toBe(422);
      }
    },
  );
});

describe('requests at the same moment', () => {
  test('a change that is refused with 409 changes nothing', async () => {
    const name = await made();
    const passwords = Array.from({ length: 8 }, (_, at) => `password-${at}`);
    const answers = await Promise.all(
      passwords.map((appPassword, at) =>
        desk.call('PATCH', `/v1/connections/talk/${name}`, {
          settings: { user: `u${at}` },
          credentials: { appPassword },
        }),
      ),
    );
    const accepted = answers.flatMap(({ status }, at) => (status === 200 ? [at] : []));
    expect(answers.every(({ status }) => status === 200 || status === 409)).toBe(true);
    expect(accepted.length).toBeGreaterThan(0);
    const user = await userOf(name);
    expect(storedCredentials(await secret(name))).toEqual({ appPassword: `password-${user.slice(1)}` });
    expect(accepted).toContain(Number(user.slice(1)));
  });

  test('of several that make one connection, user and password come from the same', async () => {
    const name = `race-${++count}`;
    const answers = await Promise.all(
      Array.from({ length: 8 }, (_, at) =>
        desk.call('POST', '/v1/connections', {
          ...talk(name, { user: `u${at}` }),
          credentials: { appPassword: `password-${at}` },
        }),
      ),
    );
    expect(answers.filter(({ status }) => status === 201)).toHaveLength(1);
    expect(answers.filter(({ status }) => status === 409)).toHaveLength(7);
    const user = await userOf(name);
    expect(storedCredentials(await secret(name))).toEqual({ appPassword: `password-${user.slice(1)}` });
  });
});

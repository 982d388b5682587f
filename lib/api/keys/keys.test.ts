import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type ControlDesk, startControlDesk } from '../../../test/support/control-desk.ts';

let desk: ControlDesk;

beforeAll(async () => {
  desk = await startControlDesk();
});
afterAll(() => desk.close());

const principal = (keyId: string, scopes: string[], perMinute = 100) => ({ keyId, name: keyId, scopes, perMinute });
const manager = principal('manager', ['trunkline/keys/write', 'trunkline/keys/read', 'talk/dispatch/*']);
const make = (scopes: string[], by = manager, extra: object = { perMinute: 100 }) =>
  desk.call('POST', '/v1/keys', { name: 'made', scopes, ...extra }, by);

describe('what a key may give to another', () => {
  test('is a part of its own scopes', async () => {
    expect((await make(['talk/dispatch/getRooms'])).status).toBe(201);
    expect((await make(['talk/dispatch/*'])).status).toBe(201);
  });

  test.each(['talk/dispatch/deleteRoom', 'talk/dispatch/raw', 'talk/*/getRooms', '*/dispatch/*', '*/*/*'])(
    'is not %s',
    async (scope) => {
      expect((await make([scope])).status).toBe(403);
    },
  );

  test('is no higher rate than its own', async () => {
    expect((await make(['talk/dispatch/getRooms'], manager, { perMinute: 101 })).status).toBe(403);
    expect((await make(['talk/dispatch/getRooms'], manager, {})).status).toBe(403);
  });
});

test('a key can neither rotate nor revoke one that can do more', async () => {
  const { body } = await desk.call('POST', '/v1/keys', { name: 'strong', scopes: ['*/*/*'] });
  expect((await desk.call('POST', `/v1/keys/${body.id}/rotate`, {}, manager)).status).toBe(403);
  expect((await desk.call('DELETE', `/v1/keys/${body.id}`, undefined, manager)).status).toBe(403);
  expect((await desk.call('GET', `/v1/keys/${body.id}`)).status).toBe(200);
});

describe('revoking a key', () => {
  const scopes = ['trunkline/*/write', 'trunkline/*/read', 'talk/dispatch/*'];
  async function tree() {
    const parent = (await desk.call('POST', '/v1/keys', { name: 'parent', scopes })).body;
    const asParent = principal(parent.id, scopes, 1e9);
    const child = (await make(scopes, asParent)).body;
    const asChild = principal(child.id, scopes, 1e9);
    const automation = await desk.call(
      'POST',
      '/v1/automations',
      {
        name: `rule-${child.id}`,
        when: { event: 'talk.message.created' },
        do: [{ name: 'rooms', call: 'talk/dispatch/getRooms' }],
      },
      asChild,
    );
    expect(automation.status, JSON.stringify(automation.body)).toBe(201);
    return { parent, child, automation: automation.body };
  }
  const status = async (path: string) => (await desk.call('GET', path)).status;

  test('lists what it made and leaves it', async () => {
    const { parent, child, automation } = await tree();
    expect((await desk.call('GET', `/v1/keys/${parent.id}`)).body.created).toEqual([
      { type: 'key', id: child.id, name: 'made' },
    ]);
    expect((await desk.call('GET', `/v1/keys/${child.id}`)).body).toMatchObject({
      createdBy: parent.id,
      created: [{ type: 'automation', id: automation.id }],
    });
    expect(await desk.call('DELETE', `/v1/keys/${parent.id}`)).toMatchObject({
      status: 200,
      body: {
        created: [
          { type: 'key', id: child.id },
          { type: 'automation', id: automation.id },
        ],
        removed: false,
      },
    });
    expect(await status(`/v1/keys/${child.id}`)).toBe(200);
  });

  test('with cascade removes it all', async () => {
    const { parent, child, automation } = await tree();
    expect((await desk.call('DELETE', `/v1/keys/${parent.id}?cascade=true`)).body).toMatchObject({
      created: [{ id: child.id }, { id: automation.id }],
      removed: true,
    });
    expect(await status(`/v1/keys/${child.id}`)).toBe(404);
    expect(await status(`/v1/automations/${automation.id}`)).toBe(404);
  });
});

import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { resolved, valueAt } from '../../cli/openapi.ts';
import { type Bench, startBench } from './product.ts';

let bench: Bench;

beforeAll(async () => {
  vi.spyOn(process.stdout, 'write').mockReturnValue(true);
  bench = await startBench();
});
afterAll(async () => {
  await bench?.close();
  vi.restoreAllMocks();
});

interface Choice {
  id: string | number;
  name: string;
  detail?: string;
  with?: Record<string, string>;
}

const choices = async (path: string) => (await bench.call<Choice[]>('GET', `/v1/choices/${path}`)).body;
const idOf = (list: Choice[], name: string) => list.find((each) => each.name === name)?.id;

test('lists channels by id, name and number, and searches them in any case', async () => {
  const channels = await choices('proptt2/demo/channels');
  expect(channels[0]).toEqual({ id: 1, name: expect.any(String), detail: expect.any(String) });
  const { name = '' } = channels[0] ?? {};
  expect(await choices(`proptt2/demo/channels?q=${encodeURIComponent(name.toUpperCase())}`)).toContainEqual(
    channels[0],
  );
  expect(await choices('proptt2/demo/channels?q=nothing+has+this+name')).toEqual([]);
});

test('leads from a book to its tables, views and fields', async () => {
  const [book] = (await choices('timetonic/demo/books')).filter(({ id }) => id === 'operations');
  expect(book).toEqual({ id: 'operations', name: 'Operations', detail: 'demo', with: { bookOwner: 'demo' } });
  const inBook = 'bookOwner=demo&bookCode=operations';
  const tableId = idOf(await choices(`timetonic/demo/tables?${inBook}`), 'Incidents');
  const fields = await choices(`timetonic/demo/fields?${inBook}&tableId=${tableId}`);
  expect(fields.map(({ name }) => name)).toContain('EventId');
  expect((await choices(`timetonic/demo/views?${inBook}&tableId=${tableId}`)).length).toBeGreaterThan(0);
  expect(await choices(`timetonic/demo/fields?${inBook}&tableId=1`)).toEqual([]);
});

test('lists rooms and who is in one', async () => {
  const [room] = await choices('talk/demo/rooms');
  const people = await choices(`talk/demo/participants?token=${room?.id}`);
  expect(people).toContainEqual({ id: 'alice', name: 'Alice', detail: 'alice' });
});

test("lists Trunkline's own resources", async () => {
  expect(await choices('connections')).toContainEqual({ id: 'talk/demo', name: 'demo', detail: expect.any(String) });
  expect((await choices('connections?vendor=talk')).map(({ id }) => id)).toEqual(['talk/demo']);
  expect((await choices('event-types?q=message+created')).map(({ id }) => id)).toContain('talk.message.created');
  const { body: hook } = await bench.call<{ id: string }>('POST', '/v1/hooks', {
    name: 'Panel',
    verify: { kind: 'none' },
  });
  expect(await choices('hooks')).toContainEqual({ id: hook.id, name: 'Panel', detail: 'none' });
  const { body: automation } = await bench.call<{ id: string }>('POST', '/v1/automations', {
    name: 'Gate siren',
    when: { hook: hook.id },
    do: [{ name: 'sos', call: 'proptt2/demo/sendSosToChannel', input: { channelId: 1 } }],
  });
  expect(await choices('automations?q=gate+SIREN')).toEqual([
    { id: automation.id, name: 'Gate siren', detail: 'enabled' },
  ]);
});

test('names the missing parameter, and the available kinds', async () => {
  const missing = await bench.call('GET', '/v1/choices/timetonic/demo/tables?bookOwner=demo');
  expect(missing.status).toBe(422);
  expect(missing.body).toMatchObject({ errors: [{ pointer: '/bookCode', message: 'is required' }] });
  const noTable = await bench.call('GET', '/v1/choices/timetonic/demo/views?bookOwner=demo&bookCode=operations');
  expect(noTable.body).toMatchObject({
    errors: [{ pointer: '/tableId', message: 'is required: an integer or text' }],
  });
  const stray = await bench.call('GET', '/v1/choices/proptt2/demo/channels?tableId=1');
  expect(stray.status).toBe(422);
  expect(stray.body).toMatchObject({ errors: [{ pointer: '/tableId' }] });
  const unknown = await bench.call<{ message: string }>('GET', '/v1/choices/talk/demo/channels');
  expect(unknown.status).toBe(404);
  expect(unknown.body.message).toContain('rooms, participants');
  expect((await bench.call('GET', '/v1/choices/talk/nobody/rooms')).status).toBe(404);
});

test('needs the scope of the read operation, or of the area', async () => {
  const { body: key } = await bench.call<{ key: string }>('POST', '/v1/keys', {
    name: 'Channels only',
    scopes: ['proptt2/demo/getChannelList'],
  });
  const headers = { authorization: `Bearer ${key.key}` };
  const ask = (path: string) => bench.call<Choice[]>('GET', `/v1/choices/${path}`, undefined, headers);
  expect((await ask('proptt2/demo/channels')).status).toBe(200);
  const users = await ask('proptt2/demo/users');
  expect(users.status).toBe(403);
  expect(users.body).toMatchObject({ message: expect.stringContaining('proptt2/demo/getUserList') });
  expect((await ask('hooks')).status).toBe(403);
  expect((await ask('connections')).body.map(({ id }) => id)).toEqual(['proptt2/demo']);
});

test('every request that creates a resource of Trunkline returns a top-level id', async () => {
  interface Created {
    content: Record<string, { schema: { $ref?: string; required?: string[] } }>;
  }
  const { body } = await bench.call<Record<string, unknown> & { paths: Record<string, unknown> }>(
    'GET',
    '/openapi.json',
  );
  const own = Object.entries(body.paths).filter(([path]) => !path.includes('/{connection}/'));
  const creating = own.flatMap(([path, methods]) => {
    const created = valueAt(methods as Record<string, unknown>, ['post', 'responses', '201']) as Created | undefined;
    const schema = resolved(body, created?.content['application/json']?.schema) as { required?: string[] } | undefined;
    return created ? [{ path, hasId: schema?.required?.includes('id') }] : [];
  });
  expect(creating.length).toBeGreaterThan(5);
  expect(creating.filter(({ hasId }) => !hasId)).toEqual([]);
});

test('the OpenAPI document says where the values of a field come from', async () => {
  const { body } = await bench.call<{ paths: Record<string, { post: Record<string, unknown> }> }>(
    'GET',
    '/openapi.json',
  );
  const { requestBody } = body.paths['/v1/timetonic/{connection}/getTableRows']?.post ?? {};
  expect(requestBody).toMatchObject({
    content: {
      'application/json': {
        schema: {
          properties: { tableId: { 'x-choices': { kind: 'tables', of: ['bookOwner', 'bookCode'] } } },
        },
      },
    },
  });
});

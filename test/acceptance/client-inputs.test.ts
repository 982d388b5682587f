import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Bench, startBench } from './product.ts';

/** What importers, no-code tools and people who made a typo have sent, and how it must be answered. */
let bench: Bench;
beforeAll(async () => {
  bench = await startBench();
});
afterAll(() => bench.close());

interface Refusal {
  code: string;
  title: string;
  detail: string;
  errors?: { pointer: string }[];
}

const siren = '/v1/proptt2/demo/sendSosToChannel';
const message = '/v1/talk/demo/sendChatMessage';
const read = { name: 'read', call: 'proptt2/demo/getChannelList' };
const on = { event: 'talk.message.created' };
const automation = (more: object) => ({ name: 'Typo', when: on, do: [read], ...more });
const upload = (file: unknown) => ({ bookOwner: 'demo', bookCode: 'operations', file });

describe('a call is refused at once, and the field and what it may hold are named', () => {
  test.each<[string, string, string, object | undefined, number, string, RegExp]>([
    ['an unknown type', 'GET', '/v1/events?type=talk.nonsense', undefined, 422, '/type', /is not an event type/],
    [
      'an unknown connection',
      'GET',
      '/v1/events?connection=nope',
      undefined,
      422,
      '/connection',
      /neither a connection/,
    ],
    ['two types', 'GET', '/v1/events?type=talk.a&type=talk.b', undefined, 422, '/type', /more than once/],
    ['two limits', 'GET', '/v1/events?limit=1&limit=2', undefined, 422, '/limit', /more than once/],
    ['words for a number', 'POST', siren, { channelId: 'one' }, 422, '/channelId', /must be an integer/],
    [
      'a file without a place',
      'POST',
      '/v1/timetonic/demo/fileUpload',
      upload({ url: 'https://example.com/x.png' }),
      422,
      '/smid',
      /rowId and fieldId together/,
    ],
    [
      'a file by another protocol',
      'POST',
      '/v1/timetonic/demo/fileUpload',
      upload('ftp://example.com/x'),
      422,
      '/file',
      /\{url, name\?, type\?\}, .* or a URL/,
    ],
    [
      'a field by its name',
      'POST',
      '/v1/timetonic/demo/createOrUpdateTableRow',
      { rowId: 'tmp1', fieldValues: { Name: 'x' } },
      422,
      '/fieldValues/Name',
      /getBookTables/,
    ],
    [
      'an invalid address',
      'POST',
      '/v1/connections',
      {
        vendor: 'proptt2',
        name: 'aa',
        settings: { cloudUrl: 'https://…', ownerId: 'o@example.com' },
        credentials: { interactionKey: 'k' },
      },
      422,
      '/settings/cloudUrl',
      /such as https:\/\/example\.com/,
    ],
    [
      'an unknown verification',
      'POST',
      '/v1/hooks',
      { name: 'x', verify: { kind: 'sha256' } },
      422,
      '/verify/kind',
      /one of none, standard-webhooks, hmac, header/,
    ],
    [
      'an unknown kind of trigger',
      'POST',
      '/v1/automations',
      automation({ when: { webhook: 'x' } }),
      422,
      '/when',
      /\{hook, own\?\}, \{event, connection\?, own\?\}/,
    ],
    ['no steps', 'POST', '/v1/automations', automation({ do: [] }), 422, '/do', /at least 1 item/],
    [
      'a misspelt event',
      'POST',
      '/v1/automations',
      automation({ when: { event: 'talk.message.creatd' } }),
      422,
      '/when/event',
      /Did you mean talk\.message\.created\?/,
    ],
    [
      'a missing connection',
      'POST',
      '/v1/automations',
      automation({ when: { ...on, connection: 'nosuch' } }),
      422,
      '/when/connection',
      /neither a connection/,
    ],
    [
      'a misspelt operation',
      'POST',
      '/v1/automations',
      automation({ do: [{ ...read, call: 'proptt2/demo/sendSos' }] }),
      422,
      '/do/0/call',
      /Did you mean sendSosToChannel\?/,
    ],
    [
      'a step without its field',
      'POST',
      '/v1/automations',
      automation({ do: [{ ...read, call: 'proptt2/demo/sendSosToChannel' }] }),
      422,
      '/do/0/input/channelId',
      /is required/,
    ],
    [
      'a function that does not exist',
      'POST',
      '/v1/automations',
      automation({ if: '{% $nosuch(1) %}' }),
      422,
      '/if',
      /no function \$nosuch/,
    ],
    [
      'a mistake in a long expression',
      'POST',
      '/v1/automations',
      automation({ if: '{% event.data.body.severity = "high" and event.data.body.) = "Z3" %}' }),
      422,
      '/if',
      /at character 5\d\)/,
    ],
    [
      'an expression that breaks off',
      'POST',
      '/v1/automations',
      automation({ if: '{% event.( %}' }),
      422,
      '/if',
      /at character \d+/,
    ],
    [
      'a step that does not exist',
      'POST',
      '/v1/automations',
      automation({ do: [{ name: 'set', set: '{% steps.nosuch.output %}' }] }),
      422,
      '/do/0/set',
      /steps\.nosuch, which does not exist/,
    ],
    [
      'an open delimiter',
      'POST',
      '/v1/automations',
      automation({ do: [{ name: 'set', set: 'Alarm {% event.id' }] }),
      422,
      '/do/0/set',
      /does not close it with %\}/,
    ],
    [
      'six fields of cron',
      'POST',
      '/v1/automations',
      automation({ when: { schedule: { cron: '*/10 * * * * *' } } }),
      422,
      '/when/schedule/cron',
      /five fields/,
    ],
    [
      'a moment that is over',
      'POST',
      '/v1/automations',
      automation({ when: { schedule: { at: '2020-01-01T00:00:00Z' } } }),
      422,
      '/when/schedule/at',
      /in the future/,
    ],
    [
      'a zone that is an offset',
      'POST',
      '/v1/automations',
      automation({ when: { schedule: { cron: '0 6 * * *', timeZone: 'CEST' } } }),
      422,
      '/when/schedule/timeZone',
      /such as Europe\/Paris/,
    ],
  ])('%s', async (_, method, path, body, status, pointer, words) => {
    const answer = await bench.call<Refusal>(method, path, body);
    expect([answer.status, answer.body.errors?.[0]?.pointer], JSON.stringify(answer.body)).toEqual([status, pointer]);
    expect(answer.body.detail).toMatch(words);
  });
});

const inBook = { bookOwner: 'demo', bookCode: 'operations' };

test.each<[string, string, object, string, RegExp]>([
  ['channel', siren, { channelId: 99 }, '/channelId', /There are, for example, 1 \(Dispatch\)/],
  ['radio user', '/v1/proptt2/demo/getUser', { userId: 9999 }, '/userId', /There are, for example, \d+ \(/],
  ['room', message, { token: 'controlrom', message: 'x' }, '/token', /Did you mean controlroom \(/],
  [
    'participant',
    '/v1/talk/demo/promoteToModerator',
    { token: 'controlroom', participant: 'bobb' },
    '/participant',
    /Did you mean bob/,
  ],
  [
    'book',
    '/v1/timetonic/demo/getBookInfo',
    { ...inBook, bookCode: 'operation' },
    '/bookCode',
    /bookCode "operation" is not among the books that TimeTonic lists\. Did you mean operations \(.*bookOwner demo\)\?/,
  ],
  [
    'owner of a book',
    '/v1/timetonic/demo/getBookTables',
    { ...inBook, bookOwner: 'dema' },
    '/bookCode',
    /Did you mean operations \(.*bookOwner demo\)\?/,
  ],
  [
    'table',
    '/v1/timetonic/demo/getTableValues',
    { ...inBook, tableId: 9 },
    '/tableId',
    /There are, for example, \d+ \(/,
  ],
  [
    'field',
    '/v1/timetonic/demo/updateTableValue',
    { ...inBook, rowId: '19975055', fieldId: 9, value: 'x' },
    '/fieldId',
    /fieldId "9" is not among the fields .* There are, for example, \d+ \(/,
  ],
])('an unknown %s is 404 with the existing ones', async (_, path, body, pointer, words) => {
  const answer = await bench.call<Refusal>('POST', path, body);
  expect([answer.status, answer.body.errors?.[0]?.pointer], JSON.stringify(answer.body)).toEqual([404, pointer]);
  expect(answer.body.detail).toMatch(words);
});

test('a key that may not list the books sees none', async () => {
  const made = await bench.call<{ key: string }>('POST', '/v1/keys', {
    name: 'One call',
    scopes: ['timetonic/demo/getBookInfo'],
  });
  const authorization = `Bearer ${made.body.key}`;
  const input = { ...inBook, bookCode: 'operation' };
  const answer = await bench.call<Refusal>('POST', '/v1/timetonic/demo/getBookInfo', input, { authorization });
  expect([answer.status, answer.body.detail]).toEqual([404, expect.stringMatching(/unknown book operation\.demo\.$/)]);
});

test('a form, which has only text, sounds a siren', async () => {
  const hook = await bench.call<{ id: string; url: string }>('POST', '/v1/hooks', {
    name: 'form',
    verify: { kind: 'none' },
  });
  const made = await bench.call<{ id: string }>('POST', '/v1/automations', {
    name: 'Form',
    when: { hook: hook.body.id },
    do: [
      { name: 'sos', call: 'proptt2/demo/sendSosToChannel', input: { channelId: '{% event.data.body.channel %}' } },
      {
        name: 'line',
        call: 'talk/demo/sendChatMessage',
        input: { token: 'controlroom', message: 'x', replyTo: '{% event.data.body.reply %}', silent: '{% null %}' },
      },
    ],
  });
  expect(made.status, JSON.stringify(made.body)).toBe(201);
  const sent = bench.demo.proptt2.state.sent.length;
  await fetch(hook.body.url, { method: 'POST', body: new URLSearchParams({ channel: '1', reply: '' }) });
  const [run] = await bench.runs(made.body.id, 1);
  expect(run).toMatchObject({ state: 'succeeded', steps: [{ state: 'succeeded' }, { state: 'succeeded' }] });
  expect(bench.demo.proptt2.state.sent).toHaveLength(sent + 1);
});

test('a scope of an operation that does not exist is refused with the nearest', async () => {
  const refused = await bench.call<Refusal>('POST', '/v1/keys', { name: 'x', scopes: ['proptt2/demo/sendSos'] });
  expect([refused.status, refused.body.errors?.[0]?.pointer]).toEqual([422, '/scopes/0']);
  expect(refused.body.detail).toContain('Did you mean sendSosToChannel?');
});

test('a changed connection does not show its former session', async () => {
  const path = '/v1/connections/proptt2/demo';
  await bench.call('GET', '/v1/proptt2/demo/getChannelList');
  const { body } = await bench.call<{ session: object }>('GET', path);
  expect(body.session).toMatchObject({ state: 'live', liveSince: expect.any(String), keptAliveAt: expect.any(String) });
  const changed = await bench.call<{ session: object }>('PATCH', path, { settings: { timeZone: 'Europe/Paris' } });
  expect(changed.body.session).toMatchObject({ state: 'none' });
  expect(changed.body.session).not.toHaveProperty('liveSince');
  expect(changed.body.session).not.toHaveProperty('keptAliveAt');
});

test('a hook of a Talk bot needs the secret of the bot', async () => {
  const verify = { kind: 'talk-bot', connection: 'talk/demo' };
  const refused = await bench.call<Refusal>('POST', '/v1/hooks', { name: 'bot', verify });
  expect([refused.status, refused.body.errors?.[0]?.pointer]).toEqual([422, '/verify/connection']);
  expect(refused.body.detail).toContain('botSecret');
});

test.each(['<string>', '{{key}}', 'string'])('the placeholder %s is not an idempotency key', async (key) => {
  const sent = bench.demo.proptt2.state.sent.length;
  const refused = await bench.call<Refusal>('POST', siren, { channelId: 1 }, { 'idempotency-key': key });
  expect([refused.status, refused.body.code]).toEqual([400, 'invalid_request']);
  expect(refused.body.detail).toContain('placeholder');
  expect(bench.demo.proptt2.state.sent).toHaveLength(sent);
});

test('empty, null and text are accepted as tools send them', async () => {
  expect((await bench.call('GET', '/v1/events?type=&connection=&limit=3')).status).toBe(200);
  expect((await bench.call('POST', siren, { channelId: '1' })).status).toBe(200);
  const rooms = await bench.call<{ token: string }[]>('GET', '/v1/talk/demo/getRooms');
  const token = rooms.body.find((room) => room.token !== '')?.token;
  for (const replyTo of [null, ''])
    expect((await bench.call('POST', message, { token, message: 'x', replyTo })).status).toBe(201);
});

test.each([
  ['GET', '/healthz', 404],
  ['GET', '/favicon.ico', 404],
  ['GET', '/v1', 404],
  ['DELETE', '/v1/me', 405],
  ['POST', '/hooks/nosuch/', 404],
])('%s %s is a problem document with the id of the request', async (method, path, status) => {
  const { headers, body, ...answer } = await bench.call<Record<string, unknown>>(method, path);
  expect(answer.status).toBe(status);
  expect(headers.get('content-type')).toMatch(/^application\/problem\+json/);
  expect(body).toMatchObject({ status, requestId: headers.get('x-request-id') });
});

test('the error for a body that is not JSON says so once, with the place', async () => {
  const { body } = await bench.call<Refusal>('POST', '/v1/keys', '{');
  expect([body.title, body.detail]).toEqual([
    'Invalid JSON',
    'The body is not valid JSON: it cannot be read at position 1.',
  ]);
});

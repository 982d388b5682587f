import { afterAll, beforeAll, expect, test } from 'vitest';
import { type ControlDesk, startControlDesk } from '../../../test/support/control-desk.ts';
import { admin } from '../../../test/support/harness.ts';

let desk: ControlDesk;
beforeAll(async () => {
  desk = await startControlDesk();
});
afterAll(() => desk.close());

const line = { name: 'line', call: 'talk/dispatch/sendChatMessage', input: { token: 'abcd', message: 'hook/Panel' } };
interface Result {
  kind: string;
  name: string;
  action: string;
  message?: string;
  secrets?: string[];
  url?: string;
  secret?: string;
  errors?: { pointer: string }[];
}

async function take(document: object): Promise<Result[]> {
  const { status, body } = await desk.call('POST', '/v1/import', document);
  expect(status, JSON.stringify(body)).toBe(200);
  return body.results;
}
const actions = (results: Result[]) => results.map(({ kind, name, action }) => `${action} ${kind} ${name}`);
const exported = async () => (await desk.call('GET', '/v1/export')).body;

test('an installation is exported without secrets, and found unchanged when it is imported again', async () => {
  const hook = (
    await desk.call('POST', '/v1/hooks', {
      name: 'Panel',
      verify: { kind: 'hmac', header: 'X-Sign', algorithm: 'sha256' },
    })
  ).body;
  const other = { name: 'Other', when: { event: 'talk.message.created' }, do: [line] };
  const alarm = {
    name: 'Alarm',
    when: [{ hook: hook.id }, { schedule: { cron: '0 6 * * *' } }],
    cancelOn: { event: 'trunkline.hook.received', connection: hook.id },
    do: [line, { name: 'next', start: 'Other' }],
  };
  for (const each of [other, alarm]) expect((await desk.call('POST', '/v1/automations', each)).status).toBe(201);
  const subscription = { url: 'https://hooks.example.com/a', types: ['trunkline.hook.received'], connection: hook.id };
  const made = await desk.call('POST', '/v1/subscriptions', subscription);
  expect(made.status, JSON.stringify(made.body)).toBe(201);

  const whole = await exported();
  for (const secret of [hook.id, hook.secret, made.body.secret, 'not used'])
    expect(JSON.stringify(whole)).not.toContain(secret);
  expect(whole).toMatchObject({
    version: 1,
    connections: [
      { vendor: 'proptt2', name: 'dispatch', settings: { hid: 1 } },
      { vendor: 'talk', name: 'dispatch' },
      { vendor: 'timetonic', name: 'dispatch' },
    ],
    hooks: [{ name: 'Panel', verify: { kind: 'hmac', header: 'X-Sign' } }],
    automations: [
      { name: 'Alarm', when: [{ hook: 'Panel' }, {}], cancelOn: { connection: 'hook/Panel' }, do: [line, {}] },
      { name: 'Other', enabled: true },
    ],
    subscriptions: [{ url: subscription.url, connection: 'hook/Panel', enabled: true }],
  });
  for (const dryRun of [true, false]) {
    const results = await take({ ...whole, dryRun });
    expect(new Set(results.map(({ action }) => action))).toEqual(new Set(['unchanged']));
    expect(results).toHaveLength(7);
  }
});

test('what is missing is created under its name, whatever the order in which it is named', async () => {
  const whole = await exported();
  for (const name of ['Alarm', 'Other']) await desk.call('DELETE', `/v1/automations/${name}`);
  const [{ id }] = (await desk.call('GET', '/v1/subscriptions')).body;
  await desk.call('DELETE', `/v1/subscriptions/${id}`);
  expect((await desk.call('DELETE', '/v1/hooks/Panel')).status).toBe(204);
  const expected = ['created hook Panel', 'created automation Alarm', 'created automation Other'];
  const dry = await take({ hooks: whole.hooks, automations: whole.automations, dryRun: true });
  expect(actions(dry)).toEqual(expected);
  expect((await desk.call('GET', '/v1/hooks')).body).toEqual([]);
  const results = await take({ ...whole, connections: [] });
  expect(actions(results)).toEqual([
    ...expected,
    expect.stringContaining('created subscription https://hooks.example.com/a'),
  ]);
  expect(results[0]).toMatchObject({ url: expect.stringContaining('/hooks/'), secret: expect.any(String) });
  expect(results[3]).toMatchObject({ secret: expect.stringMatching(/^whsec_/) });
  expect(await exported()).toEqual(whole);
  const again = await take(whole);
  expect(new Set(again.map(({ action }) => action))).toEqual(new Set(['unchanged']));
  expect(JSON.stringify(again)).not.toContain('secret');
});

test('automations that start each other are imported, and those that start a refused one are refused with it', async () => {
  const starts = (name: string, other: string) => ({
    name,
    when: { event: 'talk.message.created' },
    do: [{ name: 'next', start: other }],
  });
  const circle = [starts('One', 'Two'), starts('Two', 'Three'), starts('Three', 'One')];
  expect(actions(await take({ automations: circle, dryRun: true }))).toEqual([
    'created automation One',
    'created automation Two',
    'created automation Three',
  ]);
  expect(actions(await take({ automations: circle }))).toEqual([
    'created automation One',
    'created automation Two',
    'created automation Three',
  ]);
  expect(new Set((await take({ automations: circle })).map(({ action }) => action))).toEqual(new Set(['unchanged']));

  const broken = [starts('Four', 'Five'), starts('Five', 'Six'), { ...starts('Six', 'Four'), if: '{% nothing( %}' }];
  const refused = await take({ automations: broken });
  expect(actions(refused)).toEqual(['refused automation Four', 'refused automation Five', 'refused automation Six']);
  expect(refused.map(({ errors }) => errors?.[0]?.pointer)).toEqual(['/do/0/start', '/do/0/start', '/if']);
  for (const name of ['One', 'Two', 'Three'])
    expect((await desk.call('DELETE', `/v1/automations/${name}`)).status).toBe(204);
});

test('changes, and says what lacks a secret and what is refused, without keeping back the others', async () => {
  const results = await take({
    connections: [
      { vendor: 'talk', name: 'second', settings: { serverUrl: 'https://cloud.example.com', user: 'bob' } },
      {
        vendor: 'proptt2',
        name: 'dispatch',
        settings: { cloudUrl: 'https://cloud.example.com', ownerId: 'owner@company.com', hid: 2 },
      },
      { vendor: 'none', name: 'x' },
    ],
    hooks: [{ name: 'Calls', verify: { kind: 'twilio' } }],
    automations: [
      { name: 'Broken', when: { hook: 'Nothing' }, do: [line] },
      { name: 'Other', when: { event: 'talk.message.created' }, do: [line], enabled: false },
    ],
  });
  expect(actions(results)).toEqual([
    'needs_secret connection talk/second',
    'changed connection proptt2/dispatch',
    'refused connection none/x',
    'needs_secret hook Calls',
    'refused automation Broken',
    'changed automation Other',
  ]);
  expect(results[0]?.secrets).toContain('appPassword');
  expect(results[3]?.secrets).toEqual(['/verify/secret']);
  expect(results[4]?.errors).toMatchObject([{ pointer: '/when/hook' }]);
  const whole = await exported();
  expect(whole.automations[1]).toMatchObject({ name: 'Other', enabled: false });
  expect(whole.connections[0].settings.hid).toBe(2);
  expect((await desk.call('POST', '/v1/import', { automation: [] })).status).toBe(422);
});

test('needs the rights of every part', async () => {
  const clerk = { ...admin, scopes: ['trunkline/automations/write', 'trunkline/automations/read'] };
  expect((await desk.call('GET', '/v1/export', undefined, clerk)).status).toBe(403);
  expect((await desk.call('POST', '/v1/import', {}, clerk)).status).toBe(403);
  const reader = {
    ...clerk,
    scopes: [...clerk.scopes, ...['connections', 'hooks', 'subscriptions'].map((area) => `trunkline/${area}/read`)],
  };
  const { body } = await desk.call(
    'POST',
    '/v1/import',
    { hooks: [{ name: 'Mine', verify: { kind: 'none' } }] },
    reader,
  );
  expect(body.results).toMatchObject([
    { action: 'refused', message: expect.stringContaining('trunkline/hooks/write') },
  ]);
});

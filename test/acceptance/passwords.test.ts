import { createHash, randomBytes } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { type Receiver, startReceiver } from '../support/receiver.ts';
import { type Bench, type ShownRun, startBench } from './product.ts';

/** Passwords pass through the product in every way. None of them appears in what it stores, logs or shows. */
const password = (what: string) => `Tmp-${what}-${randomBytes(6).toString('hex')}!é`;
const passwords = {
  direct: password('direct'),
  later: password('later'),
  literal: password('literal'),
  undo: password('undo'),
  set: password('set'),
  first: password('first'),
  second: password('second'),
  joined: password('joined'),
  mixed: password('mixed'),
  taken: password('taken'),
  raw: password('raw'),
  refused: password('refused'),
};
const user = (name: string, given: string) => ({ strId: `${name}@company.com`, password: given, name, type: 50 });
let bench: Bench;
let receiver: Receiver;
/** What left the product: answers, log lines, deliveries. */
const shown: string[] = [];

const call = async <T = Record<string, unknown>>(...asked: Parameters<Bench['call']>) => {
  const answer = await bench.call<T>(...asked);
  shown.push(JSON.stringify(answer.body));
  return answer;
};
/** What ProPTT2 has of a user's password. */
const users = () => Object.values(bench.demo.proptt2.state.companies).map(({ data }) => data?.users ?? {});
const hashAt = (strId: string) =>
  users()
    .flatMap((each) => Object.values(each))
    .find((each) => each.strId.split('@')[0] === strId)?.hashedPassword ?? 'no user';
/** Removes a user, so that it can be created again. */
const forget = (strId: string) => {
  for (const each of users())
    for (const [id, { strId: known }] of Object.entries(each)) if (known.split('@')[0] === strId) delete each[id];
};
const hashOf = (text: string) => createHash('sha512').update(text).digest('hex');

async function make(path: string, body: object): Promise<string> {
  const answer = await call<{ id: string; url?: string }>('POST', path, body);
  expect(answer.status, JSON.stringify(answer.body)).toBe(201);
  return answer.body.url ?? answer.body.id;
}

async function runsOf(automation: string, count: number): Promise<ShownRun[]> {
  const runs = await bench.runs(automation, count);
  shown.push(JSON.stringify(runs));
  return runs;
}

beforeAll(async () => {
  const { write } = process.stdout;
  vi.spyOn(process.stdout, 'write').mockImplementation((chunk, ...rest) => {
    shown.push(String(chunk));
    return (write as (...given: unknown[]) => boolean).call(process.stdout, chunk, ...rest);
  });
  bench = await startBench();
  receiver = await startReceiver();
}, 60_000);
afterAll(async () => {
  vi.restoreAllMocks();
  await receiver.close();
  await bench.close();
});

test('a call and its repetition under an Idempotency-Key', async () => {
  const headers = { 'idempotency-key': 'one' };
  for (const replayed of [null, 'true']) {
    const answer = await call('POST', '/v1/proptt2/demo/createUser', user('direct', passwords.direct), headers);
    expect(answer.status, JSON.stringify(answer.body)).toBe(200);
    expect(answer.headers.get('idempotent-replayed')).toBe(replayed);
  }
  expect(hashAt('direct')).toBe(hashOf(passwords.direct));
});

test('a refusal that repeats the password', async () => {
  bench.demo.proptt2.fault({ kind: 'status', status: 400, body: `${passwords.direct} is too common` });
  const answer = await call('POST', '/v1/proptt2/demo/createUser', user('refused', passwords.direct));
  bench.demo.proptt2.clearFaults();
  expect(answer.status).toBeGreaterThanOrEqual(400);
});

test('a call that is made later, and its replay', async () => {
  const prefer = { prefer: 'respond-async' };
  const started = await call<{ id: string }>(
    'POST',
    '/v1/proptt2/demo/createUser',
    user('later', passwords.later),
    prefer,
  );
  expect(started.status).toBe(202);
  const [run] = await runsOf('calls', 1);
  expect(run).toMatchObject({ state: 'succeeded', steps: [{ input: { name: 'later', password: '[redacted]' } }] });
  expect(hashAt('later')).toBe(hashOf(passwords.later));
  forget('later');
  expect((await call('POST', `/v1/runs/${started.body.id}/replay`, { all: true })).status).toBe(202);
  await runsOf('calls', 2);
  expect(hashAt('later')).toBe(hashOf(passwords.later));
});

test('an automation that contains it: shown, stored again, rehearsed and run', async () => {
  const room = await call<{ token: string }>('POST', '/v1/talk/demo/createRoom', { roomType: 3, roomName: 'Open' });
  const { token } = room.body;
  const definition = {
    name: 'Onboard',
    when: { schedule: { everySeconds: 86_400 } },
    do: [
      {
        name: 'make',
        call: 'proptt2/demo/createUser',
        input: user('literal', passwords.literal),
        undo: { call: 'talk/demo/setRoomPassword', input: { token, password: passwords.undo } },
      },
      { name: 'secret', set: { login: ['set', passwords.set], at: '{% run.id %}' }, secret: true },
      { name: 'again', call: 'proptt2/demo/createUser', input: user('set', '{% steps.secret.output.login[1] %}') },
    ],
  };
  const id = await make('/v1/automations', definition);
  const path = '/v1/automations/Onboard';
  const got = await call<{ do: { input?: object; set?: unknown; undo?: { input: object } }[] }>('GET', path);
  expect(got.body.do).toMatchObject([
    { input: { name: 'literal', password: '[redacted]' }, undo: { input: { password: '[redacted]' } } },
    { set: { login: ['[redacted]', '[redacted]'], at: '{% run.id %}' } },
    {},
  ]);
  const put = await call<{ updatedAt: string }>('PUT', path, got.body);
  expect(put).toMatchObject({
    status: 200,
    body: { updatedAt: (got.body as unknown as { updatedAt: string }).updatedAt },
  });
  expect((await call('PATCH', path, { do: got.body.do, maxPerMinute: 9 })).status).toBe(200);
  const moved = got.body.do.map((step) => ({ ...step, name: `other_${(step as { name?: string }).name}` })).slice(0, 2);
  expect((await call('PATCH', path, { do: moved })).status).toBe(422);
  expect((await call('POST', `${path}/test`, {})).status).toBe(200);
  expect((await call('POST', `${path}/run`, {})).status).toBe(202);
  const [run] = await runsOf(id, 1);
  expect(run?.state, JSON.stringify(run)).toBe('succeeded');
  expect([hashAt('literal'), hashAt('set')]).toEqual([hashOf(passwords.literal), hashOf(passwords.set)]);
  expect((await call('POST', `/v1/runs/${run?.id}/undo`, {})).status).toBe(202);
  await runsOf(id, 2);
  expect(bench.demo.talk.state.rooms.find((each) => each.token === token)?.password).toBe(passwords.undo);
});

test('an expression in which it could not be encrypted is refused, and says what to write instead', async () => {
  const given = { ...user('hidden', ''), password: `{% $join(['${passwords.refused}', event.id]) %}` };
  const step = { name: 'one', call: 'proptt2/demo/createUser', input: given };
  const when = { schedule: { everySeconds: 86_400 } };
  const answer = await call('POST', '/v1/automations', { name: 'Hidden', when, do: [step] });
  expect(answer).toMatchObject({
    status: 422,
    body: { errors: [{ pointer: '/do/0/input/password', message: expect.stringContaining('"a" & event.id') }] },
  });
});

test('an automation whose expressions contain it: shown, stored again, run and undone', async () => {
  const room = await call<{ token: string }>('POST', '/v1/talk/demo/createRoom', { roomType: 3, roomName: 'Joined' });
  const { token } = room.body;
  const joined = `{% $length(run.id) > 0 ? '${passwords.joined}' & $string(1) : '' %}`;
  const undo = {
    call: 'talk/demo/setRoomPassword',
    input: { token, password: `{% '${passwords.taken}' & $string(2) %}` },
  };
  const id = await make('/v1/automations', {
    name: 'Joined',
    when: { schedule: { everySeconds: 86_400 } },
    do: [
      { name: 'one', call: 'proptt2/demo/createUser', input: user('joined', joined), undo },
      { name: 'two', call: 'proptt2/demo/createUser', input: user('mixed', `${passwords.mixed}{% $string(3) %}`) },
    ],
  });
  const got = await call<{ do: object[] }>('GET', '/v1/automations/Joined');
  expect(got.body.do).toMatchObject([
    { input: { password: `{% $length(run.id) > 0 ? "[redacted]" & $string(1) : '' %}` } },
    { input: { password: '[redacted]{% $string(3) %}' } },
  ]);
  expect((await call('PATCH', '/v1/automations/Joined', { do: got.body.do, maxPerMinute: 9 })).status).toBe(200);
  const other = { ...got.body.do[0], name: 'other' };
  expect((await call('PATCH', '/v1/automations/Joined', { do: [other] })).status).toBe(422);
  await call('POST', '/v1/automations/Joined/run', {});
  const [run] = await runsOf(id, 1);
  expect(run?.state, JSON.stringify(run)).toBe('succeeded');
  expect([hashAt('joined'), hashAt('mixed')]).toEqual([hashOf(`${passwords.joined}1`), hashOf(`${passwords.mixed}3`)]);
  expect((await call('POST', `/v1/runs/${run?.id}/undo`, {})).status).toBe(202);
  await runsOf(id, 2);
  expect(bench.demo.talk.state.rooms.find((each) => each.token === token)?.password).toBe(`${passwords.taken}2`);
});

test('a raw request, and a refusal of it that is stored under its Idempotency-Key', async () => {
  const room = await call<{ token: string }>('POST', '/v1/talk/demo/createRoom', { roomType: 3, roomName: 'Raw' });
  const path = `/v1/talk/demo/raw/ocs/v2.php/apps/spreed/api/v4/room/${room.body.token}/password`;
  const made = await bench.call<{ key: string }>('POST', '/v1/keys', {
    name: 'Raw',
    scopes: ['talk/demo/raw', 'talk/demo/*'],
  });
  const authorization = `Bearer ${made.body.key}`;
  const put = (more: Record<string, string> = {}) =>
    call('PUT', path, { password: passwords.raw }, { authorization, ...more });
  expect((await put()).status).toBe(200);
  const { rooms } = bench.demo.talk.state;
  expect(rooms.find((each) => each.token === room.body.token)?.password).toBe(passwords.raw);
  const message = `${passwords.raw} is too common`;
  const refused = { ocs: { meta: { status: 'failure', statuscode: 400, message }, data: { message } } };
  bench.demo.talk.fault({ kind: 'status', status: 400, body: JSON.stringify(refused) });
  for (const replayed of [null, 'true']) {
    const refusal = await put({ 'idempotency-key': 'raw' });
    expect(refusal.status).toBe(400);
    expect(refusal.headers.get('idempotent-replayed')).toBe(replayed);
  }
  bench.demo.talk.clearFaults();
});

test('a hook that seals it, an automation that uses it, and a message that may not', async () => {
  const url = await make('/v1/hooks', {
    name: 'Staff',
    verify: { kind: 'none' },
    seal: ['body.users.*.TempPassword'],
  });
  const hooks = await call<{ id: string; name: string }[]>('GET', '/v1/hooks');
  const hook = hooks.body.find(({ name }) => name === 'Staff')?.id;
  const id = await make('/v1/automations', {
    name: 'Bulk',
    when: { hook },
    do: [
      {
        name: 'make',
        forEach: '{% event.data.body.users %}',
        call: 'proptt2/demo/createUser',
        input: user('{% item.Login %}', '{% item.TempPassword %}'),
      },
      {
        name: 'tell',
        call: 'talk/demo/sendChatMessage',
        input: { token: 'controlroom', message: 'The password is {% event.data.body.users[0].TempPassword %}' },
      },
      { name: 'copy', set: '{% event.data.body.users %}' },
    ],
  });
  await make('/v1/subscriptions', { url: receiver.url, types: ['trunkline.hook.received'] });
  const users = [
    { Login: 'first', TempPassword: passwords.first },
    { Login: 'second', TempPassword: passwords.second },
  ];
  const posted = await fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ users }),
  });
  expect(posted.status).toBe(202);
  const [run] = await runsOf(id, 1);
  expect(run?.state, JSON.stringify(run)).toBe('succeeded');
  expect([hashAt('first'), hashAt('second')]).toEqual([hashOf(passwords.first), hashOf(passwords.second)]);
  const seen = bench.demo.talk.state.messages.map(({ text }) => text);
  expect(seen).toContain('The password is [redacted]');
  // Everything is made again from what was stored.
  forget('first');
  forget('second');
  await call('POST', `/v1/runs/${run?.id}/replay`, { all: true });
  await runsOf(id, 2);
  expect(hashAt('second')).toBe(hashOf(passwords.second));
  await vi.waitFor(() => expect(receiver.received.length).toBe(1), { timeout: 120_000, interval: 200 });
  expect(JSON.parse(receiver.received[0]?.body ?? '')).toMatchObject({
    data: { body: { users: [{ Login: 'first', TempPassword: '[redacted]' }, {}] } },
  });
});

test('leaves it in no item, file, log line or response', async () => {
  for (const path of ['events', 'runs', 'hooks', 'automations', 'deliveries', 'audit'])
    await call('GET', `/v1/${path}`);
  shown.push(...receiver.received.map(({ body }) => body));
  const files = readdirSync(bench.directory, { recursive: true, withFileTypes: true })
    // The stand-in vendors keep what a vendor keeps.
    .filter((each) => each.isFile() && !each.parentPath.startsWith(join(bench.directory, 'sandbox')))
    .map((each) => join(each.parentPath, each.name));
  expect(files.some((file) => /data\.db/.test(file))).toBe(true);
  const stored = files.map((file) => [file, readFileSync(file).toString('latin1')] as const);
  // The scan sees what is stored.
  expect(stored.some(([, text]) => text.includes('TempPassword'))).toBe(true);
  for (const [what, text] of Object.entries(passwords)) {
    const bytes = Buffer.from(text);
    const base64 = [0, 1, 2].map((offset) =>
      Buffer.concat([Buffer.alloc(offset), bytes])
        .toString('base64')
        .slice(4, -4),
    );
    const forms = [
      bytes.toString('latin1'),
      // Without its last letter, which has several encodings.
      text.slice(0, -1),
      encodeURIComponent(text),
      JSON.stringify(text).slice(1, -1),
      bytes.toString('hex'),
      ...base64,
      ...base64.map((form) => form.replaceAll('+', '-').replaceAll('/', '_')),
    ];
    for (const form of forms) {
      expect(
        stored.filter(([, each]) => each.includes(form)).map(([file]) => file),
        `${what} ${form}`,
      ).toEqual([]);
      expect(shown.filter((each) => each.includes(form)).slice(0, 1), `${what} ${form}`).toEqual([]);
    }
  }
});

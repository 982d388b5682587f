import { describe, expect, test } from 'vitest';
import { type Answer, Proptt2Caller } from '../../test/support/proptt2-caller.ts';

const minutes = (count: number) => count * 60_000;

describe('logging in', () => {
  test('takes a Rand from /server and a SHA-512 key to /auth, as in the vendor document', async () => {
    const caller = await Proptt2Caller.start();
    const server = await caller.post('/server', { id: caller.id, hid: 2 });
    const { url } = caller.sandbox;
    expect(server.json).toEqual({
      code: '200',
      message: 'OK',
      ServerURL: url,
      Rand: expect.stringMatching(/^\w{10}$/),
    });
    const host = caller.sandbox.company().hosts[2];
    if (host) host.rand = '12345678';
    // The key that the vendor's document prints for Rand 12345678 and interaction key bb00cc.
    const authKey =
      '7aeaef20455f726d8aa464c4fd57f670657dfea039585e7a6a1e5889537956a43f3a4600ee7eef305f4f7e309792062cd01be49f6c0438007774347477feb558';
    const auth = await caller.post('/auth', { id: caller.id, hid: 2, authKey });
    expect(auth.json).toEqual({ code: '200', message: 'OK', sessionkey: expect.stringMatching(/^[0-9a-f]{32}$/) });
    expect(caller.sandbox.company().hosts[2]).toMatchObject({ serverCalls: 1, logins: 1, failedLogins: 0 });
    expect(caller.sandbox.state.totals).toMatchObject({ serverCalls: 2, logins: 2 });
  });

  test('uses a Rand once, whatever the answer was', async () => {
    const caller = await Proptt2Caller.start();
    const rand = await caller.rand();
    expect((await caller.auth(rand)).status).toBe(200);
    expect((await caller.auth(rand)).status).toBe(401);
    expect(caller.last().refusal).toBe('this Rand was used before');

    const second = await caller.rand();
    expect((await caller.auth(second, 'wrong')).status).toBe(401);
    expect(caller.last().refusal).toBeUndefined();
    expect((await caller.auth(second)).status).toBe(401);
    expect(caller.last().refusal).toBe('this Rand was used before');
  });

  test('refuses a Rand that a later /server reset or another hid got', async () => {
    const caller = await Proptt2Caller.start();
    const first = await caller.rand();
    const second = await caller.rand();
    expect((await caller.auth(first)).status).toBe(401);
    expect(caller.last().refusal).toBe('this Rand was reset by a later /server');
    expect((await caller.auth(second)).status).toBe(401);

    const third = await caller.rand();
    caller.hid = 2;
    await caller.rand();
    expect((await caller.auth(third)).status).toBe(401);
    expect(caller.last().refusal).toBe('this Rand is of hid 1');
  });

  test('lets one of two /auth with the same Rand in', async () => {
    const caller = await Proptt2Caller.start();
    const rand = await caller.rand();
    const answers = await Promise.all([caller.auth(rand), caller.auth(rand)]);
    expect(answers.map((answer) => answer.status).toSorted()).toEqual([200, 401]);
  });

  test('counts wrong keys, without calling them a mistake in the protocol', async () => {
    const caller = await Proptt2Caller.start();
    expect((await caller.login('wrong')).json).toEqual({ code: '401', message: 'Authentication failure' });
    expect(caller.sandbox.company().hosts[1]).toMatchObject({ failedLogins: 1, logins: 1 });
    expect(caller.last().refusal).toBeUndefined();
  });

  test.each([
    ['/server', { id: 'owner@company.com', hid: 11 }, 'hid must be one of'],
    ['/server', { id: 'owner@company.com', hid: '1' }, 'hid must be a number'],
    ['/server', { id: 'owner@company.com' }, 'hid is missing'],
    ['/server', { id: 'owner@company.com', hid: 1, skey: '' }, 'unknown field skey'],
    ['/auth', { id: 'owner@company.com', hid: 1 }, 'authKey is missing'],
    ['/auth', { id: 'owner@company.com', hid: 1, authKey: 'A'.repeat(128) }, 'authKey has the wrong form'],
  ])('answers 403 to %s with %j', async (path, body, refusal) => {
    const caller = await Proptt2Caller.start();
    const answer = await caller.post(path, body);
    expect([answer.status, answer.json.code]).toEqual([403, '403']);
    expect(caller.last().refusal).toContain(refusal);
  });

  test('answers 403 and 401 for an unknown owner, `__proto__` included', async () => {
    const caller = await Proptt2Caller.start();
    for (const id of ['nobody@company.com', '__proto__']) {
      caller.id = id;
      expect((await caller.post('/server', { id, hid: 1 })).status).toBe(403);
      expect((await caller.auth('0')).status).toBe(401);
      expect((await caller.call('GET', '/keepalive')).status).toBe(401);
      expect((await caller.call('GET', '/channels')).status).toBe(401);
    }
  });

  test('answers an HTML page to id and hid in the URL, as the vendor FAQ says', async () => {
    const caller = await Proptt2Caller.start();
    for (const sending of [{}, { body: { id: caller.id, hid: 1 } }]) {
      const wholeQuery = 'id=owner%40company.com&hid=1';
      const answer = await caller.call('POST', '/server', { ...sending, wholeQuery });
      expect([answer.status, answer.type]).toEqual([500, 'text/html;charset=utf-8']);
      expect(answer.text).toContain('JSONObject["id"] not found');
    }
  });
});

describe('a session', () => {
  test('lives ten minutes; only the keepalive makes it longer', async () => {
    const caller = await Proptt2Caller.start();
    caller.sandbox.advance(minutes(9));
    expect((await caller.call('GET', '/keepalive')).json).toEqual({ code: '200' });
    caller.sandbox.advance(minutes(9));
    expect((await caller.call('GET', '/channels')).status).toBe(200);
    caller.sandbox.advance(minutes(1) - 1);
    expect((await caller.call('GET', '/channels')).status).toBe(200);
    caller.sandbox.advance(1);
    expect((await caller.call('GET', '/channels')).status).toBe(401);
    expect((await caller.call('GET', '/keepalive')).status).toBe(401);
    expect(caller.sandbox.company().hosts[1]).toMatchObject({ keepalives: 1, longestGap: minutes(9) });
    expect(caller.sandbox.state.totals.deadSessionCalls).toBe(1);
  });

  test('is kept by ordinary calls where the vendor is set so', async () => {
    const caller = await Proptt2Caller.start({ callsExtendSession: true, sessionMinutes: 2 });
    for (let call = 0; call < 5; call += 1) {
      caller.sandbox.advance(minutes(1.5));
      expect((await caller.call('GET', '/channels')).status).toBe(200);
    }
    caller.sandbox.advance(minutes(2));
    expect((await caller.call('GET', '/channels')).status).toBe(401);
  });

  test('ends the older one of its (id, hid), no other, unless older ones may live', async () => {
    const caller = await Proptt2Caller.start();
    const first = caller.skey;
    caller.hid = 2;
    await caller.login();
    caller.hid = 1;
    await caller.login();
    const second = caller.skey;
    caller.skey = first;
    expect((await caller.call('GET', '/channels')).status).toBe(401);
    caller.sandbox.configure({ authKillsOlderSession: false });
    await caller.login();
    caller.skey = second;
    expect((await caller.call('GET', '/channels')).status).toBe(200);
    caller.hid = 2;
    expect((await caller.call('GET', '/channels')).status).toBe(401);
    expect(Object.keys(caller.sandbox.company().hosts[2]?.sessions ?? {})).toHaveLength(1);
  });

  test.each([
    ['401', 401, 'application/json;charset=utf-8'],
    ['403', 403, 'application/json;charset=utf-8'],
    ['500-html', 500, 'text/html;charset=utf-8'],
    ['200-code-401', 200, 'application/json;charset=utf-8'],
  ] as const)(
    'that died is refused in the way %s, and the write not done',
    async (sessionTimeoutStatus, status, type) => {
      const caller = await Proptt2Caller.start({ sessionTimeoutStatus });
      expect(caller.sandbox.killSession()).toBe(1);
      const answer = await caller.call('POST', '/channels/1/sendSOS');
      expect([answer.status, answer.type]).toEqual([status, type]);
      expect(status === 200 ? answer.json : { code: '401' }).toEqual({ code: '401' });
      expect(caller.sandbox.state.sent).toEqual([]);
      expect(caller.last().refusal).toBeUndefined();
      expect((await caller.call('GET', '/keepalive')).status).toBe(401);
    },
  );

  test('is validated as strictly by the keepalive', async () => {
    const caller = await Proptt2Caller.start();
    const answers: Answer[] = [
      await caller.call('GET', '/keepalive', { wholeQuery: `hid=1&skey=${caller.skey}` }),
      await caller.call('GET', '/keepalive', { query: 'version=1' }),
      await caller.call('GET', '/keepalive', { wholeQuery: `id=owner@company.com&hid=1&skey=${caller.skey}` }),
    ];
    expect(answers.map((answer) => answer.status)).toEqual([403, 403, 403]);
    expect(caller.sandbox.journal.slice(-3).map((entry) => entry.refusal)).toEqual([
      'parameter id is missing',
      'unknown parameter version',
      'the query is not percent-encoded',
    ]);
  });
});

describe('an older server', () => {
  const gates: [before: string, from: string, call: string, body?: object][] = [
    ['3.1.1', '3.1.2', 'GET /keepalive'],
    ['1.1.9', '1.2.0', 'POST /channels/1/sendMessage', { messageId: 1 }],
    ['1.1.9', '1.2.0', 'POST /users/1/sendMessage', { messageId: 1 }],
    ['1.9.9', '2.0.0', 'POST /channels/1/sendSOS'],
    ['1.9.9', '2.0.0', 'POST /channels/1/sendAlert', { messageId: 1, messageType: 0 }],
    ['1.9.9', '2.0.0', 'POST /channels/1/sendCustomMessage', { messageId: 1 }],
    ['2.2.7', '2.2.8', 'GET /records'],
    ['2.2.7', '2.2.8', 'GET /records/1'],
    ['2.2.7', '2.2.8', 'GET /channels/1/records'],
  ];
  test.each(gates)('%s answers 404 where %s has %s', async (before, from, call, body) => {
    const caller = await Proptt2Caller.start({ serverVersion: before });
    const [method = '', path = ''] = call.split(' ');
    const sending = body === undefined ? {} : { body };
    const old = await caller.call(method, path, sending);
    expect([old.status, old.type]).toEqual([404, 'text/html;charset=utf-8']);
    caller.sandbox.configure({ serverVersion: from });
    expect((await caller.call(method, path, sending)).status).toBe(200);
  });

  const hashedPassword = '0'.repeat(128);
  const fields: [before: string, from: string, call: string, without: object, field: object, status: number][] = [
    ['2.2.7', '2.2.8', 'POST /channels', { no: '1', name: 'a' }, { encrypted: true }, 500],
    ['3.2.9', '3.3.0', 'POST /channels', { no: '1', name: 'a' }, { shareLocations: true }, 500],
    ['3.1.9', '3.2.0', 'POST /channels/2/users/7', {}, { role: 20 }, 500],
    ['2.2.7', '2.2.8', 'PUT /users/4', { name: 'a' }, { authToken: 't' }, 500],
    ['3.0.0', '3.0.1', 'PUT /users/4', { name: 'a' }, { type: 50 }, 500],
    ['3.0.0', '3.0.1', 'POST /users', { strId: 'a@b.c', hashedPassword, name: 'a' }, { type: 50 }, 400],
  ];
  test.each(fields)(
    '%s refuses a field that came with %s in %s',
    async (before, from, call, without, field, status) => {
      const caller = await Proptt2Caller.start({ serverVersion: before });
      const [method = '', path = ''] = call.split(' ');
      expect((await caller.call(method, path, { body: { ...without, ...field } })).status).toBe(status);
      expect(caller.last().refusal).toContain(`needs server ${from}`);
      caller.sandbox.configure({ serverVersion: from });
      expect((await caller.call(method, path, { body: { ...without, ...field } })).status).toBe(200);
    },
  );

  test('answers without the fields that came later', async () => {
    const caller = await Proptt2Caller.start({ serverVersion: '1.1.0' });
    expect((await caller.login()).json).toEqual({ sessionkey: caller.skey });
    expect(Object.keys((await caller.call('GET', '/channels/1')).json)).not.toContain('encrypted');
    expect((await caller.call('GET', '/users/2')).json).not.toHaveProperty('type');
    expect((await caller.call('GET', '/users/2')).json).not.toHaveProperty('latitude');
    const { users } = (await caller.call('GET', '/channels/1/users')).json;
    expect((users as object[])[0]).toEqual({ id: 1, strId: 'owner@company.com', name: 'Owner' });
    caller.sandbox.configure({ serverVersion: '3.2.0' });
    expect(Object.keys((await caller.call('GET', '/channels/1')).json)).toContain('encrypted');
    expect(Object.keys((await caller.call('GET', '/channels/1')).json)).not.toContain('shareLocations');
    const wrong = await caller.login('wrong');
    expect([wrong.status, wrong.type]).toEqual([401, 'text/html;charset=utf-8']);
  });
});

import { createHash } from 'node:crypto';
import { expect, test } from 'vitest';
import { Proptt2Caller, type Sending } from '../../test/support/proptt2-caller.ts';

const hashedPassword = createHash('sha512').update('secret').digest('hex');
const person = { strId: 'new@company.com', hashedPassword, name: 'New', type: 50 };
const channel = { no: '1', name: 'a' };
const refusals: [call: string, sending: Sending, status: number, refusal: RegExp][] = [
  ['POST /channels', { body: { ...channel, no: 1 } }, 500, /no must be a string, not number/],
  ['POST /channels', { body: { name: 'a' } }, 500, /no is missing/],
  ['POST /channels', { body: { ...channel, Notification: 'x' } }, 500, /unknown field Notification/],
  ['POST /channels', { bytes: '{"no":"1","name":"a","__proto__":{}}' }, 500, /unknown field __proto__/],
  ['POST /channels', { body: { ...channel, TOT: '20' } }, 500, /TOT must be a number/],
  ['POST /channels', { body: { ...channel, recordable: 1 } }, 500, /recordable must be a boolean/],
  ['POST /channels', { body: [channel] }, 500, /no JSON object/],
  ['POST /channels', { bytes: '{"no":"1",}' }, 500, /not JSON/],
  ['POST /channels', { bytes: Buffer.from('{"no":"1","name":"\xe9"}', 'latin1') }, 500, /not JSON in UTF-8/],
  ['PUT /channels/1', { body: { description: 'x' } }, 500, /name is missing/],
  ['PUT /channels/1', { body: { name: 'x', TOT: 5 } }, 500, /unknown field TOT/],
  ['POST /channels/1/users/1', { body: { role: 30 } }, 500, /role must be one of/],
  ['POST /channels/1/sendMessage', { body: { messageContent: 'SGVsbG8=' } }, 500, /messageId is missing/],
  ['POST /channels/1/sendMessage', { body: { messageId: 1.5 } }, 500, /whole number/],
  ['POST /channels/1/sendMessage', { body: { messageId: 1, messageContent: 'SGVsbG8' } }, 500, /padding/],
  ['POST /channels/1/sendMessage', { body: { messageId: 1, messageContent: '_-==' } }, 500, /standard base64/],
  ['POST /channels/1/sendMessage', { body: { messageId: 1, messageContent: '6Q==' } }, 500, /UTF-8/],
  ['POST /channels/1/sendMessage', { body: { messageId: 1, messageContent: null } }, 500, /not null/],
  ['POST /channels/1/sendAlert', { body: { messageId: 1 } }, 500, /messageType is missing/],
  ['POST /channels/1/sendAlert', { body: { messageId: 1, messageType: 1 } }, 500, /messageType must be one of 0/],
  ['POST /channels/1/sendSOS', { body: {} }, 500, /must be empty/],
  ['DELETE /channels/1', { body: {} }, 500, /must be empty/],
  ['GET /channels/x', {}, 500, /no id/],
  ['GET /channels/01', {}, 500, /no id/],
  ['POST /users', { body: { ...person, type: '50' } }, 400, /type must be a number/],
  ['POST /users', { body: { ...person, type: 20 } }, 400, /type must be one of/],
  ['POST /users', { body: { ...person, hashedPassword: hashedPassword.toUpperCase() } }, 400, /hashedPassword/],
  ['POST /users', { body: { ...person, strId: 'new' } }, 400, /full e-mail/],
  ['POST /users', { body: { ...person, password: 'x' } }, 400, /unknown field password/],
  ['POST /users', { body: { strId: 'a@b.c', hashedPassword, type: 50 } }, 400, /name is missing/],
  ['PUT /users/1', { body: { name: 'x', hashedPassword } }, 500, /unknown field hashedPassword/],
  ['POST /users/1/sendMessage', { body: { messageId: '1' } }, 500, /messageId must be a number/],
  ['GET /records', { query: 'start=-1' }, 500, /start must be a whole number/],
  ['GET /records', { query: 'pageSize=ten' }, 500, /pageSize must be a whole number/],
  ['GET /records', { query: 'page=1' }, 500, /unknown parameter page/],
  ['GET /users', { query: 'start=0' }, 500, /unknown parameter start/],
  ['PATCH /channels/1', { body: {} }, 405, /no PATCH/],
  ['GET /nothing', {}, 404, /no such endpoint/],
];

test.each(refusals)('%s refuses %j with %i', async (call, sending, status, refusal) => {
  const caller = await Proptt2Caller.start();
  const before = structuredClone(caller.sandbox.data());
  const [method = '', path = ''] = call.split(' ');
  const answer = await caller.call(method, path, sending);
  expect([answer.status, answer.type]).toEqual([status, 'text/html;charset=utf-8']);
  expect(caller.last()).toMatchObject({ status, refusal: expect.stringMatching(refusal) });
  expect(caller.sandbox.data()).toEqual(before);
});

const calls = [
  ...['', '/1', '/1/users', '/1/records'].map((path) => `GET /channels${path}`),
  ...['', '/1/users/1', '/1/sendMessage', '/1/sendSOS', '/1/sendAlert', '/1/sendCustomMessage'].map(
    (path) => `POST /channels${path}`,
  ),
  'PUT /channels/1',
  'DELETE /channels/1',
  'DELETE /channels/1/users/1',
  'GET /users',
  'POST /users',
  'GET /users/1',
  'PUT /users/1',
  'DELETE /users/1',
  'POST /users/1/sendMessage',
  'GET /organizations',
  'GET /organizations/1',
  'GET /organizations/1/users',
  'GET /records',
  'GET /records/1',
];

test('all 24 ordinary calls refuse a query that is not the session, and a thing that is not there', async () => {
  const caller = await Proptt2Caller.start();
  const good = `id=owner%40company.com&hid=1&skey=${caller.skey}`;
  expect(calls).toHaveLength(24);
  for (const call of calls) {
    const [method = '', path = ''] = call.split(' ');
    const queries: [query: string, refusal: string][] = [
      ['', 'parameter id is missing'],
      [good.replace('hid=1&', ''), 'parameter hid is missing'],
      [good.replace('hid=1', 'hid=11'), 'hid must be 1 to 10'],
      [`${good}&skey=${caller.skey}`, 'parameter skey is repeated'],
      [`${good}&sesskey=1`, 'unknown parameter sesskey'],
      [good.replace('%40', '@'), 'the query is not percent-encoded'],
    ];
    for (const [wholeQuery, refusal] of queries) {
      const { status } = await caller.call(method, path, { wholeQuery });
      expect([call, status, caller.last().refusal]).toEqual([call, 500, expect.stringContaining(refusal)]);
    }
    const missing = path.replace('/1', '/4711');
    if (missing === path) continue;
    const bodies: Record<string, object> = { PUT: { name: 'x' }, sendAlert: { messageId: 1, messageType: 0 } };
    const message = path.endsWith('essage') ? { messageId: 1 } : undefined;
    const body = message ?? bodies[method] ?? bodies[path.split('/').at(-1) ?? ''];
    const absent = await caller.call(method, missing, body === undefined ? {} : { body });
    expect([call, absent.status, caller.last().refusal]).toEqual([call, 500, undefined]);
  }
});

import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { failure, inBook, startTimetonic } from '../../../test/support/timetonic-caller.ts';

let tt: Awaited<ReturnType<typeof startTimetonic>>;
let call: Awaited<ReturnType<typeof tt.connect>>['call'];
beforeAll(async () => {
  tt = await startTimetonic();
  call = (await tt.connect()).call;
});
afterEach(() => {
  tt.sandbox.clearFaults();
  tt.sandbox.control.setQuota({ limit: null });
  tt.sandbox.control.setSwitches({ nokShape: 'error' });
});
afterAll(() => tt.stop());

const requests = (req: string) =>
  tt.sandbox.journal.filter(({ body }) => body.includes(`req=${req}&`) || body.endsWith(`req=${req}`)).length;

describe.each(['error', 'errorCode'] as const)('a refusal in the shape %s', (nokShape) => {
  test('never passes as success', async () => {
    tt.sandbox.control.setSwitches({ nokShape });
    expect(await failure(call('getBookInfo', { bookOwner: 'demo', bookCode: 'none' }))).toMatchObject({
      code: 'vendor_not_found',
      status: 404,
      vendor: 'timetonic',
    });
    expect(
      await failure(call('getTableValues', { tableId: 126185, filterRowIds: { applyViewFilters: 1 } })),
    ).toMatchObject({ status: 404 });
  });

  test('of the quota is 429 with a pause', async () => {
    tt.sandbox.control.setSwitches({ nokShape });
    tt.sandbox.control.setQuota({ limit: 1, used: 1 });
    expect(await failure(call('getAllBooks'))).toMatchObject({
      code: 'vendor_rate_limited',
      status: 429,
      retryAfter: 3600,
    });
  });

  test('of an expired key renews the session', async () => {
    tt.sandbox.control.setSwitches({ nokShape });
    tt.sandbox.control.killSesskey();
    expect(await call('getUserInfo')).toMatchObject({ status: 'ok' });
  });
});

test('an unknown message is 502, and is shown', async () => {
  tt.sandbox.control.failRequest({ req: 'getAllBooks', kind: 'nok', text: 'apiProcess1: the moon is full' });
  const error = await failure(call('getAllBooks'));
  expect(error).toMatchObject({ code: 'vendor_failed', status: 502, vendorCode: 'apiProcess1' });
  expect(error.message).toContain('the moon is full');
});

test('of the login is a problem of the connection, not of what the operation names', async () => {
  tt.sandbox.control.killSesskey();
  tt.sandbox.control.failRequest({ req: 'createSesskey', kind: 'nok', text: 'unknown url' });
  const refused = await failure(call('getBookInfo', inBook));
  expect(refused).toMatchObject({ code: 'connection_needs_attention', status: 424, errors: undefined });
  expect(refused.message).toMatch(/^The login to TimeTonic failed: .*unknown url/);
});

test('of an address that is not the API says where the API is', async () => {
  tt.sandbox.control.failRequest({ req: 'getAllBooks', kind: 'nok', text: 'unknown url' });
  expect((await failure(call('getAllBooks'))).message).toBe(
    'TimeTonic refused getAllBooks: unknown url. Check baseUrl: it ends in /live.',
  );
});

test('a refusal that quotes a user does not count as a dead key', async () => {
  tt.sandbox.control.failRequest({ req: 'sendMsg', kind: 'nok', text: 'message "invalid sesskey" must be shorter' });
  const generation = tt.sandbox.state.sesskeys;
  const before = Object.keys(generation).length;
  expect(await failure(call('sendMsg', { ...inBook, msg: 'x' }))).toMatchObject({ code: 'vendor_bad_request' });
  expect(Object.keys(tt.sandbox.state.sesskeys).length).toBe(before);
});

test('a deadlock is retried at most three times', async () => {
  tt.sandbox.control.failRequest({
    req: 'deleteMsg',
    kind: 'nok',
    text: 'Deadlock found when trying to get lock',
    times: 2,
  });
  expect(await call('deleteMsg', { ...inBook, msg_id: 346914 })).toMatchObject({ status: 'ok' });
  tt.sandbox.reset();
  tt.sandbox.control.failRequest({
    req: 'deleteMsg',
    kind: 'nok',
    text: 'Deadlock found when trying to get lock',
    times: 9,
  });
  expect(await failure(call('deleteMsg', { ...inBook, msg_id: 346915 }))).toMatchObject({
    code: 'vendor_failed',
    vendorCode: 'deadlock',
  });
  expect(requests('deleteMsg')).toBe(4);
});

test('a page in place of a response is an error, with the outcome of a read or a write', async () => {
  tt.sandbox.control.failRequest({ req: 'getAllBooks', kind: 'html', text: '<html>Welcome</html>', times: 1 });
  expect(await failure(call('getAllBooks'))).toMatchObject({ code: 'vendor_malformed', status: 502 });
  tt.sandbox.control.failRequest({ req: 'getAllBooks', kind: 'html', times: 1 });
  expect(await failure(call('getAllBooks'))).toMatchObject({ code: 'vendor_maintenance', status: 503 });
  tt.sandbox.control.failRequest({ req: 'deleteMsg', kind: 'html', text: '<html>Welcome</html>', times: 1 });
  expect(await failure(call('deleteMsg', { ...inBook, msg_id: 346915 }))).toMatchObject({
    code: 'outcome_unknown',
    status: 504,
  });
});

test('a write whose answer is lost is unknown and is not sent again; a read is', async () => {
  tt.sandbox.reset();
  tt.sandbox.control.failRequest({ req: 'deleteMsg', kind: 'reset', when: 'after' });
  expect(await failure(call('deleteMsg', { ...inBook, msg_id: 346915 }))).toMatchObject({
    code: 'outcome_unknown',
    outcome: 'unknown',
  });
  expect(requests('deleteMsg')).toBe(1);
  tt.sandbox.control.failRequest({ req: 'getAllBooks', kind: 'reset', times: 2 });
  expect(await call('getAllBooks')).toMatchObject({ status: 'ok' });
});

test('a truncated response is an error', async () => {
  tt.sandbox.control.failRequest({ req: 'getBookInfo', kind: 'garbage' });
  expect(await failure(call('getBookInfo', inBook))).toMatchObject({ code: 'vendor_malformed' });
});

test('64-bit stamps go through both ways with all their digits', async () => {
  const highest = '9223372036854775807';
  tt.sandbox.reset();
  await call('getUserInfo', { sstamp: highest });
  expect(tt.sandbox.journal.at(-1)?.body).toContain(`sstamp=${highest}`);
  const stamp = tt.sandbox.state.sstamp;
  tt.sandbox.control.setStamp({ sstamp: highest });
  expect((await call('getAllBooks')).sstamp).toBe(highest);
  expect((await call('getUserInfo')).sstamp).toBe(highest);
  tt.sandbox.control.setStamp({ sstamp: stamp });
  const { Readings } = tt.sandbox.control.tables();
  const row = Readings?.rows[0] ?? '';
  const serial = Readings?.fields.Serial ?? '';
  await call('updateTableValue', { rowId: row, fieldId: serial, value: highest });
  const read = await call('getTableValueSubset', { tableId: Readings?.id, fieldIds: serial, rowIds: row });
  expect(read.tableValues).toEqual([[highest]]);
});

test('a message is refused without its book, before anything is sent', async () => {
  tt.sandbox.reset();
  expect(await failure(call('sendMsg', { msg: 'operations fire', bookOwner: 'demo' }))).toMatchObject({
    code: 'invalid_input',
    errors: [{ pointer: '/bookCode' }],
  });
  expect(tt.sandbox.journal).toHaveLength(0);
});

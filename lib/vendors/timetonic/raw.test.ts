import { afterAll, beforeAll, expect, test } from 'vitest';
import { failure, inBook, startTimetonic } from '../../../test/support/timetonic-caller.ts';
import type { RawRequest } from '../../core/vendor.ts';
import { timetonic } from './index.ts';
import { matchRaw } from './raw.ts';

let tt: Awaited<ReturnType<typeof startTimetonic>>;
let connection: Awaited<ReturnType<typeof tt.connect>>;
beforeAll(async () => {
  tt = await startTimetonic();
  connection = await tt.connect();
});
afterAll(() => tt.stop());

const matched = (request: RawRequest) => matchRaw(request, timetonic.operations);
const raw = (method: string, path: string, body?: unknown, query: Record<string, string> = {}) => ({
  method,
  path,
  body,
  query: new URLSearchParams(query),
});

test('a declared request is its operation, with its fields under our names, in any spelling', () => {
  const body = { b_o: 'demo', b_c: 'operations', catId: '126185', filterRowIds: '{"applyViewFilters":1}' };
  expect(matched(raw('POST', 'getTableValues', body))).toEqual({
    operation: 'getTableValues',
    input: { ...inBook, tableId: 126185, filterRowIds: { applyViewFilters: 1 } },
  });
  expect(matched(raw('POST', 'DROPALLSESSIONS'))).toMatchObject({ operation: 'dropAllSessions' });
  expect(matched(raw('POST', 'deletetablerow', { rowId: 1 }))).toMatchObject({
    operation: 'deleteTableRow',
  });
  expect(matched(raw('GET', 'dbi/ii/norm/demo/operations/7/a.png'))).toEqual({
    operation: 'getImageById',
    input: { size: 'norm', ...inBook, imageId: '7', fileName: 'a.png' },
  });
});

test('key requests are refused, in any spelling', () => {
  for (const path of ['createSesskey', 'CREATEOAUTHKEY', '/createAppkey/'])
    expect(matched(raw('POST', path))).toBe('session');
});

test('an undeclared request goes out with the session and without keys of the caller', async () => {
  expect(matched(raw('POST', 'getBookEvents'))).toBeUndefined();
  tt.sandbox.reset();
  const sent = timetonic.sendRaw(
    raw('POST', 'getBookEvents', { b_o: 'demo', list: [1], sesskey: 'mine', o_u: 'alex' }),
    connection.vendorCall() as never,
  );
  expect((await failure(sent)).message).toContain('unknown request getBookEvents');
  const body = new URLSearchParams(tt.sandbox.journal.at(-1)?.body);
  expect([body.get('o_u'), body.get('list'), body.get('b_o')]).toEqual(['demo', '[1]', 'demo']);
  expect(body.get('sesskey')).not.toBe('mine');
});

test.each([' req', 'req\0x', 'req ', ' o_u', 'o.u', 'o_u[', '1st', 'ré', ''])(
  'a field named %j, which PHP would read as another, is refused in body and query, whatever is asked for',
  async (name) => {
    for (const request of [
      raw('POST', 'someRead', { [name]: 'dropAllSessions' }),
      raw('GET', 'someRead', undefined, { [name]: 'dropAllSessions' }),
      raw('POST', 'getUserInfo', { [name]: 'x' }),
    ]) {
      expect(await failure(Promise.resolve().then(() => matched(request)))).toMatchObject({ code: 'invalid_request' });
      const sent = Promise.resolve().then(() => timetonic.sendRaw(request, connection.vendorCall() as never));
      expect(await failure(sent)).toMatchObject({ code: 'invalid_request' });
    }
  },
);

test('fields of the gateway cannot be replaced in any spelling', async () => {
  tt.sandbox.reset();
  const body = { REQ: 'dropAllSessions', O_U: 'alex', Sesskey: 'mine', VERSION: '9' };
  await failure(timetonic.sendRaw(raw('POST', 'getBookEvents', body), connection.vendorCall() as never));
  const sent = [...new URLSearchParams(tt.sandbox.journal.at(-1)?.body)].map(([name]) => name);
  expect(sent).toEqual(['version', 'req', 'o_u', 'u_c', 'sesskey']);
});

test.each(['dbi//x', 'dbi/ii/norm /x', 'dbi/../api.php', 'a/b', 'dbi/ii/./x', '../live'])(
  'the path %s is refused',
  async (path) => {
    expect(
      await failure(
        Promise.resolve().then(() => timetonic.sendRaw(raw('GET', path), connection.vendorCall() as never)),
      ),
    ).toMatchObject({ code: 'invalid_request' });
  },
);

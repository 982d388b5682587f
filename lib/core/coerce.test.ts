import { expect, test } from 'vitest';
import * as z from 'zod/mini';
import { vendors } from '../vendors/index.ts';
import { coerceQuery } from './coerce.ts';
import { GatewayError } from './errors.ts';
import { field, integer, text } from './field.ts';
import { inputErrors, parseInput, schemasOf } from './operation.ts';

/** What an operation makes of an input, or what it says against it. */
function given(vendor: keyof typeof vendors, name: string, input: Record<string, unknown>): unknown {
  const operation = vendors[vendor]?.operations[name];
  if (!operation) throw new Error(`${vendor}.${name} is not declared`);
  try {
    return parseInput(schemasOf(operation).input, input);
  } catch (error) {
    if (!(error instanceof GatewayError)) throw error;
    return (error.errors ?? []).map(({ pointer, message }) => `${pointer} ${message}`);
  }
}

test('numbers and booleans that are written as text count', () => {
  expect(given('proptt2', 'sendSosToChannel', { channelId: '1' })).toEqual({ channelId: 1 });
  expect(given('talk', 'sendChatMessage', { token: 'vebpramj', message: 'x', replyTo: '7', silent: 'true' })).toEqual({
    token: 'vebpramj',
    message: 'x',
    replyTo: 7,
    silent: true,
  });
  expect(given('talk', 'createRoom', { roomType: '2', roomName: '42' })).toEqual({ roomType: 2, roomName: '42' });
});

test('the error asks for an integer, and text that is not a number stays refused', () => {
  for (const channelId of ['one', '1.5', 1.5, '', '0x1', '99999999999999999999']) {
    expect(given('proptt2', 'sendSosToChannel', { channelId })).toEqual(['/channelId must be an integer']);
  }
  expect(given('proptt2', 'sendSosToChannel', {})).toEqual(['/channelId is required']);
});

test('null, and an empty text for a field that is not text, count as absent', () => {
  const said = { token: 'vebpramj', message: 'x' };
  expect(given('talk', 'sendChatMessage', { ...said, replyTo: null, silent: '' })).toEqual(said);
  expect(given('talk', 'sendChatMessage', { ...said, message: '' })).toContain(
    '/message must be at least 1 characters long',
  );
  expect(given('talk', 'setRoomPassword', { token: 'vebpramj', password: '' })).toEqual({
    token: 'vebpramj',
    password: '',
  });
});

test('a field with one allowed value defaults to it', () => {
  const book = { bookOwner: 'demo', bookCode: 'operations' };
  expect(given('timetonic', 'computeTableOperation', { tableId: 1 })).toEqual({ tableId: '1', operation: 'count' });
  expect(given('timetonic', 'openDocumentById', { ...book, docId: 1 })).toMatchObject({ size: 'full' });
  expect(given('timetonic', 'openDocumentById', { ...book, docId: 1, size: 'tb' })).toEqual([
    '/size must be one of "full"',
  ]);
});

test('a file may be a plain address', () => {
  const cell = { bookOwner: 'demo', bookCode: 'operations', rowId: 1, fieldId: 2 };
  const url = 'https://example.com/x.png';
  expect(given('timetonic', 'fileUpload', { ...cell, file: url })).toMatchObject({ file: { url } });
  expect(given('timetonic', 'fileUpload', { ...cell, file: { url: 'ftp://example.com/x' } })).toEqual([
    '/file/url must be a public https address',
  ]);
  expect(given('timetonic', 'fileUpload', { ...cell, file: 7 })).toEqual([
    '/file must be {url, name?, type?}, {uploadId, name?, type?}, {base64, name, type} or a URL',
  ]);
});

test('a rule over several fields is kept before anything is done', () => {
  const book = { bookOwner: 'demo', bookCode: 'operations', file: 'https://example.com/x.png' };
  const place = '/smid is needed alone, or rowId and fieldId together';
  for (const wrong of [{}, { rowId: 1 }, { smid: 1, rowId: 1, fieldId: 2 }]) {
    expect(given('timetonic', 'fileUpload', { ...book, ...wrong })).toEqual([place]);
  }
  expect(given('timetonic', 'createOrUpdateTableRow', { rowId: 1 })).toEqual([
    '/fieldValues is needed to change a row',
  ]);
  expect(given('proptt2', 'sendCustomMessageToChannel', { channelId: 1, message: 'x', data: 'eA==' })).toEqual([
    '/data cannot be combined with message',
  ]);
  expect(given('talk', 'getChatMessages', { token: 'vebpramj', after: 'abc' })).toEqual([
    '/after is not a cursor of getChatMessages',
  ]);
  expect(given('timetonic', 'createOrUpdateTableRows', { rows: { 'tmp a': { 1: 'x' } } })).toEqual([
    '/rows/tmp a must be the id of a row, or begin with tmp',
  ]);
});

test('a union names its forms', () => {
  const schema = z.strictObject({
    verify: z.discriminatedUnion('kind', [
      z.strictObject({ kind: z.literal('none') }),
      z.strictObject({ kind: z.literal('github') }),
    ]),
    when: z.union([z.strictObject({ hook: text(), if: z.optional(text()) }), z.literal('now'), integer()]),
    list: z.array(integer()).check(z.minLength(1)),
  });
  const errors = inputErrors(schema, { verify: { kind: 'hmac' }, when: { webhook: 'x' }, list: [] });
  expect(errors.map(({ pointer, message }) => `${pointer} ${message}`).sort()).toEqual([
    '/list must have at least 1 item',
    '/verify/kind must be one of none, github',
    '/when/hook is required',
    '/when/webhook is not a field of this request',
  ]);
  expect(inputErrors(schema, { verify: { kind: 'none' }, when: true, list: [1] })).toEqual([
    { pointer: '/when', message: 'must be {hook, if?}, "now" or an integer' },
  ]);
});

const shape = {
  type: z.optional(z.union([text(), z.array(text())])),
  limit: z.optional(field(integer(1, 500), { description: 'How many.' })),
  types: z.optional(z.array(text())),
  open: z.optional(z.boolean()),
};
const query = (search: string) => coerceQuery(shape, new URLSearchParams(search));

test('an empty value of a query counts as absent', () => {
  expect(query('type=&limit=&open=&types=')).toEqual({});
});

test('a repeated name is a list where the schema takes one, and refused elsewhere', () => {
  expect(query('type=a&type=b&limit=3')).toEqual({ type: ['a', 'b'], limit: 3 });
  expect(query('types=a')).toEqual({ types: ['a'] });
  expect(query('types=["a","b"]&open=true')).toEqual({ types: ['a', 'b'], open: true });
  for (const search of ['limit=1&limit=2', 'other=1&other=1']) {
    expect(() => query(search)).toThrow('is given more than once');
  }
});

test('the error for a text of the wrong form names the form it must have', () => {
  const schema = z.object({ url: z.url(), id: z.string().check(z.regex(/^[a-z]+$/)) });
  expect(inputErrors(schema, { url: 'x', id: '1' })).toEqual([
    { pointer: '/url', message: 'must be an address such as https://example.com' },
    { pointer: '/id', message: 'must match /^[a-z]+$/' },
  ]);
});

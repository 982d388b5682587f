import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { startBackends } from '../../../test/support/harness.ts';
import { startTalk, type TalkUnderTest } from '../../../test/support/talk-gateway.ts';
import { until } from '../../../test/support/until.ts';

let backends: Awaited<ReturnType<typeof startBackends>>;
let talk: TalkUnderTest;
let alice: Awaited<ReturnType<TalkUnderTest['connect']>>;
beforeAll(async () => {
  backends = await startBackends();
});
afterAll(() => backends.stop());
beforeEach(async () => {
  talk = await startTalk(backends, { changelog: false });
  alice = await talk.connect('alice');
});
afterEach(() => talk.stop());

const token = 'controlroom';
const timeouts = () =>
  talk.sandbox.journal.filter(({ path }) => path.includes('/chat/')).map(({ query }) => query.timeout);

test('one caller of an account waits at a time, and the others get a response at once', async () => {
  const { cursor } = await alice.do('getChatMessages', { token });
  talk.sandbox.reset();
  const waiting = alice.do('getChatMessages', { token, after: cursor, timeout: 20 });
  await until(() => talk.sandbox.heldRequests() === 1);
  await alice.do('getChatMessages', { token, after: cursor, timeout: 20 });
  talk.sandbox.advance(20_000);
  await waiting;
  await alice.do('getChatMessages', { token, after: cursor, timeout: 1 });
  expect(timeouts()).toEqual(['20', '0', '1']);
});

test('a wait that a proxy ends is an empty page, and a failure before that time is an error', async () => {
  const { cursor } = await alice.do('getChatMessages', { token });
  const headers = { 'content-type': 'text/html' };
  talk.sandbox.fault({ kind: 'status', when: 'before', path: '/chat/', status: 504, body: '<html>', headers });
  const early = await alice.refusal('getChatMessages', { token, after: cursor, timeout: 5 });
  expect([early.status, early.code]).toEqual([502, 'vendor_failed']);
  // A clock that advances by five seconds whenever it is read.
  let reads = 0;
  const late = talk.newProcess({ now: () => Date.now() + 5_000 * reads++, sleep: async () => undefined });
  expect(await alice.do('getChatMessages', { token, after: cursor, timeout: 5 }, late)).toEqual({
    messages: [],
    cursor,
    earlier: null,
  });
});

test('lines that the account may not see do not stop a reader', async () => {
  const { cursor } = await alice.do('getChatMessages', { token });
  const hidden = JSON.stringify({ ocs: { meta: { status: 'ok', statuscode: 200, message: 'OK' }, data: [] } });
  talk.sandbox.fault({
    kind: 'status',
    when: 'before',
    path: 'lookIntoFuture=1',
    status: 200,
    body: hidden,
    headers: { 'content-type': 'application/json', 'x-chat-last-given': '4711' },
    times: 1,
  });
  const page = await alice.do('getChatMessages', { token, after: cursor });
  expect(page.messages).toEqual([]);
  talk.sandbox.reset();
  await alice.do('getChatMessages', { token, after: page.cursor });
  expect(talk.sandbox.journal[0]?.query.lastKnownMessageId).toBe('4711');
});

import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { failure, inBook, startTimetonic } from '../../../test/support/timetonic-caller.ts';
import { until } from '../../../test/support/until.ts';

let tt: Awaited<ReturnType<typeof startTimetonic>>;
beforeAll(async () => {
  tt = await startTimetonic();
});
afterEach(() => {
  tt.sandbox.clearFaults();
  tt.sandbox.control.setSwitches({ socket: { mode: 'normal', attachTypes: [7], delay: 0, ackTableValue: true } });
});
afterAll(() => tt.stop());

const social = (socket: object) => tt.sandbox.control.setSwitches({ socket });

test.each([[7], [4]])('attach %i is found', async (type) => {
  const { call } = await tt.connect();
  social({ attachTypes: [type] });
  expect(await call('sendSocketMessage', { ...inBook, msg: `by ${type}` })).toMatchObject({ type: 2, status: 'ok' });
  expect(tt.sandbox.state.messages.at(-1)?.msg).toBe(`by ${type}`);
  tt.sandbox.journal.length = 0;
  await call('sendPing');
  // What was found is remembered: nothing else is tried.
  const frames = tt.sandbox.journal
    .filter(({ method }) => method === 'SOCKET')
    .map(({ body }) => JSON.parse(String(body)));
  expect(frames.map((frame: { type: number }) => frame.type)).toEqual([type, 9, 9]);
});

test('ids of 64 bits are numbers with all their digits in a frame', async () => {
  const { call } = await tt.connect();
  tt.sandbox.control.setNextId({ kind: 'message', id: '9223372036854775806' });
  const sent = await call('sendSocketMessage', { ...inBook, msg: 'far' });
  expect(sent.smid).toBe('9223372036854775806');
  await call('sendSocketMessage', { ...inBook, msg: 'changed', smid: sent.smid });
  expect(tt.sandbox.state.messages.at(-1)).toMatchObject({ msg: 'changed', smid: '9223372036854775806' });
  tt.sandbox.control.setNextId({ kind: 'message', id: '400000' });
});

test('a refusal in an ack is thrown', async () => {
  const { call } = await tt.connect();
  expect(await failure(call('sendSocketMessage', { bookOwner: 'demo', bookCode: 'none', msg: 'x' }))).toMatchObject({
    code: 'vendor_not_found',
  });
});

test('a value is written whether or not the vendor acknowledges it', async () => {
  const { call } = await tt.connect();
  const { rows = [], fields = {} } = tt.sandbox.control.tables().Incidents ?? {};
  const input = { ...inBook, rowId: rows[0], fieldId: fields.Site };
  expect(await call('updateTableValueOverSocket', { ...input, value: 'S1' })).toMatchObject({ acknowledged: true });
  social({ ackTableValue: false });
  expect(await call('updateTableValueOverSocket', { ...input, value: 'S2' })).toMatchObject({ acknowledged: false });
});

test('a dead session is renewed before anything is sent', async () => {
  const { call } = await tt.connect();
  await call('sendPing');
  tt.sandbox.control.killSesskey();
  const before = tt.sandbox.state.messages.length;
  expect(await call('sendSocketMessage', { ...inBook, msg: 'healed' })).toMatchObject({ status: 'ok' });
  expect(tt.sandbox.state.messages.length).toBe(before + 1);
});

test.each([
  ['silent', 'vendor_timeout'],
  ['garbage', 'vendor_malformed'],
  ['close-on-attach', 'vendor_failed'],
  ['refuse', 'vendor_unreachable'],
])('a socket that is %s gives a clear error in time', async (mode, code) => {
  const { call } = await tt.connect();
  social({ mode });
  const error = await failure(call('sendSocketMessage', { ...inBook, msg: 'never' }));
  expect(error).toMatchObject({ code, vendor: 'timetonic' });
  expect(error.message.length).toBeGreaterThan(40);
  expect(tt.sandbox.state.messages.some(({ msg }) => msg === 'never')).toBe(false);
});

test('a private socket address is refused where the connection does not allow it', async () => {
  const { call } = await tt.connect({ allowPrivateNetwork: false, socketUrl: 'ws://localhost:9/' });
  expect((await failure(call('sendPing'))).code).toBe('connection_needs_attention');
});

test('what the vendor sends by itself is returned, filtered by type', async () => {
  const { call } = await tt.connect();
  const listening = call('listenSocket', { seconds: 1, types: [1, 11] });
  await until(() => tt.sandbox.control.attachedSockets().length > 0);
  tt.sandbox.control.postMessage({ msg: 'hello' });
  tt.sandbox.control.pushSocket({ text: 'no json' });
  tt.sandbox.control.pushSocket({ frame: { type: 11, u_c: 'alex', msg: 'clearNotRead' } });
  const { frames, garbage } = (await listening) as { frames: { type: number }[]; garbage: number };
  expect(frames.map(({ type }) => type)).toEqual([1, 11]);
  expect(garbage).toBe(1);
});

test('a socket that sends too much is closed after four megabytes, and what it sent before is returned', async () => {
  const { call } = await tt.connect();
  const listening = call('listenSocket', { seconds: 10 });
  await until(() => tt.sandbox.control.attachedSockets().length > 0);
  const msg = 'x'.repeat(700_000);
  for (let sent = 0; sent < 40; sent++) tt.sandbox.control.pushSocket({ frame: { type: 1, msg } });
  const { frames, complete, warning } = (await listening) as { frames: object[]; complete: boolean; warning: string };
  expect([frames.length, complete]).toEqual([5, false]);
  expect(warning).toContain('it sent more than 4194304 bytes');
});

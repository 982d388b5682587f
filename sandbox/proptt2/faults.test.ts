import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { Proptt2Caller } from '../../test/support/proptt2-caller.ts';
import { startProptt2Sandbox } from './index.ts';

const sos = (caller: Proptt2Caller) => caller.call('POST', '/channels/1/sendSOS');

test('a fault before hits what it names, as often as it says, and the vendor does nothing', async () => {
  const caller = await Proptt2Caller.start();
  caller.sandbox.fault({ kind: 'status', status: 429, headers: { 'retry-after': '7' }, path: 'sendSOS', times: 2 });
  expect((await caller.call('GET', '/channels')).status).toBe(200);
  expect([(await sos(caller)).status, (await sos(caller)).status, (await sos(caller)).status]).toEqual([429, 429, 200]);
  expect(caller.sandbox.state.sent).toHaveLength(1);
  expect(caller.sandbox.journal.map((entry) => entry.fault).filter(Boolean)).toEqual(['status', 'status']);
});

test('a connection is reset before the vendor acts, or after', async () => {
  const caller = await Proptt2Caller.start();
  caller.sandbox.fault({ kind: 'reset', times: 1 });
  await expect(sos(caller)).rejects.toThrow('fetch failed');
  expect(caller.last()).toMatchObject({ status: 0, fault: 'reset' });
  expect(caller.sandbox.state.sent).toHaveLength(0);
  caller.sandbox.fault({ kind: 'reset', when: 'after', times: 1 });
  await expect(sos(caller)).rejects.toThrow('fetch failed');
  expect(caller.sandbox.state.sent).toHaveLength(1);
});

test('an answer is cut short, slow, late, no JSON, or a page', async () => {
  const caller = await Proptt2Caller.start();
  caller.sandbox.fault({ kind: 'truncate', times: 1 });
  await expect(sos(caller)).rejects.toThrow('terminated');
  caller.sandbox.fault({ kind: 'slow-body', ms: 60, times: 1 });
  caller.sandbox.fault({ kind: 'latency', ms: 60, times: 1 });
  for (const _ of ['slow-body', 'latency']) {
    const started = performance.now();
    expect((await sos(caller)).json).toEqual({ code: '200' });
    expect(performance.now() - started).toBeGreaterThan(50);
  }
  caller.sandbox.fault({ kind: 'garbage', times: 1 });
  await expect(sos(caller)).rejects.toThrow(SyntaxError);
  caller.sandbox.fault({ kind: 'html', status: 502, times: 1 });
  const page = await sos(caller);
  expect([page.status, page.type]).toEqual([502, 'text/html;charset=utf-8']);
  expect(page.text).toContain('HTTP Status 502');
});

test('a fault by chance follows the random numbers it is given; clearing ends it', async () => {
  const numbers = [0.9, 0.1];
  const caller = await Proptt2Caller.start({ random: () => numbers.shift() ?? 0 });
  caller.sandbox.fault({ kind: 'status', status: 503, probability: 0.5 });
  expect([(await sos(caller)).status, (await sos(caller)).status, (await sos(caller)).status]).toEqual([200, 503, 503]);
  caller.sandbox.clearFaults();
  expect((await sos(caller)).status).toBe(200);
});

test('the controls answer over HTTP', async () => {
  const caller = await Proptt2Caller.start();
  expect(await caller.control('POST', 'settings', { sessionTimeoutStatus: '403' })).toEqual({
    status: 204,
    body: undefined,
  });
  expect((await caller.control('GET', 'settings')).body).toMatchObject({
    sessionTimeoutStatus: '403',
    sessionMinutes: 10,
  });
  for (const wrong of [
    { sessionMinuts: 1 },
    { sessionMinutes: '1' },
    { sessionTimeoutStatus: '402' },
    { serverUrl: 1 },
  ]) {
    expect((await caller.control('POST', 'settings', wrong)).status).toBe(400);
  }
  await caller.control('POST', 'locations', { userId: 8, latitude: '1.5', longitude: '2.5' });
  expect((await caller.call('GET', '/users/8')).json).toMatchObject({
    latitude: '1.5',
    locationDate: '2026-01-15 12:00:00',
  });
  expect((await caller.control('POST', 'records', { channelId: 2, ownerId: 3 })).body).toMatchObject({
    id: 138,
    channelId: 2,
  });
  expect((await caller.control('POST', 'records', { channelId: 99 })).status).toBe(400);
  await sos(caller);
  expect((await caller.control('GET', 'sent')).body).toEqual(caller.sandbox.state.sent);
  expect((await caller.control('POST', 'kill-session', { company: caller.id, hid: 2 })).body).toEqual({ killed: 0 });
  expect((await caller.control('POST', 'kill-session', {})).body).toEqual({ killed: 1 });
  expect((await sos(caller)).status).toBe(403);
  expect((await caller.control('POST', 'companies', { ownerId: 'a@b.example', interactionKey: 'k' })).status).toBe(204);
  caller.id = 'a@b.example';
  expect((await caller.login('k')).status).toBe(200);
  await caller.control('POST', 'clock', { advance: 600_000 });
  expect((await caller.call('GET', '/keepalive')).status).toBe(401);
});

test('a callback is posted in the vendor form, to loopback only', async () => {
  const seen: unknown[] = [];
  const receiver = createServer(async (request, response) => {
    seen.push(JSON.parse(Buffer.concat(await request.toArray()).toString('utf8')));
    response.writeHead(202).end('{"eventId":"1"}');
  });
  await new Promise<void>((resolve) => receiver.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => void receiver.close());
  const url = `http://127.0.0.1:${(receiver.address() as AddressInfo).port}/hooks/t`;

  const caller = await Proptt2Caller.start();
  const fn = { cmd: 'fn', channelId: 3, senderName: 'user name', latitude: 37.012, longitude: 127.106 } as const;
  expect(await caller.sandbox.sendCallback(url, fn)).toEqual({ status: 202, body: '{"eventId":"1"}' });
  const vc = { cmd: 'vc', videoChannelId: 3, senderId: 'user4@company.com', URL: 'rtsp://10.0.0.11:41344/8523' };
  expect((await caller.control('POST', 'callbacks', { url, ...vc })).body).toMatchObject({ status: 202 });
  expect(seen).toEqual([
    { ...fn, senderId: 'owner@company.com', senderName: 'user%20name' },
    { ...vc, senderName: 'Owner', URL: 'rtsp%3A%2F%2F10.0.0.11%3A41344%2F8523' },
  ]);
  expect(caller.sandbox.state.callbacks.map(({ status }) => status)).toEqual([202, 202]);
  expect((await caller.control('POST', 'callbacks', { url: 'http://example.com/', ...vc })).status).toBe(400);
  expect((await caller.control('POST', 'callbacks', { url, cmd: 'xx' })).status).toBe(400);
});

test('ServerURL can point elsewhere, and an undocumented endpoint asks for a session only', async () => {
  const caller = await Proptt2Caller.start({
    serverUrl: 'http://169.254.169.254/',
    undocumented: { 'GET /a%2Fb': { it: 'works' } },
  });
  expect((await caller.post('/server', { id: caller.id, hid: 1 })).json.ServerURL).toBe('http://169.254.169.254/');
  expect((await caller.call('GET', '/a%2Fb', { query: 'any=thing' })).json).toEqual({ it: 'works' });
  caller.sandbox.killSession();
  expect((await caller.call('GET', '/a%2Fb')).status).toBe(401);
  caller.hid = 11;
  expect((await caller.call('GET', '/a%2Fb')).status).toBe(401);
});

test('the state survives a restart, and what is given at the start wins', async () => {
  const stateFile = join(tmpdir(), `proptt2-${process.pid}-${Math.random()}.json`);
  const caller = await Proptt2Caller.start({ stateFile });
  caller.sandbox.configure({ sessionMinutes: 30 });
  caller.sandbox.company().interactionKey = 'changed';
  await sos(caller);
  const again = new Proptt2Caller(
    await startProptt2Sandbox({ stateFile, now: caller.sandbox.now, serverVersion: '3.0.0' }),
  );
  onTestFinished(() => again.sandbox.close());
  again.skey = caller.skey;
  expect((await again.call('GET', '/channels')).status).toBe(200);
  expect((await again.call('GET', '/keepalive')).status).toBe(404);
  expect(again.sandbox.state.sent).toHaveLength(1);
  expect(again.sandbox.state.settings).toMatchObject({ sessionMinutes: 30, serverVersion: '3.0.0' });
  expect((await again.login('changed')).status).toBe(200);
});

test('companyCount makes companies with derived owners and keys', async () => {
  const caller = await Proptt2Caller.start({ companyCount: 10_000 });
  expect(Object.keys(caller.sandbox.state.companies)).toHaveLength(10_001);
  caller.id = 'owner10000@company10000.example';
  expect((await caller.login('key-10000')).status).toBe(200);
  expect(caller.sandbox.company(caller.id).data).toBeUndefined();
  expect((await caller.call('GET', '/channels')).json).toEqual({ channels: [{ id: 1, no: '12', name: 'Dispatch' }] });
});

test('the Date header shows the clock of the vendor', async () => {
  const caller = await Proptt2Caller.start();
  caller.sandbox.advance(90_000);
  const { headers } = await fetch(caller.sandbox.url);
  expect(headers.get('date')).toBe('Thu, 15 Jan 2026 12:01:30 GMT');
});

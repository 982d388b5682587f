import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { Fault } from '../../../sandbox/sandbox-server.ts';
import { startBackends, TestClock } from '../../../test/support/harness.ts';
import { startTalk, type TalkUnderTest } from '../../../test/support/talk-gateway.ts';
import { problemOf } from '../../core/errors.ts';

let backends: Awaited<ReturnType<typeof startBackends>>;
let talk: TalkUnderTest;
let clock: TestClock;
let alice: Awaited<ReturnType<TalkUnderTest['connect']>>;
beforeAll(async () => {
  backends = await startBackends();
});
afterAll(() => backends.stop());

beforeEach(async () => {
  clock = new TestClock();
  talk = await startTalk(backends, { changelog: false, now: clock.now }, clock);
  alice = await talk.connect('alice');
  await alice.do('getRooms');
  talk.sandbox.reset();
});
afterEach(() => talk.stop());

const token = 'controlroom';
const html = { 'content-type': 'text/html' };
const json = { 'content-type': 'application/json; charset=utf-8' };
const envelope = (statuscode: number, message = '', data: unknown = []) =>
  JSON.stringify({ ocs: { meta: { status: 'failure', statuscode, message }, data } });
const answers = (status: number, body: string, headers: Record<string, string> = json, more: Partial<Fault> = {}) =>
  talk.sandbox.fault({ kind: 'status', when: 'before', path: '/ocs/', status, body, headers, ...more });

describe('a refusal of the server becomes the matching problem', () => {
  test('a 404 of the list of rooms names no field: the call has none', async () => {
    answers(404, envelope(404));
    const refused = await alice.refusal('getRooms');
    expect([refused.status, refused.code, refused.errors]).toEqual([404, 'vendor_not_found', undefined]);
  });

  test.each([
    [400, envelope(400, '', { error: 'value' }), 400, 'vendor_bad_request', ': value'],
    [403, envelope(403), 403, 'vendor_forbidden', 'room is read-only'],
    [405, '', 405, 'vendor_method_not_allowed', ''],
    [406, envelope(406), 406, 'vendor_not_acceptable', 'another server'],
    [409, envelope(409), 409, 'vendor_conflict', ''],
    [412, envelope(412), 412, 'vendor_lobby', 'lobby'],
    [412, '{"message":"CSRF check failed"}', 502, 'vendor_failed', 'a bug in Trunkline'],
    [413, envelope(413), 413, 'vendor_too_large', 'too long'],
    [426, envelope(426, '18.0.1'), 424, 'vendor_too_old', 'version 18.0.1'],
    [429, envelope(429, 'Reached maximum delay'), 429, 'vendor_rate_limited', 'Reached maximum delay'],
    [301, '', 424, 'connection_needs_attention', 'https://elsewhere.example/'],
    [
      403,
      '<html>Blocked by the firewall</html>',
      403,
      'vendor_forbidden',
      'a firewall or proxy in front of it answered 403',
    ],
    [403, envelope(403, 'Can not use Talk'), 424, 'connection_needs_attention', 'limited it to groups'],
    [418, envelope(418), 502, 'vendor_failed', '418'],
  ])('%i %s', async (status, body, expected, code, words) => {
    answers(status, body, { ...json, location: 'https://elsewhere.example/' });
    const refused = await alice.refusal('sendChatMessage', { token, message: 'x' });
    expect([refused.status, refused.code]).toEqual([expected, code]);
    expect(refused.message).toContain(words);
    expect(refused.vendorCode).toBe(String(status));
    expect(talk.sandbox.journal).toHaveLength(1);
  });

  test('XML where a route is missing or PHP fails', async () => {
    const xml = (code: number, words: string) =>
      `<?xml version="1.0"?>\n<ocs><meta><status>failure</status><statuscode>${code}</statuscode><message>${words}</message></meta><data/></ocs>`;
    answers(500, xml(500, 'Internal &lt;Server&gt; Error'), { 'content-type': 'text/xml; charset=UTF-8' });
    const failed = await alice.refusal('sendChatMessage', { token, message: 'x' });
    expect([failed.status, failed.code, failed.outcome]).toEqual([502, 'vendor_failed', 'unknown']);
    expect(failed.message).toContain('Internal <Server> Error');
  });

  test('an address that is not a Nextcloud, and invalid JSON', async () => {
    for (const body of ['<!DOCTYPE html><html>Welcome</html>', '{"ocs":', '[1,2]', '"text"']) {
      answers(200, body, { 'content-type': 'text/html' });
      const refused = await alice.refusal('getRooms');
      expect([refused.status, refused.code], body).toEqual([502, 'vendor_malformed']);
      talk.sandbox.reset();
    }
  });
});

test('a server without the account request is no Nextcloud, whatever the operation names', async () => {
  const lost = await talk.connect('bob');
  answers(404, '{"message":"Not Found"}');
  for (const [name, input] of [['getRooms'], ['getRoom', { token }]] as const) {
    const refused = await lost.refusal(name, input);
    expect([refused.status, refused.code], name).toEqual([424, 'connection_needs_attention']);
    expect(refused.message).toContain('serverUrl does not lead to a Nextcloud');
    expect(refused.errors).toBeUndefined();
  }
});

describe('a write is sent once', () => {
  test('when its answer is lost and the chat cannot be read, and says what went out', async () => {
    talk.sandbox.fault({ kind: 'reset', when: 'after', path: '/chat/' });
    const lost = await alice.refusal('sendChatMessage', { token, message: 'siren' });
    expect([lost.status, lost.code, lost.outcome, lost.retryable]).toEqual([504, 'outcome_unknown', 'unknown', false]);
    expect(lost.referenceId).toMatch(/^[0-9a-f]{64}$/);
    expect(problemOf(lost, 'r')).toMatchObject({ referenceId: lost.referenceId });
    talk.sandbox.clearFaults();
    const { messages } = await alice.do('getChatMessages', { token });
    expect(messages.filter((each: { message: string }) => each.message === 'siren')).toHaveLength(1);
  });

  test('when a proxy gives up', async () => {
    answers(504, '<html>Gateway Time-out</html>', { 'content-type': 'text/html' });
    const lost = await alice.refusal('sendChatMessage', { token, message: 'siren' });
    expect([lost.status, lost.code]).toEqual([504, 'outcome_unknown']);
    expect(talk.sandbox.journal.filter(({ method }) => method === 'POST')).toHaveLength(1);
  });

  test('and is found by its reference when the answer alone was lost', async () => {
    for (const fault of [
      { kind: 'reset', when: 'after' },
      { kind: 'status', when: 'after', status: 504, body: '<html>Gateway Time-out</html>', headers: html },
    ] as const) {
      talk.sandbox.fault({ ...fault, path: '/chat/', times: 1 });
      const { status, body } = await alice.answer('sendChatMessage', { token, message: `siren ${fault.kind}` });
      expect([status, body.message]).toEqual([201, `siren ${fault.kind}`]);
      const { messages } = await alice.do('getChatMessages', { token });
      expect(messages.filter(({ id }: { id: number }) => id === body.id)).toHaveLength(1);
      expect(messages.at(-1).id).toBe(body.id);
    }
  });

  test('or again when the connection broke before the server had it', async () => {
    talk.sandbox.fault({ kind: 'reset', when: 'before', path: '/chat/', times: 1 });
    const { status, body } = await alice.answer('sendChatMessage', { token, message: 'siren' });
    expect([status, body.message]).toEqual([201, 'siren']);
    const { messages } = await alice.do('getChatMessages', { token });
    expect(messages.filter(({ message }: { message: string }) => message === 'siren')).toHaveLength(1);
  });

  test('while a read is tried three times', async () => {
    answers(502, '<html>Bad Gateway</html>', { 'content-type': 'text/html' });
    expect((await alice.refusal('getRooms')).code).toBe('vendor_failed');
    expect(talk.sandbox.journal).toHaveLength(3);
  });
});

describe('an unreachable server', () => {
  test('in maintenance is distinguished from one that fails', async () => {
    talk.sandbox.setMaintenance(true);
    const refused = await alice.refusal('sendChatMessage', { token, message: 'x' });
    expect([refused.status, refused.code, refused.retryable, refused.outcome]).toEqual([
      503,
      'vendor_maintenance',
      true,
      'no',
    ]);
    expect(refused.retryAfter).toBeGreaterThan(0);
    talk.sandbox.setMaintenance(false);
    answers(503, '<html>busy</html>', { 'content-type': 'text/html' });
    const busy = await alice.refusal('sendChatMessage', { token, message: 'x' });
    expect([busy.code, busy.retryable, busy.outcome]).toEqual(['vendor_failed', true, 'no']);
  });

  test('cannot be reached: nothing was sent', async () => {
    const gone = await talk.connect('alice', { settings: { serverUrl: 'http://127.0.0.1:9' } });
    const refused = await gone.refusal('sendChatMessage', { token, message: 'x' });
    expect([refused.status, refused.code, refused.outcome]).toEqual([502, 'vendor_unreachable', 'no']);
  });
});

describe('our address is protected', () => {
  test('after a 429 the same request is blocked until Retry-After, and others continue', async () => {
    answers(
      429,
      envelope(429, 'Reached maximum delay'),
      { ...json, 'retry-after': '120' },
      { path: '/room/', times: 1 },
    );
    expect((await alice.refusal('getRoom', { token })).retryAfter).toBe(120);
    expect((await alice.refusal('getRoom', { token })).retryAfter).toBe(120);
    expect(talk.sandbox.journal).toHaveLength(1);
    expect(await alice.do('getRooms')).toHaveLength(1);
    clock.advance(121_000);
    expect(await alice.do('getRoom', { token })).toMatchObject({ token });
  });

  test('a token that does not exist is requested once in 30 seconds', async () => {
    for (let at = 0; at < 5; at++) {
      expect((await alice.refusal('getRoom', { token: 'nosuchroom' })).code).toBe('room_not_found');
      expect((await alice.refusal('sendChatMessage', { token: 'nosuchroom', message: 'x' })).code).toBe(
        'room_not_found',
      );
    }
    expect(talk.seen().filter((line) => line === 'GET /v4/room/nosuchroom')).toHaveLength(1);
    clock.advance(31_000);
    await alice.refusal('getRoom', { token: 'nosuchroom' });
    expect(talk.seen().filter((line) => line === 'GET /v4/room/nosuchroom')).toHaveLength(2);
  });
});

describe('what a room allows', () => {
  test('lobby, read-only and one-to-one rooms', async () => {
    const bob = await talk.connect('bob');
    await alice.do('setLobby', { token, lobby: true, until: '2026-01-05T08:00:00+01:00' });
    expect(talk.sandbox.state.rooms[0]).toMatchObject({
      lobby: 1,
      lobbyTimer: Date.parse('2026-01-05T07:00:00Z') / 1000,
    });
    expect((await bob.refusal('getChatMessages', { token })).code).toBe('vendor_lobby');
    expect((await bob.refusal('getParticipants', { token })).code).toBe('vendor_lobby');
    await alice.do('setLobby', { token, lobby: false });
    await alice.do('setReadOnly', { token, readOnly: true });
    expect((await bob.refusal('sendChatMessage', { token, message: 'x' })).code).toBe('vendor_forbidden');
    expect((await bob.refusal('getCallParticipants', { token })).code).toBe('vendor_forbidden');
    await alice.do('setReadOnly', { token, readOnly: false });
    const { token: pair } = await alice.do('createRoom', { roomType: 1, invite: 'bob' });
    expect((await alice.refusal('addParticipant', { token: pair, newParticipant: 'carol' })).code).toBe(
      'vendor_bad_request',
    );
    expect((await alice.refusal('createRoom', { roomType: 1, invite: 'alice' })).code).toBe('vendor_forbidden');
    const { token: own } = await alice.do('createRoom', { roomType: 2, roomName: 'Own' });
    await alice.do('addParticipant', { token: own, newParticipant: 'bob' });
    const last = await alice.refusal('removeSelf', { token: own });
    expect([last.code, last.message]).toEqual(['vendor_bad_request', expect.stringContaining('last moderator')]);
    expect(talk.complaints()).toEqual([]);
  });

  test('blank text and malformed tokens are refused before anything is sent', async () => {
    for (const [operation, input] of [
      ['sendChatMessage', { token, message: '   ' }],
      ['getRoom', { token: '../room' }],
      ['getChatMessages', { token, timeout: 21 }],
      ['getChatMessages', { token, after: 'not-a-cursor' }],
      ['createRoom', { roomType: 9 }],
    ] as const) {
      const refused = await alice.refusal(operation, input);
      expect([refused.status, refused.code], operation).toEqual([422, 'invalid_input']);
    }
    expect(talk.sandbox.journal).toHaveLength(0);
  });
});

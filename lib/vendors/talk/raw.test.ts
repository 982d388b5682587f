import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { startBackends } from '../../../test/support/harness.ts';
import { startTalk, type TalkUnderTest } from '../../../test/support/talk-gateway.ts';
import type { RawRequest } from '../../core/vendor.ts';
import { talk as vendor } from './index.ts';
import { matchRaw } from './raw.ts';

const token = 'controlroom';
const request = (method: string, path: string, body?: object): RawRequest => {
  const [bare = '', query] = path.split('?');
  return { method, path: bare, query: new URLSearchParams(query), body };
};
const match = (...given: Parameters<typeof request>) => matchRaw(request(...given), vendor.operations);
const api = 'ocs/v2.php/apps/spreed/api';

describe('a raw request that is a declared operation', () => {
  test.each([
    ['GET', `${api}/v4/room`, undefined, 'getRooms'],
    ['GET', `/${api}/v1/room/${token}/`, undefined, 'getRoom'],
    ['DELETE', `${api}/v4/room/${token}?format=json`, undefined, 'deleteRoom'],
    ['DELETE', `ocs/v1.php/apps/spreed/api/v1/room/${token}`, undefined, 'deleteRoom'],
    ['POST', `${api}/v4/room`, { roomType: 2, roomName: 'x' }, 'createRoom'],
    ['DELETE', `${api}/v4/room/${token}/attendees?attendeeId=7`, undefined, 'removeParticipant'],
    ['DELETE', `${api}/v1/room/${token}/participants?participant=bob`, undefined, 'removeParticipant'],
    ['POST', `${api}/v4/room/${token}/moderators`, { attendeeId: 7 }, 'promoteToModerator'],
    ['PUT', `${api}/v1/room/${token}/webinary/lobby`, { state: 1, timer: 1767600000 }, 'setLobby'],
    ['POST', `${api}/v1/chat/${token}`, { message: '12', threadTitle: 'Incident 7' }, 'sendChatMessage'],
    ['GET', `${api}/v1/chat/${token}?lookIntoFuture=0&lastKnownMessageId=12`, undefined, 'getChatMessages'],
    ['GET', `${api}/v1/chat/${token}/threads/recent`, undefined, 'getThreads'],
    ['DELETE', `${api}/v1/chat/${token}/12`, undefined, 'deleteChatMessage'],
    ['POST', `${api}/v4/call/${token}`, { flags: 3 }, 'joinCall'],
    ['GET', 'ocs/v2.php/cloud/capabilities', undefined, 'getCapabilities'],
  ] as const)('%s %s requires its scope and is sent unchanged', (method, path, body, operation) => {
    expect(match(method, path, body)).toEqual({ operation });
  });

  test('is carried out as the operation where a bot has to sign it', () => {
    expect(match('POST', `${api}/v1/bot/${token}/message`, { message: 'x' })).toEqual({
      operation: 'sendBotMessage',
      input: { token, message: 'x' },
    });
    expect(match('POST', `${api}/v1/bot/${token}/reaction/12?format=json`, { reaction: '👍' })).toEqual({
      operation: 'sendBotReaction',
      input: { token, messageId: 12, reaction: '👍' },
    });
  });
});

test('requests that create or end credentials are refused, however they are written', () => {
  for (const path of [
    'index.php/login/v2',
    'login/v2/poll',
    'ocs/v2.php/core/getapppassword',
    'ocs/v2.php/core/apppassword',
    'ocs/v1.php/core/apppassword/rotate',
    '/ocs/v2.php/Core/AppPassword/',
    'index.php/settings/personal/authtokens',
    'settings/authtokens',
  ]) {
    expect(match('POST', path), path).toBe('session');
  }
  for (const path of [
    'ocs/v2.php/../v2.php/core/apppassword',
    'ocs//v2.php/core/apppassword',
    './login',
    'a\\b',
    'a?b',
  ]) {
    expect(() => match('POST', `${path.replaceAll('?', '%3f').replace('%3f', '#')}`), path).toThrow('raw path');
  }
  expect(match('GET', 'ocs/v2.php/cloud/users')).toBeUndefined();
});

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

describe('a raw request that is not declared', () => {
  test('is sent as the account and returned without the envelope', async () => {
    await alice.do('sendChatMessage', { token, message: 'x' });
    const mentions = await alice.raw({
      path: `${api}/v1/chat/${token}/mentions`,
      query: new URLSearchParams('search=b&limit=5'),
    });
    expect(mentions).toEqual({ body: [{ id: 'bob', label: 'Bob', source: 'users' }], status: 200 });
    expect(await alice.raw({ path: 'ocs/v1.php/cloud/user' })).toMatchObject({ body: { id: 'alice' } });
    expect(await alice.raw({ path: 'status.php' })).toMatchObject({ body: { installed: true } });
  });

  test('keeps its refusals, 304 and files', async () => {
    const gone = alice.raw({ path: `${api}/v4/room/${token}/nothing` });
    await expect(gone).rejects.toMatchObject({ status: 404, code: 'vendor_not_found', vendor: 'talk' });
    const v1 = alice.raw({ path: 'ocs/v1.php/apps/spreed/api/v4/room/nosuchroom/nothing' });
    await expect(v1).rejects.toMatchObject({ status: 404 });
    talk.sandbox.fault({
      kind: 'status',
      when: 'before',
      path: '/avatar',
      status: 200,
      body: 'PNG…',
      headers: { 'content-type': 'image/png' },
      times: 1,
    });
    const file = await alice.raw({ path: `${api}/v1/room/${token}/avatar` });
    expect(file).toMatchObject({ file: { type: 'image/png' } });
    talk.sandbox.fault({ kind: 'status', when: 'before', path: '/anything', status: 304, times: 1 });
    expect(await alice.raw({ path: 'anything' })).toEqual({ body: null });
  });

  test('locks the connection only if the account itself is refused', async () => {
    const about = () => alice.raw({ path: `${api}/v1/some/endpoint` });
    talk.sandbox.fault({ kind: 'status', when: 'before', path: '/some/', status: 401, body: '', times: 1 });
    await expect(about()).rejects.toMatchObject({ code: 'vendor_failed' });
    expect(await alice.do('getRooms')).toHaveLength(1);
    talk.sandbox.state.users.alice?.appPasswords.splice(0);
    await expect(about()).rejects.toMatchObject({ code: 'connection_needs_attention' });
    talk.sandbox.reset();
    await expect(about()).rejects.toMatchObject({ code: 'connection_needs_attention' });
    expect(talk.sandbox.journal).toHaveLength(0);
  });
});

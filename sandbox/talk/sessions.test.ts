import { afterEach, describe, expect, test } from 'vitest';
import { start, stop, talk } from '../../test/support/talk-sandbox.ts';
import { until } from '../../test/support/until.ts';
import { demoRoomToken as room } from './index.ts';

afterEach(stop);

describe('cookies carry the Talk session', () => {
  const join = `/v4/room/${room}/participants/active`;
  const call = `/v4/call/${room}`;

  test('all of them have to come back', async () => {
    const client = await start();
    await client.data('alice', 'POST', join, { jar: 'alice' });
    expect(await client.status('alice', 'POST', call, { jar: 'alice' })).toBe(200);
    const whole = client.jars.get('alice') ?? new Map<string, string>();
    const flags = { jar: 'alice', body: { flags: 3 } };
    expect(await client.status('alice', 'PUT', call, flags)).toBe(200);
    client.jars.set('alice', new Map([...whole, ['oc_sessionPassphrase', 'another']]));
    expect(await client.status('alice', 'PUT', call, flags)).toBe(404);
    client.jars.set('alice', new Map([...whole].filter(([name]) => name !== 'oc_sessionPassphrase')));
    expect(await client.status('alice', 'PUT', call, flags)).toBe(404);
  });

  test('a jar that is logged in counts like Basic auth, another account empties it', async () => {
    const client = await start();
    await client.data('alice', 'POST', join, { jar: 'alice' });
    expect(await client.status(null, 'GET', '/v4/room', { jar: 'alice' })).toBe(200);
    expect(await client.status('bob', 'GET', `/v4/room/${room}`, { jar: 'alice' })).toBe(200);
    expect(await client.status('alice', 'POST', call, { jar: 'alice' })).toBe(404);
  });

  test('a guest returns as the same guest, and is removed when it leaves', async () => {
    const client = await start();
    const { token } = talk.createRoom({ name: 'Open', type: 3 });
    const path = `/v4/room/${token}/participants/active`;
    const first = await client.data<{ actorId: string; sessionId: string }>(null, 'POST', path, { jar: 'guest' });
    const second = await client.data<{ actorId: string; sessionId: string }>(null, 'POST', path, { jar: 'guest' });
    expect(second.actorId).toBe(first.actorId);
    expect(second.sessionId).not.toBe(first.sessionId);
    expect(await client.status(null, 'GET', `/v4/room/${token}/participants`, { jar: 'guest' })).toBe(403);
    await client.data(null, 'DELETE', path, { jar: 'guest' });
    expect(await client.data('alice', 'GET', `/v4/room/${token}/participants`)).toHaveLength(1);
  });

  test('a session that is silent for 30 s is not in the call, for 100 s is over', async () => {
    const client = await start();
    await client.data('alice', 'POST', join, { jar: 'alice' });
    await client.data('alice', 'POST', call, { jar: 'alice' });
    talk.advance(29_000);
    expect(await client.data('bob', 'GET', call)).toHaveLength(1);
    talk.advance(2000);
    expect(await client.data('bob', 'GET', call)).toHaveLength(0);
    await client.data('alice', 'GET', `/v3/signaling/${room}`, { jar: 'alice' });
    expect(await client.data('bob', 'GET', call)).toHaveLength(1);
    talk.advance(100_000);
    expect(await client.status('alice', 'GET', `/v3/signaling/${room}`, { jar: 'alice' })).toBe(404);
    const names = talk.state.messages.map((message) => message.text);
    expect(names.slice(-3)).toEqual(['call_started', 'call_left', 'call_ended']);
  });

  test('whoever joins a call that only silent sessions are in starts it again in the chat', async () => {
    const client = await start();
    const lines = [];
    for (const [user, wait] of [
      ['alice', 0],
      ['bob', 20],
      ['carol', 40],
    ] as const) {
      talk.advance(wait * 1000);
      await client.data(user, 'POST', join, { jar: user });
      await client.data(user, 'POST', call, { jar: user });
      const { lastMessage } = await client.data<{ lastMessage: { systemMessage: string } }>(
        user,
        'GET',
        `/v4/room/${room}`,
      );
      lines.push(lastMessage.systemMessage);
    }
    expect(lines).toEqual(['call_started', 'call_joined', 'call_started']);
  });

  test('signaling answers a killed session with 409, and wakes a pull that is held', async () => {
    const client = await start({ signalingHold: 20_000 });
    await client.data('alice', 'POST', join, { jar: 'alice' });
    const pull = client.status('alice', 'GET', `/v3/signaling/${room}`, { jar: 'alice' });
    await until(() => talk.heldRequests() === 1);
    expect(talk.killSession({ token: room, user: 'alice' })).toEqual({ killed: 1 });
    expect(await pull).toBe(409);
  });

  test('in era A an account is in one room at a time', async () => {
    const client = await start({ era: 'A' });
    const { token } = talk.createRoom({ name: 'Second' });
    await client.call('alice', 'GET', '/cloud/user', { jar: 'alice' });
    for (const one of [room, token]) {
      await client.data('alice', 'POST', `/v1/room/${one}/participants/active`, { jar: 'alice' });
    }
    expect(await client.status('alice', 'POST', `/v1/call/${room}/ping`, { jar: 'alice' })).toBe(404);
    expect(await client.status('alice', 'POST', `/v1/call/${token}/ping`, { jar: 'alice' })).toBe(200);
  });
});

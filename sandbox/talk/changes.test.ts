import { afterEach, describe, expect, test } from 'vitest';
import { chat, clock, type Line, say, start, stop, talk } from '../../test/support/talk-sandbox.ts';
import { demoRoomToken as room } from './index.ts';

afterEach(stop);

describe('changes to lines', () => {
  test('editing comes with Talk 19, for a day, and says who edited', async () => {
    const client = await start();
    const id = say('bob', 'old');
    const edit = (user: string, body: object) => client.status(user, 'PUT', `${chat}/${id}`, { body });
    expect(await edit('bob', { message: 'new' })).toBe(405);
    talk.setVersion({ talkVersion: '19.0.0' });
    expect(await edit('carol', { message: 'new' })).toBe(403);
    expect(await edit('bob', { message: ' ' })).toBe(400);
    const notice = await client.data<Line>('alice', 'PUT', `${chat}/${id}`, { body: { message: 'new' } });
    expect(notice).toMatchObject({
      systemMessage: 'message_edited',
      parent: { message: 'new', lastEditActorId: 'alice' },
    });
    const system = talk.state.messages[0]?.id;
    expect(await client.status('alice', 'PUT', `${chat}/${system}`, { body: { message: 'x' } })).toBe(405);
    expect(await client.status('alice', 'PUT', `${chat}/9999`, { body: { message: 'x' } })).toBe(404);
    talk.advance(86_401_000);
    expect(await edit('bob', { message: 'late' })).toBe(400);
  });

  test('deleting ends after six hours before Talk 19, and is 202 beside a bot', async () => {
    const client = await start();
    const ids = [say('bob', 'one'), say('bob', 'two')];
    talk.installBot({ name: 'Bot', url: 'http://127.0.0.1:9/', secret: 's'.repeat(40), rooms: [room] });
    expect(await client.status('bob', 'DELETE', `${chat}/${ids[0]}`)).toBe(202);
    expect(await client.status('bob', 'DELETE', `${chat}/${ids[0]}`)).toBe(405);
    talk.advance(21_601_000);
    expect(await client.status('bob', 'DELETE', `${chat}/${ids[1]}`)).toBe(400);
    talk.setVersion({ talkVersion: '19.0.0' });
    const gone = await client.data<Line>('alice', 'DELETE', `${chat}/${ids[1]}`);
    expect(gone.parent).toMatchObject({ message: 'Message deleted by you', messageType: 'comment_deleted' });
    const lines = await client.data<Line[]>('bob', 'GET', chat, { query: { lookIntoFuture: 0, limit: 4 } });
    expect(lines.slice(2).map((line) => line.message)).toEqual([
      'Message deleted by {actor}',
      'Message deleted by you',
    ]);
  });

  test('a reaction is a separate line, and removing it turns that into a system line', async () => {
    const client = await start();
    const id = say('bob', 'good?');
    const react = (method: string, reaction: string) =>
      client.status('alice', method, `/v1/reaction/${room}/${id}`, { body: { reaction } });
    expect([await react('POST', '👍'), await react('POST', '👍'), await react('POST', 'ok')]).toEqual([201, 200, 400]);
    expect([await react('DELETE', '👍'), await react('DELETE', '👍')]).toEqual([200, 404]);
    expect(await client.data('alice', 'GET', `/v1/reaction/${room}/${id}`)).toEqual([]);
    const lines = await client.data<Line[]>('bob', 'GET', chat, { query: { lookIntoFuture: 0, limit: 2 } });
    expect(lines.map((line) => line.systemMessage)).toEqual(['reaction_revoked', 'reaction_deleted']);
    expect(lines.map((line) => line.message)).toEqual(['{actor} deleted a reaction', 'Reaction deleted by author']);
  });

  test('a poll is shared into the chat and shows its votes to those who voted', async () => {
    const client = await start({ talkVersion: '20.0.0' });
    const body = { question: 'Where?', options: ['Here', 'There'], resultMode: 0, maxVotes: 1 };
    const poll = await client.data<Line>('bob', 'POST', `/v1/poll/${room}`, { body });
    expect(poll).toMatchObject({ question: 'Where?', votes: [], votedSelf: [], status: 0, actorId: 'bob' });
    const [line] = await client.data<Line[]>('alice', 'GET', chat, { query: { lookIntoFuture: 0, limit: 1 } });
    expect(line).toMatchObject({ message: '{object}', systemMessage: '', messageType: 'comment' });
    expect(line?.messageParameters.object).toEqual({ type: 'talk-poll', id: String(poll.id), name: 'Where?' });
    const path = `/v1/poll/${room}/${poll.id}`;
    expect(await client.status('alice', 'POST', path, { body: { optionIds: [0, 1] } })).toBe(400);
    expect(await client.data('alice', 'POST', path, { body: { optionIds: [1] } })).toMatchObject({
      votes: { 'option-1': 1 },
    });
    expect(await client.status('carol', 'DELETE', path)).toBe(403);
    expect(await client.data('bob', 'DELETE', path)).toMatchObject({
      status: 1,
      details: [{ actorId: 'alice', optionId: 1 }],
    });
    const refused = await client.call('bob', 'POST', `/apps/spreed/api/v1/poll/${room}`, {
      body: { ...body, options: ['One'] },
    });
    expect([refused.status, refused.body]).toMatchObject([400, { ocs: { data: { error: 'options' } } }]);
    const hidden = await client.data<Line>('bob', 'POST', `/v1/poll/${room}`, { body: { ...body, resultMode: 1 } });
    const vote = { body: { optionIds: [0] } };
    const voted = await client.data('carol', 'POST', `/v1/poll/${room}/${hidden.id}`, vote);
    expect(voted).toMatchObject({ votedSelf: [0], votes: [], numVoters: 0 });
    talk.setVersion({ talkVersion: '14.0.0' });
    expect(await client.status('bob', 'POST', `/v1/poll/${room}`, { body })).toBe(404);
  });
});

describe('rooms', () => {
  test('a lobby opens by itself when its time has come', async () => {
    const client = await start();
    const timer = clock.now / 1000 + 60;
    await client.data('alice', 'PUT', `/v4/room/${room}/webinar/lobby`, { body: { state: 1, timer } });
    expect(await client.status('bob', 'POST', chat, { body: { message: 'in?' } })).toBe(412);
    const seen = { lobbyState: 1, lobbyTimer: timer, lastMessage: [], unreadMessages: 0 };
    expect(await client.data('bob', 'GET', `/v4/room/${room}`)).toMatchObject(seen);
    talk.advance(60_000);
    expect(await client.status('bob', 'POST', chat, { body: { message: 'in!' } })).toBe(201);
    expect(talk.state.messages.at(-2)?.text).toBe('lobby_timer_reached');
  });

  test('locking ends the call, and an unanswered one-to-one call is a missed one', async () => {
    const client = await start();
    const { token } = talk.createRoom({ name: '', type: 1, owner: 'alice', users: ['bob'] });
    for (const one of [room, token]) {
      await client.data('alice', 'POST', `/v4/room/${one}/participants/active`, { jar: one });
      await client.data('alice', 'POST', `/v4/call/${one}`, { jar: one });
    }
    await client.data('alice', 'PUT', `/v4/room/${room}/read-only`, { body: { state: 1 } });
    await client.data('alice', 'DELETE', `/v4/call/${token}`, { jar: token });
    const last = async (user: string) =>
      (await client.data<Line[]>(user, 'GET', `/v1/chat/${token}`, { query: { lookIntoFuture: 0, limit: 1 } }))[0]
        ?.message;
    expect([await last('alice'), await last('bob')]).toEqual([
      'You tried to call {user}',
      'You missed a call from {user}',
    ]);
    const lines = talk.state.messages.filter((message) => message.token === room).map((message) => message.text);
    expect(lines.slice(-3)).toEqual(['call_started', 'call_ended_everyone', 'read_only']);
  });

  test('since Talk 21 changes answer the room and the rest says null', async () => {
    const client = await start({ talkVersion: '21.1.0' });
    expect(await client.data('alice', 'POST', `/v4/room/${room}/public`)).toMatchObject({ token: room, type: 3 });
    expect(await client.data('alice', 'DELETE', `/v4/room/${room}/participants/active`)).toBeNull();
  });
});

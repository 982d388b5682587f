import { readdirSync, readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { startBackends, TestClock } from '../../../test/support/harness.ts';
import { botSecret, Listener, signedPush } from '../../../test/support/listener.ts';
import { startTalk, type TalkUnderTest } from '../../../test/support/talk-gateway.ts';

/**
 * Every chat line and every bot push that was recorded at a server of Talk 17 or newer, reported by push, by poll, by both in any
 * order, and by each alone. Older servers have no bots.
 */

/** A recorded chat line. Some recordings leave out fields. */
interface Line {
  id: number;
  token: string;
  actorType: string;
  actorId: string;
  actorDisplayName: string;
  timestamp: number;
  message: string;
  messageParameters: unknown;
  systemMessage: string;
  messageType?: string;
  parent?: Line | { id: number };
}

/** What was recorded of one room, oldest first. */
interface Room {
  talk: string;
  token: string;
  name: string;
  lines: Line[];
  /** Recorded pushes about these lines, as they were sent. */
  recorded: string[];
}

const fixtures = join(import.meta.dirname, '..', '..', '..', 'test', 'fixtures', 'talk');
const rooms = recordedRooms();
/** What carol's recorded reactions were; the chat does not name those that she removed. */
const emoji = '👍';

let talk: TalkUnderTest;
const clock = new TestClock();
const server = { room: undefined as Room | undefined, shown: 0, since: 0, url: '', close: async () => {} };
beforeAll(async () => {
  talk = await startTalk(await startBackends(), { changelog: false, now: clock.now }, clock);
  await serve();
});
afterAll(async () => {
  await server.close();
  await talk.stop();
});

test('the recordings hold messages, replies, edits, deletions, reactions, people, calls and rooms', () => {
  const kinds = new Set(rooms.flatMap(({ lines }) => lines.map(({ systemMessage }) => systemMessage)));
  for (const kind of ['', 'message_edited', 'message_deleted', 'reaction', 'reaction_revoked', 'user_added'])
    expect(kinds).toContain(kind);
  for (const kind of ['call_started', 'call_ended', 'conversation_created', 'conversation_renamed'])
    expect(kinds).toContain(kind);
  expect(rooms.flatMap(({ recorded }) => recorded)).toHaveLength(5);
});

test('pushes are made from lines as the recorded servers made them', () => {
  const compared = rooms.flatMap(({ talk: version, lines, recorded }) =>
    recorded.flatMap((body) => {
      const { type, object } = JSON.parse(body);
      const line = lines.find(({ id }) => String(id) === object.id);
      const made = line && pushesOf(line, version, '').map((each) => JSON.parse(each));
      return made?.filter((each) => each.type === type).map((each) => [each.object, object]) ?? [];
    }),
  );
  expect(compared.length).toBeGreaterThanOrEqual(3);
  for (const [made, recorded] of compared) expect(received(made)).toEqual(received(recorded));
});

test.each(rooms.map((room) => [`${room.token} of Talk ${room.talk}`, room] as const))('%s', async (_, room) => {
  const { lines } = room;
  const at = (line: Line) => line.timestamp * 1000;
  const pushes = lines.flatMap((line) =>
    bodiesOf(room, line).map((body) => [...signedPush(body, server.url), at(line) + 400] as const),
  );
  const listeners = new Map<string, Listener>();
  const names = ['pushed first', 'polled first', 'polled in between', 'pushed alone', 'polled alone'] as const;
  server.room = room;
  server.shown = 0;
  server.since = clock.now();
  for (const name of names) {
    const connected = await talk.connect('gateway', {
      settings: { serverUrl: server.url },
      credentials: { botSecret },
    });
    const listener = new Listener(connected);
    listeners.set(name, listener);
    await listener.poll();
  }
  server.shown = lines.length;
  const push = async (name: (typeof names)[number], from: number, to: number) => {
    for (const each of pushes.slice(from, to)) await listeners.get(name)?.push(...each);
  };
  const poll = async (name: (typeof names)[number]) => {
    await listeners.get(name)?.poll();
  };
  const stored = (name: (typeof names)[number]) =>
    [...(listeners.get(name)?.log.values() ?? [])]
      .map(({ type, timestamp, data }) => ({ type, timestamp, data }))
      .sort((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1));
  const half = Math.ceil(pushes.length / 2);
  await push('pushed first', 0, pushes.length);
  await push('pushed alone', 0, pushes.length);
  await push('polled in between', 0, half);
  for (const name of ['pushed first', 'polled first', 'polled in between', 'polled alone'] as const) await poll(name);
  // Bots of older servers receive no reactions.
  const early = stored('polled first').filter(({ data }) => data.reaction === null && isNewer(room.talk));
  expect(early, 'a removed reaction is not an event while a push may still name it').toEqual([]);
  await push('polled first', 0, pushes.length);
  await push('polled in between', half, pushes.length);
  // By now no push is on its way.
  clock.advance(301_000);
  for (const name of ['pushed first', 'polled first', 'polled in between', 'polled alone'] as const) await poll(name);

  const both = stored('pushed first');
  expect(stored('polled first')).toEqual(both);
  expect(stored('polled in between')).toEqual(both);
  // The data of a push alone is correct but incomplete. The poll adds the rest.
  for (const { type, data } of stored('pushed alone')) expect(both).toContainEqual(holding(type, data));
  // A poll alone reports everything except the emoji of a removed reaction.
  const lasting = (events: ReturnType<typeof stored>) => events.filter(({ type }) => !type.startsWith('talk.reaction'));
  expect(lasting(stored('polled alone'))).toEqual(lasting(both));
  for (const { type, timestamp, data } of stored('polled alone'))
    expect(both).toContainEqual({ ...holding(type, data), timestamp });
});

/** An event of a type whose data holds at least what is known of these. */
function holding(type: string, data: Record<string, unknown>) {
  const known = Object.fromEntries(Object.entries(data).filter(([, value]) => value !== null));
  return { type, timestamp: expect.any(String), data: expect.objectContaining(known) };
}

/** The pushes of a line: those that were recorded, else those that its server would have sent. */
function bodiesOf({ recorded, name, talk: version }: Room, line: Line): string[] {
  const own = recorded.filter((body) => pushedLine(body) === line.id);
  return own.length > 0 ? own : pushesOf(line, version, name);
}

/** From Talk 21 on, bots receive reactions, and the message that another one replies to. */
function isNewer(version: string): boolean {
  return Number(version.split('.')[0]) >= 21;
}

/** The push of a server of that version about a line: ActivityStreams. */
function pushesOf(line: Line, version: string, roomName: string): string[] {
  const tellsMore = isNewer(version);
  const person = { type: 'Person', id: `${line.actorType}/${line.actorId}`, name: line.actorDisplayName };
  const target = { type: 'Collection', id: line.token, name: roomName };
  const note = (of: Line) => ({
    type: 'Note',
    id: String(of.id),
    name: of.systemMessage || 'message',
    content: JSON.stringify({ message: of.message, parameters: of.messageParameters }),
    mediaType: 'text/markdown',
  });
  const parent = line.parent && 'message' in line.parent ? line.parent : undefined;
  const like = parent && { type: 'Like', actor: person, object: note(parent), target, content: emoji };
  const received = (() => {
    switch (line.systemMessage) {
      case '':
        if (line.actorType === 'bots') return [];
        return [
          {
            type: 'Create',
            actor: person,
            object: {
              ...note(line),
              ...(tellsMore && parent && { inReplyTo: { actor: person, object: note(parent) } }),
            },
            target,
          },
        ];
      case 'reaction':
      case 'reaction_deleted':
        return tellsMore ? [like] : [];
      default: {
        const activity = { type: 'Activity', actor: person, object: note(line), target };
        const undo = { type: 'Undo', actor: person, object: like, target };
        return tellsMore && line.systemMessage === 'reaction_revoked' ? [activity, undo] : [activity];
      }
    }
  })();
  return received.map((each) => JSON.stringify(each));
}

/** The parts of a note that servers send alike: parameters name a person with or without `mention-id`. */
function received({ type, id, name, content }: Record<string, string>) {
  const { message } = JSON.parse(content ?? '{}');
  return { type, id, name, message };
}

/** The chat line that a recorded push is about; an `Undo` follows the line after the message that it names. */
function pushedLine(body: string): number {
  const { type, object } = JSON.parse(body);
  return type === 'Undo' ? Number(object.object.id) + 2 : Number(object.id);
}

/** A server on which the lines of one room can be read. */
async function serve(): Promise<void> {
  const http = createServer((request, response) => {
    const { pathname, searchParams } = new URL(request.url ?? '/', 'http://server');
    const { room, shown } = server;
    if (!room) throw new Error('There is no room');
    const first = room.lines[0] as Line;
    // Messages from before the first poll.
    const before: Line = {
      ...first,
      id: first.id - 1,
      timestamp: first.timestamp - 60,
      systemMessage: '',
      message: '',
    };
    const lines = [before, ...room.lines.slice(0, shown)];
    const send = (data: unknown, headers: Record<string, string> = {}, status = 200) => {
      response.writeHead(status, { 'content-type': 'application/json', date: date(lines), ...headers });
      response.end(JSON.stringify({ ocs: { meta: { status: 'ok', statuscode: status, message: 'OK' }, data } }));
    };
    if (pathname.endsWith('/cloud/user')) return send({ id: 'gateway' });
    if (pathname.endsWith('/cloud/capabilities')) return send(capabilities(room.talk));
    if (pathname.endsWith('/room')) {
      const last = lines.at(-1) as Line;
      return send([{ token: room.token, displayName: room.name, lastActivity: last.timestamp, lastMessage: last }]);
    }
    const known = Number(searchParams.get('lastKnownMessageId') ?? 0);
    const limit = Number(searchParams.get('limit'));
    const isForward = searchParams.get('lookIntoFuture') === '1';
    const found = isForward
      ? lines.filter(({ id }) => id > known).slice(0, limit)
      : lines
          .filter(({ id }) => known === 0 || id < known)
          .reverse()
          .slice(0, limit);
    if (found.length === 0) return response.writeHead(304, { date: date(lines) }).end();
    send(found, { 'x-chat-last-given': String(found.at(-1)?.id) });
  });
  http.listen(0, '127.0.0.1');
  await new Promise((resolve) => http.once('listening', resolve));
  server.url = `http://127.0.0.1:${(http.address() as AddressInfo).port}`;
  server.close = () => new Promise((resolve) => http.close(() => resolve()));
}

/** The server's clock: just after its last line, and as much later as the clock of the test has moved since. */
function date(lines: readonly Line[]): string {
  const last = lines.at(-1)?.timestamp ?? 0;
  return new Date(last * 1000 + 2000 + clock.now() - server.since).toUTCString();
}

function capabilities(version: string) {
  const { response } = JSON.parse(readFileSync(join(fixtures, 'recorded/talk17__capabilities_auth_200.json'), 'utf8'));
  const { data } = response.body.ocs;
  const spreed = { ...data.capabilities.spreed, version };
  return { ...data, capabilities: { ...data.capabilities, spreed } };
}

/** All lines and pushes of all recordings, by server and room. */
function recordedRooms(): Room[] {
  const found = new Map<string, Room>();
  const roomOf = (version: string, token: string) => {
    const key = `${version} ${token}`;
    const room = found.get(key) ?? { talk: version, token, name: 'Room', lines: [], recorded: [] };
    found.set(key, room);
    return room;
  };
  for (const folder of ['live', 'recorded']) {
    for (const file of readdirSync(join(fixtures, folder)).sort()) {
      const recording = JSON.parse(readFileSync(join(fixtures, folder, file), 'utf8'));
      const version: string | undefined = recording.server?.talk ?? recording.server?.after?.talk;
      if (version === undefined || Number(version.split('.')[0]) < 17) continue;
      const token: string | undefined = recording.events?.[0]?.data.token;
      for (const line of linesIn(recording)) {
        const { lines } = roomOf(version, line.token ?? token ?? '');
        if (line.messageType !== 'comment_deleted' && !lines.some(({ id }) => id === line.id))
          lines.push(wholeLine(line, token ?? ''));
      }
      const bodies = [...(recording.pushes ?? []), ...(recording.request?.rawBody ? [recording.request] : [])];
      for (const { rawBody } of bodies) {
        const { id, name } = JSON.parse(rawBody).target;
        const room = roomOf(version, id);
        room.name = name;
        room.recorded.push(rawBody);
      }
    }
  }
  for (const room of found.values()) {
    for (const body of room.recorded) {
      if (!room.lines.some(({ id }) => id === pushedLine(body))) room.lines.push(lineOfPush(body, room.token));
    }
    room.lines.sort((a, b) => a.id - b.id);
    for (const line of room.lines) {
      const parent = room.lines.find(({ id }) => id === line.parent?.id);
      if (parent) line.parent = { ...parent };
    }
  }
  return [...found.values()];
}

/** Everything in a recording that has the form of a chat line. */
function linesIn(value: unknown): Line[] {
  if (Array.isArray(value)) return value.flatMap(linesIn);
  if (value === null || typeof value !== 'object') return [];
  const isLine = 'systemMessage' in value && 'message' in value && typeof Reflect.get(value, 'id') === 'number';
  // Its shape is the server's.
  return [...(isLine ? [value as Line] : []), ...Object.values(value).flatMap(linesIn)];
}

/** A line with the fields that its recording leaves out. */
function wholeLine(line: Line, token: string): Line {
  const base = { token, actorType: 'users', actorDisplayName: line.actorId, messageParameters: [] };
  const { parent } = line as { parent?: Line | number };
  const about = typeof parent === 'number' ? { parent: { id: parent } } : {};
  return { ...base, ...line, timestamp: line.timestamp ?? 1_795_700_000 + line.id, ...about };
}

/** The line of a push that was recorded without it. */
function lineOfPush(body: string, token: string): Line {
  const { type, actor, object } = JSON.parse(body);
  const id = pushedLine(body);
  const revoked = type === 'Undo' || object.name === 'reaction_revoked';
  const about = type === 'Undo' ? Number(object.object.id) : id - (revoked ? 2 : 1);
  const content = JSON.parse((type === 'Undo' ? object.object : object).content);
  const [actorType, actorId] = actor.id.split('/');
  return {
    id,
    token,
    actorType,
    actorId,
    actorDisplayName: actor.name,
    timestamp: 1_795_700_000 + id,
    message: revoked ? '{actor} deleted a reaction' : content.message,
    messageParameters: revoked ? [] : content.parameters,
    systemMessage: revoked ? 'reaction_revoked' : '',
    parent: { id: about },
  };
}

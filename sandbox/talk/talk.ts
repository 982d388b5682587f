import type { Sandbox, SandboxRequest } from '../sandbox-server.ts';
import { Stop } from './ocs.ts';
import { keepPhpSession } from './php-session.ts';
import type { Attendee, Author, Bot, Message, PhpSession, Room, TalkSession, TalkState, TalkUser } from './state.ts';
import { atLeast, type Era, eraOf } from './versions.ts';
import type { Waiting } from './waiting.ts';

/** The notifications of a server to its bots. Each is sent once: a lost one stays lost. */
export interface BotPushes {
  chatMessage(room: Room, line: Message): void;
  systemMessage(room: Room, line: Message): void;
  reaction(room: Room, author: Author, line: Message, emoji: string, added: boolean): void;
  /** A bot was enabled or disabled in a room (sent since Talk 20). */
  membership(room: Room, bot: Bot, added: boolean): void;
  /** Sends the requests that were held while pushes were paused. */
  release(): void;
  /** Resolves once every open request has been answered or has failed. */
  settled(): Promise<void>;
}

/** The running stand-in, shared by its modules. */
export interface Talk {
  sandbox: Sandbox<TalkState>;
  state: TalkState;
  waiting: Waiting;
  pushes: BotPushes;
  /** How long a signaling pull is held if nothing happens, in milliseconds; real servers hold it for 30 s. */
  signalingHold: number;
  /** Chat requests that are open now and at most, per account. */
  polls: { open: Map<string, number>; peak: Map<string, number> };
}

/** One request after login and parameters are known. */
export interface TalkRequest {
  talk: Talk;
  era: Era;
  /** Null for guests. */
  user: TalkUser | null;
  /** The app password, if the request logged in with one. */
  appPassword: string | null;
  php: PhpSession;
  /** Path variables and parameters out of query and body. */
  input: Record<string, unknown>;
  raw: SandboxRequest;
  /** Epoch seconds. */
  now: number;
}

/** A caller's place in a room. `session` is the Talk session that the caller's cookies carry. */
export interface Seat {
  room: Room;
  attendee: Attendee;
  session: TalkSession | undefined;
}

/** Whether the server is that release or newer. */
export function isTalk(talk: Talk, version: string): boolean {
  return atLeast(talk.state.talkVersion, version);
}

/** The generation that the server speaks now. */
export function currentEra(talk: Talk): Era {
  return eraOf(talk.state.talkVersion);
}

/** The vendor's clock in epoch seconds. */
export function seconds(talk: Talk): number {
  return Math.floor(talk.sandbox.now() / 1000);
}

/** Where the server says it is, without a slash at the end. */
export function serverUrl(talk: Talk): string {
  return talk.state.publicUrl ?? talk.sandbox.url;
}

/** The room with that token, or nothing. */
export function findRoom(talk: Talk, token: unknown): Room | undefined {
  return talk.state.rooms.find((room) => room.token === token);
}

/** The attendee of an account, or nothing. */
export function userIn(room: Room, userId: string | undefined): Attendee | undefined {
  return room.attendees.find((attendee) => attendee.actorType === 'users' && attendee.actorId === userId);
}

/** The attendee that has that Talk session, with it. */
export function bySession(
  room: Room,
  id: string | undefined,
): { attendee: Attendee; session: TalkSession } | undefined {
  for (const attendee of room.attendees) {
    const session = attendee.sessions.find((one) => one.id === id);
    if (session) return { attendee, session };
  }
  return undefined;
}

/** Owner, moderator or guest moderator. */
export function moderates(attendee: Attendee): boolean {
  return attendee.type === 1 || attendee.type === 2 || attendee.type === 6;
}

/** The caller's seat in a room, or nothing when it has none. */
export function seatOf(r: TalkRequest, room: Room): Seat | undefined {
  const carried = r.php.rooms[room.token];
  const held = bySession(room, carried);
  if (r.user) {
    const attendee = userIn(room, r.user.id);
    if (!attendee) return undefined;
    // Before v4 an account had one session per room, whatever cookies came along.
    const session = held?.attendee === attendee ? held.session : r.era === 'E' ? undefined : attendee.sessions[0];
    return { room, attendee, session };
  }
  return held?.attendee.actorType === 'guests' ? { room, ...held } : undefined;
}

/** What a call requires of the caller besides a seat. */
interface Demands {
  moderator?: boolean;
  /** The room must not be read-only. */
  writable?: boolean;
  /** Callers whom the lobby holds back are refused. */
  pastLobby?: boolean;
}

/** The caller's seat in the room of the path; stops with 404, 403 or 412 as the server's middleware does. */
export function requireSeat(r: TalkRequest, demands: Demands = {}): Seat {
  const room = findRoom(r.talk, r.input.token);
  const seat = room && seatOf(r, room);
  if (!room || !seat) throw new Stop(404);
  if (demands.moderator && !moderates(seat.attendee)) throw new Stop(403);
  if (demands.writable && room.readOnly === 1) throw new Stop(403);
  if (demands.pastLobby && isInLobby(room, seat.attendee)) throw new Stop(412);
  return seat;
}

/** Whether the lobby holds that attendee back. */
export function isInLobby(room: Room, attendee: Attendee): boolean {
  return room.lobby === 1 && !moderates(attendee);
}

/** Puts a Talk session into the caller's PHP session, or takes it out. */
export function carry(r: TalkRequest, token: string, sessionId: string | null): void {
  if (sessionId === null) delete r.php.rooms[token];
  else r.php.rooms[token] = sessionId;
  keepPhpSession(r.talk.state, r.php);
}

/** A parameter as text; missing is empty. */
export function text(r: TalkRequest, name: string): string {
  const value = r.input[name];
  return typeof value === 'string' ? value : value === undefined || value === null ? '' : String(value);
}

/** A parameter as PHP casts it to int; missing is the fallback. */
export function int(r: TalkRequest, name: string, fallback = 0): number {
  const value = r.input[name];
  if (value === undefined || value === null) return fallback;
  if (value === true) return 1;
  const number = Number.parseInt(String(value), 10);
  return Number.isNaN(number) ? 0 : number;
}

/** A parameter as Nextcloud casts it to bool; missing is the fallback. */
export function bool(r: TalkRequest, name: string, fallback = false): boolean {
  const value = r.input[name];
  if (value === undefined || value === null) return fallback;
  return value !== false && value !== 'false' && value !== '0' && value !== 0 && value !== '';
}

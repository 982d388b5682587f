import { randomBytes } from 'node:crypto';

/** An account of the stand-in Nextcloud. */
export interface TalkUser {
  id: string;
  /** What Basic auth and the login flow may use instead of the id. */
  loginName?: string;
  displayName: string;
  password: string;
  appPasswords: { token: string; name: string }[];
  groups: string[];
  admin: boolean;
  /** False disables Talk: no `spreed` in the capabilities, 403 "Can not use Talk" elsewhere. */
  talkAllowed: boolean;
}

/** One Talk session of an attendee; times are epoch seconds, `inCall` the call flags (0 = not in the call). */
export interface TalkSession {
  id: string;
  lastPing: number;
  inCall: number;
}

export type ActorType = 'users' | 'guests' | 'groups' | 'emails' | 'bots';

/** A row of the participant list: 1 owner, 2 moderator, 3 user, 4 guest, 5 self-joined user, 6 guest moderator. */
export interface Attendee {
  id: number;
  actorType: ActorType;
  actorId: string;
  displayName: string;
  type: 1 | 2 | 3 | 4 | 5 | 6;
  lastRead: number;
  lastMention: number;
  lastMentionDirect: number;
  /** 0 as the server has it, 1 always, 2 when mentioned, 3 never. */
  notificationLevel: number;
  sessions: TalkSession[];
}

/** A conversation: 1 one-to-one, 2 group, 3 public, 4 changelog. */
export interface Room {
  id: number;
  token: string;
  type: 1 | 2 | 3 | 4;
  name: string;
  password: string;
  description: string;
  readOnly: 0 | 1;
  lobby: 0 | 1;
  lobbyTimer: number;
  lastActivity: number;
  lastMessage: number;
  /** The running call: since when, and who took part. */
  call: { since: number; users: string[]; guests: string[] } | null;
  attendees: Attendee[];
  /** Ids of the bots that are switched on here. */
  bots: number[];
  /** Seconds after which messages disappear; 0 keeps them. */
  expiration: number;
  /** Ids of the pinned messages. */
  pinned: number[];
  /** 0 none, 1 video, 2 audio. */
  recording: 0 | 1 | 2;
  /** Sessions that a control killed: signaling answers 409 for them. */
  killedSessions: string[];
}

export interface Reaction {
  emoji: string;
  actorType: ActorType;
  actorId: string;
  timestamp: number;
}

export type Verb = 'comment' | 'comment_deleted' | 'system' | 'reaction' | 'reaction_deleted' | 'object_shared';

/** One chat line. For system lines, `text` is the message name and `params` its parameters. */
export interface Message {
  id: number;
  token: string;
  verb: Verb;
  actorType: ActorType;
  actorId: string;
  /** The name at the time of writing, for actors that have no account. */
  actorName: string;
  timestamp: number;
  text: string;
  params: Record<string, unknown>;
  parent: number;
  referenceId: string;
  silent: boolean;
  /** The id of the thread that it belongs to; 0 for none. */
  thread: number;
  reactions: Reaction[];
  edited?: { timestamp: number; actorType: ActorType; actorId: string; actorName: string };
  deletedBy?: { actorType: ActorType; actorId: string };
}

/** A webhook bot as an administrator installs it; `features` is the sum of 1 webhook, 2 response, 8 reaction. */
export interface Bot {
  id: number;
  name: string;
  description: string;
  url: string;
  urlHash: string;
  secret: string;
  features: number;
  state: 0 | 1 | 2;
  errorCount: number;
  lastErrorDate: number;
  lastErrorMessage: string | null;
}

export interface Poll {
  id: number;
  token: string;
  question: string;
  options: string[];
  resultMode: 0 | 1;
  maxVotes: number;
  status: 0 | 1;
  actorType: ActorType;
  actorId: string;
  actorName: string;
  votes: { actorType: ActorType; actorId: string; actorName: string; optionId: number }[];
}

/** A thread; its id is that of the message that started it. */
export interface Thread {
  id: number;
  token: string;
  title: string;
}

/** A message that is to be sent later; times are epoch seconds. */
export interface ScheduledMessage {
  id: string;
  token: string;
  userId: string;
  text: string;
  sendAt: number;
  createdAt: number;
  parent: number;
  thread: number;
  silent: boolean;
}

/** A file of an account, without its bytes. */
export interface StoredFile {
  id: number;
  userId: string;
  /** From the root of the account, with a leading slash. */
  path: string;
  type: string;
  size: number;
}

/** The PHP session of an instance cookie: who is logged in, and the Talk session per room. */
export interface PhpSession {
  id: string;
  passphrase: string;
  user: string | null;
  rooms: Record<string, string>;
  guests: Record<string, string>;
}

export interface LoginFlow {
  pollToken: string;
  loginToken: string;
  client: string;
  startedAt: number;
  granted: { loginName: string; appPassword: string } | null;
}

/** A request to a bot that was made while pushes were paused. */
interface HeldPush {
  botId: number;
  body: string;
}

/** The whole state of the stand-in Nextcloud, as plain JSON. */
export interface TalkState {
  talkVersion: string;
  maintenance: boolean;
  bruteForce: boolean;
  maxLength: number | null;
  publicUrl: string | null;
  changelog: boolean;
  /** Public rooms must have a password (`force_passwords`). */
  forcePasswords: boolean;
  pushes: 'on' | 'pause' | 'drop';
  users: Record<string, TalkUser>;
  groups: Record<string, { displayName: string }>;
  rooms: Room[];
  messages: Message[];
  bots: Bot[];
  polls: Poll[];
  threads: Thread[];
  scheduled: ScheduledMessage[];
  /** `user/token/message` with the time of the reminder. */
  reminders: Record<string, number>;
  /** Folders and files of the accounts. */
  folders: string[];
  files: StoredFile[];
  phpSessions: Record<string, PhpSession>;
  loginFlows: LoginFlow[];
  heldPushes: HeldPush[];
  attempts: { action: string; at: number; about: string }[];
  nextId: { room: number; attendee: number; message: number; bot: number; poll: number; file: number };
}

/** A new id of that kind. */
export function nextId(state: TalkState, kind: keyof TalkState['nextId']): number {
  return state.nextId[kind]++;
}

/** A random string of `length` characters out of `alphabet`. */
export function randomText(length: number, alphabet: string): string {
  return Array.from(randomBytes(length), (byte) => alphabet[byte % alphabet.length]).join('');
}

export const letters = 'abcdefghijklmnopqrstuvwxyz';
/** The alphabet of room tokens: no letter or digit that can be mistaken for another. */
export const tokenAlphabet = 'abcdefghijkmnopqrstwxyz23456789';
export const wordAlphabet = `${letters}${letters.toUpperCase()}0123456789`;

/** Who writes a line. */
export interface Author {
  actorType: ActorType;
  actorId: string;
  actorName: string;
}

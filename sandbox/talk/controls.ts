import type { SandboxControls } from '../sandbox-server.ts';
import { grantLogin } from './accounts.ts';
import { installBot, type NewBot, setBot } from './bots.ts';
import { addUser, makeRoom } from './membership.ts';
import { addMessage, addSystemMessage, authorOf, userAuthor } from './messages.ts';
import { endSession } from './sessions.ts';
import type { TalkState, TalkUser } from './state.ts';
import { currentEra, findRoom, type Talk, userIn } from './talk.ts';
import { type Era, eraOf, eraVersion } from './versions.ts';

/** What a test can do to the stand-in besides calling its API. Everything throws a RangeError for names it does not know. */
export interface TalkControls {
  /** Posts as an account that is in the room; bots are notified. Returns the message's id. */
  postMessage(post: {
    token: string;
    user: string;
    message: string;
    replyTo?: number;
    referenceId?: string;
    silent?: boolean;
  }): { id: number };
  /** Makes a room as its owner would: type 2 group (default) or 3 public, one-to-one 1 with exactly one other user. */
  createRoom(room: {
    name: string;
    type?: 1 | 2 | 3;
    owner?: string;
    users?: string[];
    password?: string;
    token?: string;
  }): { token: string };
  /** Installs a bot and switches it on in those rooms. */
  installBot(bot: NewBot & { rooms?: string[] }): { id: number; actorId: string };
  addUser(user: Partial<TalkUser> & { id: string; appPassword?: string }): void;
  /** Grants the waiting login with that link or token, or the newest. */
  grantLogin(grant: { user: string; login?: string }): { loginName: string; appPassword: string };
  /** The server is upgraded (or set back): rooms and messages stay, sessions end. */
  setVersion(version: { era?: Era; talkVersion?: string }): void;
  setMaintenance(on: boolean): void;
  /** Ends the Talk sessions of an account, or the one with that id, as if killed elsewhere: signaling then answers 409. */
  killSession(kill: { token: string; user?: string; sessionId?: string }): { killed: number };
  /** `pause` holds the requests to bots until `on`; `drop` discards them. */
  setPushes(mode: TalkState['pushes']): void;
  /** Resolves when no request to a bot is under way. */
  pushesSettled(): Promise<void>;
  configure(settings: {
    /** The maximum length of a message; null is the limit of the release. */
    maxLength?: number | null;
    bruteForce?: boolean;
    publicUrl?: string | null;
    /** Milliseconds that a signaling pull is held. */
    signalingHold?: number;
    /** Accounts that may, or may not, use Talk. */
    talkAllowed?: Record<string, boolean>;
  }): void;
  /** Forgets the failed attempts that brute-force protection has counted. */
  resetThrottle(): void;
  /** The most chat requests that each account had open at once. */
  peakPolls(): Record<string, number>;
  /** How many chat requests and signaling pulls are held open now. */
  heldRequests(): number;
}

/** Makes the controls of a running stand-in. */
export function createControls(talk: Talk): TalkControls {
  const { state } = talk;
  const roomOf = (token: string) => found(findRoom(talk, token), `room ${token}`);
  const account = (id: string) => found(Object.hasOwn(state.users, id) ? state.users[id] : undefined, `account ${id}`);

  return {
    postMessage: ({ token, user, message, ...more }) => {
      const room = roomOf(token);
      const attendee = found(userIn(room, account(user).id), `${user} in room ${token}`);
      const line = addMessage(talk, room, authorOf(attendee), {
        verb: 'comment',
        text: message.trim(),
        parent: more.replyTo ?? 0,
        referenceId: more.referenceId ?? '',
        silent: more.silent ?? false,
      });
      talk.pushes.chatMessage(room, line);
      return { id: line.id };
    },
    createRoom: ({ name, type = 2, owner = 'alice', users = [], password = '', token }) => {
      if (token !== undefined && !/^[a-z0-9]{4,30}$/.test(token)) throw new RangeError('A token is [a-z0-9]{4,30}');
      const members = users.map((id) => account(id).id);
      const room = makeRoom(talk, type, type === 1 ? `${account(owner).id}/${members[0]}` : name, token);
      room.password = type === 3 ? password : '';
      const first = addUser(talk, room, account(owner).id, 1);
      const by = userAuthor(talk, owner);
      if (type === 1) for (const id of members.slice(0, 1)) addUser(talk, room, id, 1);
      addSystemMessage(talk, room, by, 'conversation_created');
      first.lastRead = room.lastMessage;
      if (type !== 1) for (const id of members) addUser(talk, room, id, 3, by);
      return { token: room.token };
    },
    installBot: ({ rooms = [], ...bot }) => {
      const installed = installBot(talk, bot);
      for (const token of rooms) setBot(talk, roomOf(token), installed, true);
      return { id: installed.id, actorId: `bot-${installed.urlHash}` };
    },
    addUser: ({ appPassword, ...user }) => {
      state.users[user.id] = newUser(user, appPassword);
    },
    grantLogin: ({ user, login }) => found(grantLogin(state, account(user).id, login), 'login'),
    setVersion: ({ era, talkVersion }) => {
      const wanted = talkVersion ?? eraVersion[era ?? currentEra(talk)];
      eraOf(wanted);
      state.talkVersion = wanted;
      for (const room of state.rooms) {
        room.call = null;
        for (const attendee of [...room.attendees]) {
          for (const session of [...attendee.sessions]) {
            session.inCall = 0;
            endSession(talk, room, attendee, session);
          }
        }
      }
      talk.waiting.wake();
    },
    setMaintenance: (on) => {
      state.maintenance = on;
    },
    killSession: ({ token, user, sessionId }) => {
      const room = roomOf(token);
      let killed = 0;
      for (const attendee of [...room.attendees]) {
        for (const session of [...attendee.sessions]) {
          if (sessionId !== undefined ? session.id !== sessionId : attendee.actorId !== user) continue;
          room.killedSessions = [...room.killedSessions.slice(-99), session.id];
          endSession(talk, room, attendee, session);
          killed++;
        }
      }
      talk.waiting.wake(token);
      return { killed };
    },
    setPushes: (mode) => {
      state.pushes = mode;
      if (mode === 'on') talk.pushes.release();
    },
    pushesSettled: () => talk.pushes.settled(),
    configure: ({ signalingHold, talkAllowed = {}, ...settings }) => {
      if (signalingHold !== undefined) talk.signalingHold = signalingHold;
      for (const [id, allowed] of Object.entries(talkAllowed)) account(id).talkAllowed = allowed;
      Object.assign(state, Object.fromEntries(Object.entries(settings).filter(([, value]) => value !== undefined)));
    },
    resetThrottle: () => {
      state.attempts = [];
    },
    peakPolls: () => Object.fromEntries(talk.polls.peak),
    heldRequests: () => talk.waiting.count,
  };
}

/** The same controls below `/__sandbox/`. */
export function httpControls(controls: () => TalkControls): SandboxControls<TalkState> {
  const pass = <Name extends keyof TalkControls>(name: Name) => {
    // The body is the argument of the control; an invalid one makes it throw, which is answered with 400.
    return (input: Record<string, unknown>) => (controls()[name] as (input: unknown) => unknown)(input);
  };
  return {
    'POST messages': pass('postMessage'),
    'POST rooms': pass('createRoom'),
    'POST bots': pass('installBot'),
    'POST users': pass('addUser'),
    'POST login-grants': pass('grantLogin'),
    'POST version': pass('setVersion'),
    'POST maintenance': ({ on }) => controls().setMaintenance(on === true || on === 'true'),
    'POST kill-session': pass('killSession'),
    'POST pushes': ({ mode }) => {
      if (mode !== 'on' && mode !== 'pause' && mode !== 'drop') throw new RangeError('mode is on, pause or drop');
      controls().setPushes(mode);
    },
    'GET pushes-settled': () => controls().pushesSettled(),
    'POST config': pass('configure'),
    'DELETE throttle': () => controls().resetThrottle(),
    'GET polls': () => controls().peakPolls(),
    'GET held-requests': () => controls().heldRequests(),
  };
}

/** An account with what is missing filled in: password `ID-password`, app password `ID-app-password`. */
export function newUser(user: Partial<TalkUser> & { id: string }, appPassword?: string): TalkUser {
  return {
    displayName: user.id.charAt(0).toUpperCase() + user.id.slice(1),
    password: `${user.id}-password`,
    appPasswords: [{ token: appPassword ?? `${user.id}-app-password`, name: 'sandbox' }],
    groups: [],
    admin: false,
    talkAllowed: true,
    ...user,
  };
}

function found<Thing>(thing: Thing | null | undefined, what: string): Thing {
  if (thing === null || thing === undefined) throw new RangeError(`There is no ${what}`);
  return thing;
}

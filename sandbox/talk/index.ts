import { type Sandbox, type SandboxOptions, startSandbox } from '../sandbox-server.ts';
import { createBotPushes } from './bot-pushes.ts';
import { createControls, httpControls, newUser, type TalkControls } from './controls.ts';
import { dispatch } from './dispatch.ts';
import type { TalkState, TalkUser } from './state.ts';
import type { Talk } from './talk.ts';
import { type Era, eraOf, eraVersion } from './versions.ts';
import { createWaiting } from './waiting.ts';

/** Options of the stand-in Nextcloud. Era and release override the state file; the others apply only to the first start. */
export interface TalkSandboxOptions extends SandboxOptions {
  /** A = v1 document (Talk 3.1), C = v1 with chat-v2 (Talk 6), E = v4 (Talk 17.1, the default). */
  era?: Era;
  /** A Talk release: 3.0 to 3.1, 4 to 8, 12 and newer. */
  talkVersion?: string;
  /** Accounts instead of admin, alice, bob, carol and zoë. */
  users?: (Partial<TalkUser> & { id: string; appPassword?: string })[];
  /** Groups by id instead of `team` with alice and carol. */
  groups?: Record<string, { displayName: string }>;
  /** False leaves out the room "Control room" of alice, bob, carol and zoë. */
  demoRoom?: boolean;
  /** False leaves out the "Talk updates" room that a v4 server gives every account. */
  changelog?: boolean;
  /** True: the server requires a password for every public room. */
  forcePasswords?: boolean;
  /** False: failures are not counted, so nobody is throttled. */
  bruteForce?: boolean;
  /** The maximum length of a message, if it differs from that of the release. */
  maxLength?: number;
  /** The URL that the server takes for its own (`overwrite.cli.url`), if it differs from the real one. */
  publicUrl?: string;
  /** How long a signaling pull is held, in milliseconds: 50 by default; real servers hold it for up to 30 s. */
  signalingHold?: number;
}

/** A running stand-in Nextcloud with Talk. */
export type TalkSandbox = Sandbox<TalkState> & TalkControls;

/** The token of the room that is there from the start. */
export const demoRoomToken = 'controlroom';

/** Starts a stand-in Nextcloud with Talk on loopback. */
export async function startTalkSandbox(options: TalkSandboxOptions = {}): Promise<TalkSandbox> {
  let talk: Talk;
  let controls: TalkControls;
  const sandbox = await startSandbox<TalkState>(
    options,
    () => initialState(options),
    (request) => dispatch(talk, request),
    httpControls(() => controls),
  );
  if (options.era !== undefined || options.talkVersion !== undefined) {
    sandbox.state.talkVersion = releaseOf(options);
  }
  const waiting = createWaiting(() => sandbox.now(), options.now !== undefined);
  talk = {
    sandbox,
    state: sandbox.state,
    waiting,
    pushes: createBotPushes(() => talk),
    signalingHold: options.signalingHold ?? 50,
    polls: { open: new Map(), peak: new Map() },
  };
  controls = createControls(talk);
  const { advance } = sandbox;
  sandbox.advance = (ms) => {
    advance(ms);
    waiting.wake();
  };
  if (sandbox.state.nextId.room === 1 && options.demoRoom !== false) {
    const members = ['alice', 'bob', 'carol', 'zoë'].filter((id) => Object.hasOwn(sandbox.state.users, id));
    const [owner, ...users] = members;
    if (owner) controls.createRoom({ name: 'Control room', owner, users, token: demoRoomToken });
  }
  return Object.assign(sandbox, controls);
}

function releaseOf(options: TalkSandboxOptions): string {
  const release = options.talkVersion ?? eraVersion[options.era ?? 'E'];
  eraOf(release);
  return release;
}

function initialState(options: TalkSandboxOptions): TalkState {
  const users = options.users ?? [
    { id: 'admin', admin: true },
    { id: 'alice', groups: ['team'] },
    { id: 'bob' },
    { id: 'carol', groups: ['team'] },
    { id: 'zoë', displayName: 'Zoë Müller', password: 'zoë-pässwörd', appPassword: 'zoë-app-pässwörd' },
  ];
  return {
    talkVersion: releaseOf(options),
    maintenance: false,
    bruteForce: options.bruteForce ?? true,
    maxLength: options.maxLength ?? null,
    publicUrl: options.publicUrl ?? null,
    changelog: options.changelog ?? true,
    forcePasswords: options.forcePasswords ?? false,
    pushes: 'on',
    users: Object.fromEntries(users.map(({ appPassword, ...user }) => [user.id, newUser(user, appPassword)])),
    groups: options.groups ?? { team: { displayName: 'team' } },
    rooms: [],
    messages: [],
    bots: [],
    polls: [],
    threads: [],
    scheduled: [],
    reminders: {},
    folders: [],
    files: [],
    phpSessions: {},
    loginFlows: [],
    heldPushes: [],
    attempts: [],
    nextId: { room: 1, attendee: 1, message: 1, bot: 1, poll: 1, file: 1 },
  };
}

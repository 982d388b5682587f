import {
  demoRoomToken,
  startTalkSandbox,
  type TalkSandbox,
  type TalkSandboxOptions,
} from '../../sandbox/talk/index.ts';
import { Replay } from './talk-replay.ts';

const startedAt = 1_795_281_240_000;

/** The clock of the stand-in, in epoch milliseconds. */
export const clock = { now: startedAt };

/** The stand-in that the test has started. */
export let talk: TalkSandbox;

/** Starts the stand-in, on `clock` unless it is to be the real one; answers a client of it. */
export async function start(options: TalkSandboxOptions = {}, isReal = false): Promise<Replay> {
  talk = await startTalkSandbox({ ...(!isReal && { now: () => clock.now }), changelog: false, ...options });
  return new Replay(talk);
}

/** For `afterEach`. */
export async function stop(): Promise<void> {
  await talk.close();
  clock.now = startedAt;
}

export interface Line {
  id: number | string;
  message: string;
  systemMessage: string;
  messageParameters: Record<string, { id: string; name: string }>;
  parent?: Line;
  [field: string]: unknown;
}

export const chat = `/v1/chat/${demoRoomToken}`;

/** Posts a line to the demo room; answers its id. */
export const say = (user: string, message: string) => talk.postMessage({ token: demoRoomToken, user, message }).id;

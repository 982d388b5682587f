import type { Tone } from './parts.tsx';
import type { Connection, Hook, Run, RunState, RunStep } from './readings.ts';
import { ago, moment, now, span, until } from './time.ts';

/** The names of the vendors. */
const titles: Readonly<Record<string, string>> = {
  trunkline: 'Trunkline',
  proptt2: 'ProPTT2',
  talk: 'Nextcloud Talk',
  timetonic: 'TimeTonic',
};
export const vendorTitle = (vendor: string): string => titles[vendor] ?? vendor;

/** The name of a connection by its id, `vendor/name`. */
export const connectionTitle = ({ vendor, name }: { vendor: string; name: string }): string =>
  `${vendorTitle(vendor)} · ${name}`;

export const runTone: Readonly<Record<RunState, Tone>> = {
  running: 'busy',
  succeeded: 'good',
  partial: 'warn',
  failed: 'bad',
  skipped: 'idle',
  suppressed: 'same',
  cancelled: 'idle',
};
export const runWords: Readonly<Record<RunState, string>> = {
  running: 'Running',
  succeeded: 'Done',
  partial: 'Partly done',
  failed: 'Failed',
  skipped: 'Condition not met',
  suppressed: 'Duplicate',
  cancelled: 'Cancelled',
};

export const stepTone: Readonly<Record<RunStep['state'], Tone>> = {
  running: 'busy',
  waiting: 'busy',
  succeeded: 'good',
  failed: 'bad',
  unknown: 'warn',
  skipped: 'idle',
};
export const stepWords: Readonly<Record<RunStep['state'], string>> = {
  running: 'Running',
  waiting: 'Waiting',
  succeeded: 'Done',
  failed: 'Failed',
  unknown: 'Outcome unknown',
  skipped: 'Skipped',
};

/** A number with its noun: `1 run`, `3 runs`. */
export const count = (number: number, one: string, many = `${one}s`): string =>
  `${number} ${number === 1 ? one : many}`;

/** A state with its colour, a word for it, and a sentence that describes it. */
export interface Described {
  tone: Tone;
  word: string;
  sentence: string;
}

/** How late a keepalive or a poll may be before it is shown as late, in milliseconds. */
const lateMs = 60_000;
/** The milliseconds by which something that was due is late; 0 if it is not. */
const lateness = (due: string | undefined): number => {
  const ms = due === undefined ? 0 : now.value - Date.parse(due);
  return ms > lateMs ? ms : 0;
};

export function connectionState(connection: Connection): Described {
  const { session, events = [] } = connection;
  const failing = events.find(({ failures }) => failures > 0);
  if (session.state === 'locked') {
    return {
      tone: 'bad',
      word: 'Locked',
      sentence: `${session.reason ?? 'The credentials were rejected.'} Enter new credentials or check the connection.`,
    };
  }
  if (failing) {
    return { tone: 'warn', word: 'Trouble', sentence: `Reading “${failing.source}”: ${failing.message}` };
  }
  if (session.state === 'none') {
    return { tone: 'idle', word: 'Not used yet', sentence: 'The first call logs in.' };
  }
  const latePoll = Math.max(0, ...events.map(({ nextPollAt }) => lateness(nextPollAt)));
  const lateKeepAlive = lateness(session.nextKeepAliveAt);
  const parts = [
    session.liveSince && `Live since ${moment(session.liveSince)}`,
    session.keptAliveAt && session.nextKeepAliveAt && `keepalive ${ago(session.keptAliveAt)}`,
    session.nextKeepAliveAt &&
      (lateKeepAlive > 0 ? `next one ${span(lateKeepAlive)} late` : `next ${until(session.nextKeepAliveAt)}`),
    typeof connection.settings.hid === 'number' && `host id ${connection.settings.hid}`,
    session.serverVersion && `server ${session.serverVersion}`,
    latePoll > 0 && `events polled ${span(latePoll)} late`,
    session.reason,
  ];
  const word = lateKeepAlive > 0 ? 'Keepalive late' : latePoll > 0 ? 'Polling late' : 'Live';
  return {
    tone: word === 'Live' && session.reason === undefined ? 'good' : 'warn',
    word,
    sentence: `${parts.filter(Boolean).join(', ')}.`.replace('..', '.'),
  };
}

/** How long a hook may receive nothing before it is shown as silent, unless it has its own limit, in seconds. */
const silentAfterSeconds = 24 * 60 * 60;

export function hookState(hook: Hook): Described {
  const { lastRefusal, lastReceivedAt } = hook;
  if (lastRefusal && lastRefusal.at > (lastReceivedAt ?? '')) {
    return {
      tone: 'warn',
      word: 'Refused',
      sentence: `The last post was refused ${ago(lastRefusal.at)}: ${lastRefusal.reason}`,
    };
  }
  if (lastReceivedAt === undefined) return { tone: 'idle', word: 'Unused', sentence: 'Nothing has come in yet.' };
  const silent = now.value - Date.parse(lastReceivedAt) > (hook.silentAfterSeconds ?? silentAfterSeconds) * 1000;
  return {
    tone: silent ? 'warn' : 'good',
    word: silent ? 'Silent' : 'Receiving',
    sentence: `Last post ${ago(lastReceivedAt)}${silent ? ', silent since then' : ''}.`,
  };
}

/** How long a run took, or has taken so far. */
export function duration({ createdAt, endedAt }: { createdAt: string; endedAt?: string }, now: number): string {
  return span((endedAt === undefined ? now : Date.parse(endedAt)) - Date.parse(createdAt));
}

/** Calls that sound or show an alarm to people. */
const alarming = /\/(sendSosToChannel|sendAlertToChannel)$/;
export const isSiren = (call: string | undefined): boolean => call?.endsWith('/sendSosToChannel') ?? false;
export const isAlarm = (call: string | undefined): boolean => call !== undefined && alarming.test(call);

/** What failures have in common: the reason without what differs from run to run. */
export function causeOf({ reason, state }: Pick<Run, 'reason' | 'state'>): string {
  if (reason === undefined || reason === '') return state === 'partial' ? 'Some steps failed' : 'No reason was kept';
  return reason
    .replace(/\b(run|evt)_[\w-]+/g, '…')
    .replace(/https?:\/\/\S+/g, (url) => url.replace(/[?#].*$/, ''))
    .replace(/\b\d{3,}\b/g, (number) => (/^[45]\d\d$/.test(number) ? number : '…'))
    .replace(/\b[0-9a-f]{8,}\b/gi, '…')
    .replace(/\s+/g, ' ')
    .trim();
}

/** The run that a suppressed run gives way to. */
export const runIn = (text: string | undefined): string | undefined =>
  /\brun_[a-z0-9]+_[a-z0-9]+_[0-9a-f]{12}\b/.exec(text ?? '')?.[0];

/** Why a text is not JSON; undefined if it is. */
export function jsonProblem(text: string): string | undefined {
  try {
    JSON.parse(text);
    return undefined;
  } catch (error) {
    return error instanceof Error ? error.message : 'This is not JSON.';
  }
}

import type { Tone } from './parts.tsx';
import type { Alarm, Connection, Hook, Run, RunState, RunStep, TrunklineEvent, Usage } from './readings.ts';
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

export const alarmTone: Readonly<Record<Alarm['state'], Tone>> = {
  raised: 'good',
  raising: 'busy',
  unknown: 'warn',
  failed: 'bad',
};

/** A number with its noun: `1 run`, `3 runs`. */
export const count = (number: number, one: string, many = `${one}s`): string =>
  `${number} ${number === 1 ? one : many}`;

/** A text that begins a sentence. */
export const capital = (text: string): string => text.charAt(0).toUpperCase() + text.slice(1);

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
      sentence: `${capital(session.reason ?? 'The credentials were rejected.')} Enter new credentials or check the connection.`,
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

/** The share of a quota, in percent, above which events are polled less often. */
const sparingPercent = 80;

/** How far the monthly quota of a connection is used, and what that means. */
export function quotaState({ quota }: Pick<Usage, 'quota'>): { tone: Tone; sentence: string } {
  if (!quota) return { tone: 'idle', sentence: 'No monthly limit is set.' };
  const used = `${quota.percent} % of ${quota.limit.toLocaleString()} monthly calls are used`;
  const resets = moment(quota.resetsAt).split(' ').slice(0, 2).join(' ');
  if (quota.reserved) return { tone: 'bad', sentence: `${used}: the rest is kept for alarms until ${resets}.` };
  if (quota.percent >= sparingPercent) return { tone: 'warn', sentence: `${used}: events are polled less often.` };
  return { tone: 'good', sentence: `${used}.` };
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

/** Whether the alarm of a run was raised and acknowledged, and how long that took after the post. */
export function alarmSentence({ call, state, postedAt, raisedAt, acknowledgedAt, reason }: Alarm): string {
  const after = (iso: string) => `${span(Date.parse(iso) - Date.parse(postedAt))} after the post`;
  const [what, done, undone] = isSiren(call)
    ? ['siren', 'sounded', 'did not sound']
    : ['alert', 'was shown', 'was not shown'];
  const acknowledged = acknowledgedAt === undefined ? '' : `, and was acknowledged ${after(acknowledgedAt)}`;
  switch (state) {
    case 'raised':
      return `The ${what} ${done} ${after(raisedAt ?? postedAt)}${acknowledged}.`;
    case 'raising':
      return reason === undefined
        ? `The ${what} is being sent.`
        : `The ${what} is tried again. The last attempt failed: ${reason}`;
    case 'unknown':
      return `The answer was lost: it is not known whether the ${what} ${done}. Ask somebody on the radio.`;
    case 'failed':
      return `The ${what} ${undone}${reason === undefined ? '.' : `: ${reason}`}`;
  }
}

/** The calls of steps, those inside other steps included. */
export function callsOf(steps: unknown): string[] {
  if (Array.isArray(steps)) return steps.flatMap(callsOf);
  if (typeof steps !== 'object' || steps === null) return [];
  const { call: made, ...rest } = steps as Record<string, unknown>;
  const inside = Object.entries(rest).flatMap(([part, value]) => (part === 'input' ? [] : callsOf(value)));
  return typeof made === 'string' ? [made, ...inside] : inside;
}

/** A one-line summary of an event: as many of its plain values as fit, without ids that tell a person nothing. */
export function gist({ data }: TrunklineEvent): string {
  const inner = data.body !== null && typeof data.body === 'object' ? (data.body as Record<string, unknown>) : data;
  const parts = Object.entries(inner).flatMap(([name, value]) =>
    (typeof value === 'string' && value !== '' && !name.endsWith('Id')) ||
    typeof value === 'number' ||
    typeof value === 'boolean'
      ? [`${name} ${String(value).slice(0, 80)}`]
      : [],
  );
  return parts.slice(0, 6).join(' · ');
}

/** A body that means something to automations: the fields that their expressions read, with the values that they look for. */
export function sampleBody(automations: readonly object[]): object {
  const body: Record<string, string> = {};
  const reads = JSON.stringify(automations).matchAll(/event\.data\.body\.(\w+)(?: *= *'([^']*)')?/g);
  for (const [, name = '', value] of reads) body[name] = value ?? body[name] ?? 'test';
  return Object.keys(body).length === 0 ? { test: true } : body;
}

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

/** The id of a run within a text, such as that of the run that a suppressed run gives way to. */
export const runIdIn = /\brun_[a-z0-9]+_[a-z0-9]+_[0-9a-f]{12}\b/;

/** Why a text is not JSON; undefined if it is. */
export function jsonProblem(text: string): string | undefined {
  try {
    JSON.parse(text);
    return undefined;
  } catch (error) {
    return error instanceof Error ? error.message : 'This is not JSON.';
  }
}

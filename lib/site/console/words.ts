import type { Tone } from './parts.tsx';
import type { Connection, Run, RunState, RunStep } from './readings.ts';
import { ago, moment, span, until } from './time.ts';

/** The names of the vendors. */
const titles: Readonly<Record<string, string>> = { proptt2: 'ProPTT2', talk: 'Nextcloud Talk', timetonic: 'TimeTonic' };
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
  skipped: 'Not meant',
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

/** The state of a connection, and a sentence that describes it. */
export function connectionState(connection: Connection): { tone: Tone; word: string; sentence: string } {
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
    return {
      tone: 'warn',
      word: 'Trouble',
      sentence: `Events of “${failing.source}” could not be read ${failing.failures} ${failing.failures === 1 ? 'time' : 'times'} in a row: ${failing.problem ?? 'see the log'}`,
    };
  }
  if (session.state === 'none') {
    return { tone: 'idle', word: 'Not used yet', sentence: 'The first call logs in.' };
  }
  const parts = [
    session.liveSince && `Live since ${moment(session.liveSince)}`,
    session.keptAliveAt && session.nextKeepAliveAt && `keepalive ${ago(session.keptAliveAt)}`,
    session.nextKeepAliveAt && `next ${until(session.nextKeepAliveAt)}`,
    typeof connection.settings.hid === 'number' && `host id ${connection.settings.hid}`,
  ];
  const late = session.nextKeepAliveAt && Date.now() - Date.parse(session.nextKeepAliveAt) > 60_000;
  return {
    tone: late ? 'warn' : 'good',
    word: late ? 'Keepalive late' : 'Live',
    sentence: `${parts.filter(Boolean).join(', ')}.`,
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

import { signal } from '@preact/signals';

/** The current time, updated every second while the page is visible (epoch milliseconds). */
export const now = signal(Date.now());
setInterval(() => {
  if (!document.hidden) now.value = Date.now();
}, 1000);
document.addEventListener('visibilitychange', () => {
  if (!document.hidden) now.value = Date.now();
});

const second = 1000;
const minute = 60 * second;
const hour = 60 * minute;
const day = 24 * hour;

/** A span in the two units that matter, without line breaks: `48 s`, `1 m 12 s`, `3 h 5 m`, `2 d 4 h`. */
export function span(ms: number): string {
  const left = Math.max(0, ms);
  if (left < second) return `${Math.round(left)}\u00A0ms`;
  if (left < 10 * second) return `${(left / second).toFixed(1)}\u00A0s`;
  if (left < minute) return `${Math.floor(left / second)}\u00A0s`;
  if (left < hour) return pair(left, minute, 'm', second, 's');
  if (left < day) return pair(left, hour, 'h', minute, 'm');
  return pair(left, day, 'd', hour, 'h');
}

function pair(ms: number, large: number, largeUnit: string, small: number, smallUnit: string): string {
  const rest = Math.floor((ms % large) / small);
  return `${Math.floor(ms / large)}\u00A0${largeUnit}${rest === 0 ? '' : `\u00A0${rest}\u00A0${smallUnit}`}`;
}

/** How long ago, in whole units: `12 s ago`; `just now` within two seconds. */
export function ago(iso: string): string {
  const ms = now.value - Date.parse(iso);
  return ms < 2 * second ? 'just now' : `${span(Math.floor(ms / second) * second).replace('.0', '')}\u00A0ago`;
}

/** How long until then: `in 1 m 12 s`, or `now` when it is due. */
export function until(iso: string): string {
  const ms = Date.parse(iso) - now.value;
  return ms < second ? 'now' : `in ${span(Math.floor(ms / second) * second).replace('.0', '')}`;
}

const clockForm: Intl.DateTimeFormatOptions = { hour: '2-digit', minute: '2-digit', second: '2-digit', hour12: false };
const localClock = new Intl.DateTimeFormat(undefined, clockForm);
const utcClock = new Intl.DateTimeFormat(undefined, { ...clockForm, timeZone: 'UTC' });
const localDay = new Intl.DateTimeFormat(undefined, { day: 'numeric', month: 'short' });
const zone = new Intl.DateTimeFormat('en', { timeZoneName: 'short' });

export const zoneName = (): string =>
  zone.formatToParts(now.value).find(({ type }) => type === 'timeZoneName')?.value ?? 'local';
export const localTime = (time: number): string => localClock.format(time);
export const utcTime = (time: number): string => utcClock.format(time);

/** The local time, with the day where it is not today. */
export function moment(iso: string): string {
  const time = Date.parse(iso);
  const today = localDay.format(now.value) === localDay.format(time);
  return today ? localClock.format(time) : `${localDay.format(time)} ${localClock.format(time)}`;
}

/** Local time and UTC in full, for a tooltip. */
export function fullTime(iso: string): string {
  return `${new Date(iso).toLocaleString()} ${zoneName()} · ${new Date(iso)
    .toISOString()
    .replace('T', ' ')
    .replace(/\.\d+Z/, ' UTC')}`;
}

/** Milliseconds since the epoch, some days back: a stable number within a minute, so that what is read by it can be shared. */
export function daysAgo(days: number): string {
  return new Date(Math.floor(Date.now() / minute) * minute - days * day).toISOString();
}

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

/** How long ago, in whole units: `12 s ago`; `just now` within two seconds, or where clocks differ; `in 4 h` if it is still to come. */
export function ago(iso: string): string {
  const ms = now.value - Date.parse(iso);
  if (ms < -minute) return until(iso);
  return ms < 2 * second ? 'just now' : `${span(Math.floor(ms / second) * second).replace('.0', '')}\u00A0ago`;
}

/** How long until then: `in 1 m 12 s`, or `now` when it is due. */
export function until(iso: string): string {
  const ms = Date.parse(iso) - now.value;
  return ms < second ? 'now' : `in ${span(Math.floor(ms / second) * second).replace('.0', '')}`;
}

/** By how many minutes the local time is ahead of UTC at a moment. */
const minutesAhead = (time: number): number => -new Date(time).getTimezoneOffset();

/** `2026-11-27 02:11:09` by a clock that is ahead of UTC. `Intl` writes the same, but loading it would delay the first page. */
const digits = (time: number, ahead: number): string =>
  new Date(time + ahead * minute).toISOString().slice(0, 19).replace('T', ' ');

export const utcTime = (time: number): string => digits(time, 0).slice(11);
export const localTime = (time: number): string => digits(time, minutesAhead(time)).slice(11);

/** The local time zone at a moment by its distance from UTC: `UTC+1`, `UTC-3:30`. */
export function zoneName(time: number): string {
  const ahead = minutesAhead(time);
  const [hours, minutes] = [Math.floor(Math.abs(ahead) / 60), Math.abs(ahead) % 60];
  return `UTC${ahead < 0 ? '-' : '+'}${hours}${minutes === 0 ? '' : `:${String(minutes).padStart(2, '0')}`}`;
}

const localDay: Intl.DateTimeFormatOptions = { day: 'numeric', month: 'short' };

/** The local time, with the day where it is not today. */
export function moment(iso: string): string {
  const time = new Date(iso);
  const isToday = time.toDateString() === new Date(now.value).toDateString();
  return `${isToday ? '' : `${time.toLocaleDateString(undefined, localDay)} `}${localTime(time.getTime())}`;
}

/** Local time and UTC in full, for a tooltip. */
export function fullTime(iso: string): string {
  const time = Date.parse(iso);
  return `${digits(time, minutesAhead(time))} ${zoneName(time)} · ${digits(time, 0)} UTC`;
}

/** Milliseconds since the epoch, some days back: a stable number within a minute, so that what is read by it can be shared. */
export function daysAgo(days: number): string {
  return new Date(Math.floor(Date.now() / minute) * minute - days * day).toISOString();
}

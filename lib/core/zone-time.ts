import { LruMap } from './lru-map.ts';

const form =
  /^(?<year>\d{4})(?:(?<dash>-?)(?:(?<month>\d\d)\k<dash>(?<day>\d\d)|W(?<week>\d\d)\k<dash>(?<weekday>[1-7])|(?<ordinal>\d{3})))(?:(?:[T_]|\s+)(?<hour>\d\d)(?:(?<colon>:?)(?<minute>\d\d)(?:\k<colon>(?<second>\d\d))?)?(?:[.,](?<fraction>\d+))?(?:\s?(?<offset>Z|[+-]\d\d(?::?\d\d(?::?\d\d)?)?))?)?$/i;

const secondMs = 1_000;
const minuteMs = 60 * secondMs;
const hourMs = 60 * minuteMs;
const dayMs = 24 * hourMs;
/** By how much a vendor's clock may be ahead of ours. */
const clockSkewMs = 5 * minuteMs;

/**
 * A date with or without a time as epoch milliseconds: ISO 8601 in its extended and basic forms, with a space instead of the `T`
 * too, as databases write it. The zone counts where the text has no offset; without both it throws, as it does for an unknown zone.
 * Undefined if the text is not such a time.
 *
 * In the hour that a change of clocks repeats, the later reading counts unless it lies after `now`: what a vendor reports has
 * happened. Without `now` it is the earlier one. A time that the change skips is taken as if the clocks had not changed.
 */
export function parseTime(text: string, zone?: string, now?: number): number | undefined {
  const trimmed = text.trim();
  const parts = form.exec(trimmed)?.groups;
  // A text of only digits is a number, not a date.
  if (parts === undefined || /^\d+$/.test(trimmed)) return undefined;
  const date = dateOf(parts);
  const time = timeOf(parts);
  if (date === undefined || time === undefined) return undefined;
  const wall = date + time;
  if (parts.offset !== undefined) {
    const offset = offsetOf(parts.offset);
    return offset === undefined ? undefined : wall - offset;
  }
  if (zone === undefined)
    throw new TypeError(`${trimmed} names no time zone: give one, such as $parseTime(x, "Asia/Seoul")`);
  return instantOf(wall, zone, now);
}

type Parts = Record<string, string | undefined>;

/** Midnight of the date, as if in UTC. */
function dateOf({ year, month, day, week, weekday, ordinal }: Parts): number | undefined {
  if (week !== undefined) {
    // The week that holds January 4 is the first.
    const fourth = Date.UTC(Number(year), 0, 4);
    const monday = fourth - ((new Date(fourth).getUTCDay() + 6) % 7) * dayMs;
    const at = monday + ((Number(week) - 1) * 7 + Number(weekday) - 1) * dayMs;
    const thursday = new Date(monday + ((Number(week) - 1) * 7 + 3) * dayMs);
    return thursday.getUTCFullYear() === Number(year) ? at : undefined;
  }
  const at =
    ordinal === undefined
      ? Date.UTC(Number(year), Number(month) - 1, Number(day))
      : Date.UTC(Number(year), 0, Number(ordinal));
  const real = new Date(at);
  if (ordinal !== undefined) return real.getUTCFullYear() === Number(year) && Number(ordinal) > 0 ? at : undefined;
  return real.getUTCMonth() === Number(month) - 1 && real.getUTCDate() === Number(day) ? at : undefined;
}

/** Milliseconds since midnight; 24:00 is the end of the day, and a leap second counts as the next one. */
function timeOf({ hour = '0', minute, second, fraction = '0' }: Parts): number | undefined {
  const unit = second !== undefined ? secondMs : minute !== undefined ? minuteMs : hourMs;
  const [hours, minutes, seconds] = [Number(hour), Number(minute ?? 0), Number(second ?? 0)];
  const rest = Math.floor(Number(`0.${fraction}`) * unit);
  const time = hours * hourMs + minutes * minuteMs + seconds * secondMs + rest;
  return minutes > 59 || seconds > 60 || time > dayMs || (hours === 24 && time !== dayMs) ? undefined : time;
}

function offsetOf(text: string): number | undefined {
  if (text.toUpperCase() === 'Z') return 0;
  const [hours = 0, minutes = 0, seconds = 0] = (text.slice(1).match(/\d\d/g) ?? []).map(Number);
  if (hours > 23 || minutes > 59 || seconds > 59) return undefined;
  return (text.startsWith('-') ? -1 : 1) * (hours * hourMs + minutes * minuteMs + seconds * secondMs);
}

/** The instant at which clocks in a zone show a wall time, given as if it were UTC. */
function instantOf(wall: number, zone: string, now: number | undefined): number {
  const before = zoneOffset(wall - dayMs, zone);
  const after = zoneOffset(wall + dayMs, zone);
  const [earlier, later] = [before, after]
    .filter((offset, at, all) => all.indexOf(offset) === at && zoneOffset(wall - offset, zone) === offset)
    .map((offset) => wall - offset)
    .sort((one, other) => one - other);
  if (earlier === undefined) return wall - before;
  return later !== undefined && now !== undefined && later <= now + clockSkewMs ? later : earlier;
}

const formats = new LruMap<string, Intl.DateTimeFormat>(1000);

/** Milliseconds by which the clocks of a zone are ahead of UTC at an instant. */
function zoneOffset(instant: number, zone: string): number {
  const parts: Record<string, number> = {};
  for (const { type, value } of formatFor(zone).formatToParts(instant)) parts[type] = Number(value);
  const { year = 0, month = 1, day = 1, hour = 0, minute = 0, second = 0 } = parts;
  return Date.UTC(year, month - 1, day, hour, minute, second) - Math.floor(instant / 1000) * 1000;
}

function formatFor(zone: string): Intl.DateTimeFormat {
  let format = formats.get(zone);
  if (format === undefined) {
    try {
      format = new Intl.DateTimeFormat('en-US', {
        timeZone: zone,
        hourCycle: 'h23',
        calendar: 'iso8601',
        year: 'numeric',
        month: 'numeric',
        day: 'numeric',
        hour: 'numeric',
        minute: 'numeric',
        second: 'numeric',
      });
    } catch {
      throw new TypeError(`${zone} is not a time zone; one is called, for example, Europe/Paris or UTC`);
    }
    formats.set(zone, format);
  }
  return format;
}

/** Whether a text is the name of a time zone. */
export function isTimeZone(name: string): boolean {
  try {
    new Intl.DateTimeFormat('en', { timeZone: name });
    return true;
  } catch {
    return false;
  }
}

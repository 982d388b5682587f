const withOffset = /^\d{4}-\d\d-\d\d[T ]\d\d:\d\d(?::\d\d(?:\.\d+)?)?\s?(?:Z|[+-]\d\d:?\d\d)$/i;
const withoutOffset = /^(\d{4})-(\d\d)-(\d\d)(?:[T ](\d\d):(\d\d)(?::(\d\d)(?:\.(\d{1,9}))?)?)?$/;

/**
 * A time as epoch milliseconds: ISO 8601 with an offset, or `YYYY-MM-DD HH:mm:ss` (seconds, or the whole time of day, may be
 * missing) in a named zone. Undefined when the text is no time, so that "no data" stays apart from "long ago". In the hour that
 * a change of clocks repeats it is the first of the two, in the one that it skips the moment after it. Throws for a text without
 * offset when no zone is given, and for an unknown zone.
 */
export function parseTime(text: string, zone?: string): number | undefined {
  const trimmed = text.trim();
  if (withOffset.test(trimmed)) {
    const millis = Date.parse(trimmed.replace(' ', 'T').replace(/\s/, ''));
    return Number.isNaN(millis) ? undefined : millis;
  }
  const found = withoutOffset.exec(trimmed);
  if (found === null) return undefined;
  if (zone === undefined)
    throw new TypeError(`${trimmed} names no time zone: give one, such as $parseTime(x, "Asia/Seoul")`);
  const [, year, month, day, hour = 0, minute = 0, second = 0, fraction = '0'] = found;
  const wall = Date.UTC(Number(year), Number(month) - 1, Number(day), Number(hour), Number(minute), Number(second));
  const real = new Date(wall);
  const whole = real.getUTCMonth() === Number(month) - 1 && real.getUTCDate() === Number(day) && Number(hour) < 24;
  if (!whole || Number(minute) > 59 || Number(second) > 59) return undefined;
  return instantOf(wall, zone) + Number(`0.${fraction}`) * 1000;
}

/** The instant at which clocks in a zone show a wall time, given as if it were UTC. */
function instantOf(wall: number, zone: string): number {
  const day = 86_400_000;
  const before = offsetAt(wall - day, zone);
  const after = offsetAt(wall + day, zone);
  for (const offset of [before, after]) if (offsetAt(wall - offset, zone) === offset) return wall - offset;
  return wall - before;
}

const formats = new Map<string, Intl.DateTimeFormat>();

/** Milliseconds by which the clocks of a zone are ahead of UTC at an instant. */
function offsetAt(instant: number, zone: string): number {
  const parts: Record<string, number> = {};
  for (const { type, value } of formatFor(zone).formatToParts(instant)) parts[type] = Number(value);
  const { year = 0, month = 1, day = 1, hour = 0, minute = 0, second = 0 } = parts;
  return Date.UTC(year, month - 1, day, hour, minute, second) - Math.floor(instant / 1000) * 1000;
}

function formatFor(zone: string): Intl.DateTimeFormat {
  let format = formats.get(zone);
  if (format === undefined) {
    const numeric = 'numeric';
    const shown = {
      year: numeric,
      month: numeric,
      day: numeric,
      hour: numeric,
      minute: numeric,
      second: numeric,
    } as const;
    try {
      format = new Intl.DateTimeFormat('en-US', { ...shown, timeZone: zone, hourCycle: 'h23', calendar: 'iso8601' });
    } catch {
      throw new TypeError(`${zone} is not a time zone; one is called, for example, Europe/Paris or UTC`);
    }
    if (formats.size < 1000) formats.set(zone, format);
  }
  return format;
}

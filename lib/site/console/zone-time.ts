/** The offset of a zone from UTC at a time, in milliseconds. */
function offsetOf(timeZone: string, at: number): number {
  const parts = new Intl.DateTimeFormat('en-GB', {
    timeZone,
    year: 'numeric',
    month: 'numeric',
    day: 'numeric',
    hour: 'numeric',
    minute: 'numeric',
    second: 'numeric',
  }).formatToParts(at);
  const part = (type: string) => Number(parts.find((each) => each.type === type)?.value);
  const local = Date.UTC(part('year'), part('month') - 1, part('day'), part('hour'), part('minute'), part('second'));
  return local - Math.floor(at / 1000) * 1000;
}

/** The time that a vendor's date such as `2026-01-05 02:11:09` means in a zone (epoch milliseconds). */
export function timeIn(timeZone: string, date: string): number {
  const asUtc = Date.parse(`${date.replace(' ', 'T')}Z`);
  // The offset at the time itself, which differs from the one at `asUtc` around a change of the clocks.
  return asUtc - offsetOf(timeZone, asUtc - offsetOf(timeZone, asUtc));
}

/** How far in the future a date may lie because clocks differ, in milliseconds. */
export const toleranceMs = 2 * 60_000;

/** The zone, among those given, in which a date is nearest to now without lying in the future. */
export function likeliestZone(zones: readonly string[], date: string, at: number): string | undefined {
  const ages = zones.map((zone) => ({ zone, age: at - timeIn(zone, date) }));
  return ages.filter(({ age }) => age >= -toleranceMs).sort((one, other) => one.age - other.age)[0]?.zone;
}

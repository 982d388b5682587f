import { parseTime } from '../../core/zone-time.ts';

/** How far in the future a date may lie because clocks differ, in milliseconds. */
export const toleranceMs = 2 * 60_000;

/** The zone, among those given, in which a date is nearest to now without lying in the future. */
export function likeliestZone(zones: readonly string[], date: string, at: number): string | undefined {
  const ages = zones.map((zone) => ({ zone, age: at - (parseTime(date, zone, at) ?? Number.POSITIVE_INFINITY) }));
  return ages.filter(({ age }) => age >= -toleranceMs).sort((one, other) => one.age - other.age)[0]?.zone;
}

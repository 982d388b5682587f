/**
 * JSONata: the time of day in an IANA zone as `HH:MM`. `zone` is a JSONata text. There are two candidates, by the offsets of the day
 * before and the day after; the right one is that which `$parseTime` turns into this moment.
 */
export const timeOfDay = (zone: string): string => `(
  $now := $floor($millis() / 1000) * 1000;
  $day := 86400000;
  $parsed := function($wall) {$parseTime($fromMillis($wall, '[Y0001]-[M01]-[D01] [H01]:[m01]:[s01]'), ${zone})};
  $before := $now + $now - $day - $parsed($now - $day);
  $after := $now + $now + $day - $parsed($now + $day);
  $fromMillis($parsed($after) = $now or $parsed($before) != $now ? $after : $before, '[H01]:[m01]')
)`;

/** JSONata: whether it is between two times of day, such as 22:00 and 06:00. The same time twice is never. */
export const isBetween = (from: string, to: string, zone: string): string => `(
  $time := ${timeOfDay(zone)};
  ${from} < ${to} ? $time >= ${from} and $time < ${to} : ${from} > ${to} and ($time >= ${from} or $time < ${to})
)`;

import { expect, test } from 'vitest';
import { cpuTimeOf, fairClock } from './cpu-time.ts';

test('the clock of a deadline runs with the wall until the limit, and then with the CPU time that was used', () => {
  const time = { wall: 5_000, cpu: 70 };
  const clock = fairClock(
    () => time.wall,
    () => time.cpu,
  );
  clock.start(1_000);
  expect(clock.now()).toBe(5_000);
  time.wall = 6_000;
  expect(clock.now()).toBe(6_000);
  // Other processes had the machine for most of the time.
  Object.assign(time, { wall: 9_000, cpu: 370 });
  expect(clock.now()).toBe(5_300);
  time.cpu = 1_171;
  expect(clock.now()).toBe(6_101);
  // Several threads of a process can use more CPU time than has passed.
  time.cpu = 50_000;
  expect(clock.now()).toBe(9_000);
  clock.start(1_000);
  expect(clock.now()).toBe(9_000);
});

test('the CPU time of a process grows with its work, and is unknown for one that does not exist', () => {
  const before = cpuTimeOf(process.pid) ?? Number.NaN;
  const { user, system } = process.cpuUsage();
  while (process.cpuUsage({ user, system }).user < 50_000);
  expect(cpuTimeOf(process.pid)).toBeGreaterThan(before);
  expect(cpuTimeOf(2 ** 30)).toBeUndefined();
  expect(cpuTimeOf(undefined)).toBeUndefined();
});

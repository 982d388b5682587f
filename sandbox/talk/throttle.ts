import type { TalkState } from './state.ts';

/** What Nextcloud counts per client address: failed logins, unknown room tokens, room passwords, bot signatures. */
export type ThrottleAction = 'login' | 'talkRoomToken' | 'talkRoomPassword' | 'bot';

/** The delay in milliseconds after that many failures in 12 hours. It applies before and again after the controller. */
function throttleDelay(failures: number): number {
  return failures === 0 ? 0 : Math.min(25_000, 100 * 2 ** failures);
}

/** Failures of that kind in the last 12 hours. */
function failuresOf(state: TalkState, action: ThrottleAction, now: number): number {
  return state.attempts.filter((attempt) => attempt.action === action && attempt.at > now - 43_200).length;
}

/** Whether the address is blocked: more than ten failures within 30 minutes, at the longest delay. */
export function isBlocked(state: TalkState, action: ThrottleAction, now: number): boolean {
  if (!state.bruteForce) return false;
  const recent = state.attempts.filter((attempt) => attempt.action === action && attempt.at > now - 1800).length;
  return recent > 10 && throttleDelay(failuresOf(state, action, now)) === 25_000;
}

/** Counts a failure. Returns the delay in milliseconds that follows it. */
export function countFailure(state: TalkState, action: ThrottleAction, about: string, now: number): number {
  if (!state.bruteForce) return 0;
  state.attempts = state.attempts.filter((attempt) => attempt.at > now - 43_200);
  state.attempts.push({ action, at: now, about });
  return throttleDelay(failuresOf(state, action, now));
}

/** Forgets the failures about that user or room, as a success does. */
export function forgiveFailures(state: TalkState, action: ThrottleAction, about: string): void {
  if (!state.attempts.some((attempt) => attempt.action === action && attempt.about === about)) return;
  state.attempts = state.attempts.filter((attempt) => attempt.action !== action || attempt.about !== about);
}

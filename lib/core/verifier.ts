/** A request on a hook as its verifier sees it. Header names are lower case. */
export interface SignedRequest {
  readonly headers: Readonly<Record<string, string | undefined>>;
  /** The raw body, before any parsing. */
  readonly rawBody: Uint8Array;
  /** The URL that was called, as the sender wrote it. Absent if no sender signs it. */
  readonly url?: string;
}

/** Whether the sender is who it should be. `id` is the sender's own id of the message, by which a repeated one is known. */
export type Verdict =
  | { readonly ok: true; readonly id?: string }
  /** `reason` is for the hook's owner and holds no secret; `status` is what the sender is answered. */
  | { readonly ok: false; readonly reason: string; readonly status: number };

/**
 * One way to verify a sender. Each secret is tried, so an old and a new one are valid at the same time; `now` is in epoch
 * milliseconds.
 */
export type Verifier = (request: SignedRequest, secrets: readonly string[], now: number) => Verdict;

/** Seconds by which a signed time may differ from ours. */
export const toleranceSeconds = 300;

/** A refusal of the sender. */
export function refused(reason: string, status = 401): Verdict {
  return { ok: false, reason, status };
}

/** Whether a time in seconds, as a header has it, is near enough to now; undefined when it is. */
export function timeProblem(seconds: string, now: number, tolerance = toleranceSeconds): string | undefined {
  if (!/^\d{1,12}$/.test(seconds)) return 'the timestamp is not a number of seconds';
  const late = now / 1000 - Number(seconds);
  if (late > tolerance) return `the timestamp is ${Math.round(late)} seconds old; ${tolerance} are allowed`;
  if (late < -tolerance) return `the timestamp is ${Math.round(-late)} seconds ahead; check the clocks`;
  return undefined;
}

import { createHash } from 'node:crypto';
import { GatewayError } from '../../../core/errors.ts';
import { type TimetonicCall, timetonicError, title } from '../connection.ts';

/** The outcome of a creation under a name that the caller chose. */
type Fate = { state: 'making' } | { state: 'made'; answer: unknown } | { state: 'unknown' };

const keptSeconds = 24 * 60 * 60;
/** Longer than any request can take: a creation that is still pending after that was lost with its process. */
const maxPendingMs = 30_000;

/** The name under which an object with these properties is recorded. */
export function nameOf(kind: string, properties: unknown): string {
  return `${kind} ${createHash('sha256').update(JSON.stringify(properties)).digest('base64url')}`;
}

/**
 * Creates something at most once per name within a day, because TimeTonic creates it again with every request. A repeat receives
 * the first response. If that was lost, `recover` may find what was created; otherwise the outcome stays `outcome_unknown`.
 */
export async function makeOnce<T extends object>(
  call: TimetonicCall,
  name: string,
  what: string,
  make: () => Promise<T>,
  recover?: () => Promise<T | undefined>,
): Promise<{ answer: T; existing: boolean }> {
  const earlier = await claim(call, name, what);
  if (earlier?.state === 'made') return { answer: earlier.answer as T, existing: true };
  if (earlier?.state === 'unknown') {
    const found = await recover?.();
    if (!found) throw unknown(what);
    await settle(call, name, found);
    return { answer: found, existing: true };
  }
  try {
    const answer = await make();
    await settle(call, name, answer);
    return { answer, existing: false };
  } catch (error) {
    await giveUp(call, name, error);
    throw error;
  }
}

/** Claims a name, or returns its earlier outcome. Throws while another call holds the claim. */
export async function claim(call: TimetonicCall, name: string, what: string): Promise<Fate | undefined> {
  const making: Fate = { state: 'making' };
  if (await call.notes.claim(name, making, keptSeconds)) return undefined;
  const note = await call.notes.read(name);
  const fate = (note?.value ?? { state: 'unknown' }) as Fate;
  if (fate.state !== 'making') return fate;
  if (call.clock.now() - (note?.at ?? 0) > maxPendingMs) return { state: 'unknown' };
  throw timetonicError('idempotency_in_progress', `Another call is writing ${what} just now. Try again in a moment.`, {
    retryAfter: 5,
  });
}

export async function settle(call: TimetonicCall, name: string, answer: unknown): Promise<void> {
  await call.notes.write(name, { state: 'made', answer }, keptSeconds);
}

/** Frees the name if nothing was created for certain; otherwise records that it may have been. */
export async function giveUp(call: TimetonicCall, name: string, error: unknown): Promise<void> {
  const certain = error instanceof GatewayError && error.outcome !== 'unknown';
  await (certain ? call.notes.remove(name) : call.notes.write(name, { state: 'unknown' }, keptSeconds));
}

export function unknown(what: string): GatewayError {
  return timetonicError(
    'outcome_unknown',
    `${title} may have created ${what}, but its response was lost. Check whether it exists; if it does not, send it under another name.`,
    { outcome: 'unknown' },
  );
}

import { GatewayError } from '../../../core/errors.ts';
import { HttpFailure } from '../../../core/http/failure.ts';
import { type TalkCall, talkError } from '../connection.ts';
import { dialectOf } from '../wire/dialect.ts';
import { sessionFor } from '../wire/session-request.ts';
import { readNewest } from './history.ts';
import type { ChatMessage } from './message.ts';

/** Milliseconds before each search for a message whose response was lost. */
const pauses = [300, 1_200, 3_000];
/** The number of newest messages to search. */
const searched = 50;

/** A message that is sent with a reference by which it can be found again. */
export interface Sent {
  token: string;
  referenceId: string;
  doing: string;
}

/**
 * Sends a message once. If the response is lost, the newest messages are searched for its reference: if it is found, the message
 * was sent. If it is not found after a broken connection, it is sent again; a request that may still be in progress is not.
 * Returns the result of `send`, or the message that was found.
 */
export async function sendOnce<T>(call: TalkCall, sent: Sent, send: () => Promise<T>): Promise<T | ChatMessage> {
  try {
    return await send();
  } catch (error) {
    if (!isLost(error)) throw error;
    const found = await search(call, sent);
    if (found !== undefined && found !== 'absent') return found;
    if (found === undefined || !hasBroken(error) || call.signal.aborted) throw named(error, sent);
    try {
      return await send();
    } catch (again) {
      if (!isLost(again)) throw again;
      const late = await search(call, sent);
      if (late !== undefined && late !== 'absent') return late;
      throw named(again, sent);
    }
  }
}

/** The newest message with a reference; undefined if it is not among the newest. */
export async function findSent(call: TalkCall, { token, referenceId, doing }: Sent): Promise<ChatMessage | undefined> {
  const { messages } = await readNewest(call, { token, limit: searched, wait: 0, doing });
  return messages.find((message) => message.referenceId === referenceId);
}

/** Searches for a while, because the server may still be writing it. Undefined if the chat could not be read at the end. */
async function search(call: TalkCall, sent: Sent): Promise<ChatMessage | 'absent' | undefined> {
  // Chat v1 has no references.
  if (dialectOf(await sessionFor(call)).chat !== 'modern') return undefined;
  let outcome: 'absent' | undefined;
  for (const pause of pauses) {
    outcome = undefined;
    try {
      await call.clock.sleep(pause, call.signal);
      const found = await findSent(call, sent);
      if (found) return found;
      outcome = 'absent';
    } catch {
      // A read that fails now may succeed in a moment.
      if (call.signal.aborted) return undefined;
    }
  }
  return outcome;
}

function isLost(error: unknown): error is GatewayError {
  return error instanceof GatewayError && error.code === 'outcome_unknown';
}

/** True when the connection broke: the server does not continue any work that it would carry out much later. */
function hasBroken({ cause }: GatewayError): boolean {
  return cause instanceof HttpFailure && (cause.kind === 'reset' || cause.kind === 'cut-body');
}

function named(error: GatewayError, { referenceId, token }: Sent): GatewayError {
  return talkError(
    error.code,
    `${error.message} It is not among the newest messages of room ${token}; check for its referenceId before you send it again.`,
    {
      outcome: 'unknown',
      referenceId,
      cause: error,
      ...(error.vendorCode !== undefined && { vendorCode: error.vendorCode }),
    },
  );
}

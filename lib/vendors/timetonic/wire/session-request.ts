import { backoff } from '../../../core/clock.ts';
import { GatewayError } from '../../../core/errors.ts';
import type { Effect } from '../../../core/operation.ts';
import { baseOf, type TimetonicCall, type TimetonicLogin, type TimetonicSession } from '../connection.ts';
import { type FormFields, postForm } from './protocol.ts';
import { deadlock } from './refusal.ts';

export const defaultVersion = '1.47';

/** How often a request that the vendor ended in a deadlock is repeated. */
const deadlockRepeats = 3;

/** One request of api.php: its name, its fields, and whether a deadlock means that nothing was done. */
export interface ApiRequest {
  req: string;
  fields: FormFields;
  effect: Effect;
  timeoutMs?: number;
  /** False if a deadlock may leave the work half done: then it is not repeated. */
  repeatDeadlock?: boolean;
}

/** Sends a request in a live session, as the connection's user. */
export function sessionRequest(call: TimetonicCall, request: ApiRequest): Promise<Record<string, unknown>> {
  return call.withSession((session) => requestWithSession(session, call, request));
}

/** The same in a given session: nothing is renewed. */
export function requestWithSession(
  session: TimetonicSession,
  call: TimetonicLogin,
  request: ApiRequest,
): Promise<Record<string, unknown>> {
  const caller = callerFields(call, session);
  const { o_u, sesskey } = caller;
  return requestWithoutSession(call, { ...request, fields: { ...caller, ...request.fields, o_u, sesskey } });
}

/** Sends a request without a session. */
export async function requestWithoutSession(
  call: TimetonicLogin,
  request: ApiRequest,
): Promise<Record<string, unknown>> {
  const { req, fields, effect, timeoutMs, repeatDeadlock = true } = request;
  const { settings } = call.connection;
  for (let repeat = 0; ; repeat++) {
    try {
      const own = { version: settings.apiVersion ?? defaultVersion, req };
      const all = { ...own, ...fields, ...own };
      const asking = { effect, doing: req, now: call.clock.now(), ...(timeoutMs !== undefined && { timeoutMs }) };
      return await postForm(call, `${baseOf(settings)}/api.php`, all, asking);
    } catch (error) {
      const again = repeatDeadlock && repeat < deadlockRepeats && isDeadlock(error) && !call.signal.aborted;
      if (!again) throw error;
      await call.clock.sleep(backoff(repeat, 100, 1500, call.random), call.signal).catch(() => undefined);
    }
  }
}

/** The caller's identity, which every request contains. */
export function callerFields(
  call: TimetonicLogin,
  session: TimetonicSession,
): { o_u: string; u_c: string; sesskey: string } {
  const { user } = call.connection.settings;
  return { o_u: user, u_c: user, sesskey: session.sesskey };
}

export function isDeadlock(error: unknown): error is GatewayError {
  return error instanceof GatewayError && error.vendorCode === deadlock;
}

import { type TimetonicCall, type TimetonicSession, timetonicError, title } from '../connection.ts';
import { callerFields, defaultVersion, requestWithSession } from '../wire/session-request.ts';
import { openSocket, SocketClosed, type Wire } from '../wire/socket.ts';

/** Attach has no response, and the document gives two numbers for it: one in its example, the other in its text. */
const attachTypes = [7, 4];
const ping = 9;
const pingAck = 10;
/** The timeout for a ping. */
const answerTimeoutMs = 2_500;
const highestStamp = '9223372036854775807';

/** The fields that an attached socket sends with every frame. */
export type Caller = { version: string; o_u: string; u_c: string; sesskey: string };

/** Runs a function on an attached socket; a dead session is renewed once, before anything else was sent. */
export function onSocket<T>(call: TimetonicCall, run: (wire: Wire, caller: Caller) => Promise<T>): Promise<T> {
  return call.withSession(async (session) => {
    const wire = await openSocket(call);
    const caller = { version: call.connection.settings.apiVersion ?? defaultVersion, ...callerFields(call, session) };
    try {
      await attach(call, wire, caller, session);
      return await run(wire, caller);
    } finally {
      wire.close();
    }
  });
}

/** Attaches and confirms with a ping; if neither number is answered, checks over HTTP whether the key is dead. */
async function attach(call: TimetonicCall, wire: Wire, caller: Caller, session: TimetonicSession): Promise<void> {
  const known = call.memory.get('attach') as number | undefined;
  const types = known === undefined ? attachTypes : [known, ...attachTypes.filter((type) => type !== known)];
  let closed: SocketClosed | undefined;
  for (const type of types) {
    try {
      wire.send({ type, ...caller });
      wire.send({ type: ping, ...caller });
      const ack = await wire.next((frame) => frame.type === pingAck, answerTimeoutMs);
      if (ack === undefined) continue;
      if (ack.status !== undefined && ack.status !== 'ok') break;
      call.memory.set('attach', type);
      return;
    } catch (error) {
      if (!(error instanceof SocketClosed)) throw error;
      closed = error;
      break;
    }
  }
  call.memory.delete('attach');
  if (call.signal.aborted) throw timetonicError('vendor_timeout', `The time was up before ${title}'s socket answered.`);
  await requestWithSession(session, call, { req: 'getUserInfo', fields: { sstamp: highestStamp }, effect: 'session' });
  if (closed) throw closed;
  if (wire.garbage > 0) {
    throw timetonicError(
      'vendor_malformed',
      `${title}'s socket answered with ${wire.garbage} frames that cannot be read. Is socketUrl right?`,
    );
  }
  throw timetonicError(
    'vendor_timeout',
    `${title}'s socket took neither form of attach within ${(answerTimeoutMs * types.length) / 1000} s, though the session is alive.`,
  );
}

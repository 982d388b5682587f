import { GatewayError } from '../../../core/errors.ts';
import { wireName } from '../../../core/field.ts';
import { carryOut, type Operation, type SendRequest } from '../../../core/operation.ts';
import type { VendorAnswer } from '../../../core/vendor.ts';
import type { TalkCall } from '../connection.ts';
import { targetOf } from './attendee.ts';
import { routeOf, type TalkRoute } from './dialect.ts';
import { explainMissing, refuseKnownMissing } from './missing.ts';
import type { OcsAnswer } from './protocol.ts';
import type { TalkRequest } from './request.ts';
import { sessionRequest } from './session-request.ts';

/** Carries out one declared operation. */
export async function send(
  name: string,
  operation: Operation,
  input: Record<string, unknown>,
  call: TalkCall,
): Promise<VendorAnswer> {
  const shape = operation.input();
  // Of requests that are not of the table, or whose answer was lost and found out otherwise, what they make is new.
  let created = operation.creates ?? false;
  const one: SendRequest<TalkRoute> = async (route, given) => {
    const fields = Object.fromEntries(
      Object.entries(given).map(([field, value]) => [shape[field] ? wireName(field, shape[field]) : field, value]),
    );
    const effect = route.startsWith('GET ') ? 'read' : operation.effect;
    const answer = await request(call, { route, fields, effect, doing: name, meanings: operation.errors });
    // 202 for a room: it was created, but somebody could not be invited.
    if (routeOf(route).leaves) await noteLeft(call, String(fields.token));
    created = answer.status === 201 || (answer.status === 202 && route === 'POST room');
    return answer.data;
  };
  const body = await carryOut(operation, input, one, call);
  return { body, status: created ? 201 : 200 };
}

/** How long this connection remembers that it left a room itself, in seconds: until a poll has certainly seen it. */
const leftRoomSeconds = 30 * 60;

/** Whether this connection recently left or deleted a room itself. */
export async function hasLeft({ notes }: TalkCall, token: string): Promise<boolean> {
  return (await notes.read(`left ${token}`)) !== undefined;
}

async function noteLeft({ notes }: TalkCall, token: string): Promise<void> {
  // The server has carried it out; failing to record it must not report otherwise.
  await notes.write(`left ${token}`, true, leftRoomSeconds).catch(() => undefined);
}

/** One request of the dialect table: finds participants by the given name, and explains a 404. */
export async function request(call: TalkCall, wanted: TalkRequest): Promise<OcsAnswer> {
  const { counted, target } = routeOf(wanted.route);
  if (counted) refuseKnownMissing(call, wanted.fields.token);
  try {
    return await sessionRequest(call, {
      ...wanted,
      ...(target && { fieldsIn: (dialect) => targetOf(call, wanted, dialect) }),
    });
  } catch (error) {
    const missing = error instanceof GatewayError && error.code === 'vendor_not_found' && error.vendorCode === '404';
    throw missing ? await explainMissing(call, wanted, error) : error;
  }
}

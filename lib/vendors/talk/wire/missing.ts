import { type ErrorCode, GatewayError } from '../../../core/errors.ts';
import { LruMap } from '../../../core/lru-map.ts';
import type { TalkCall } from '../connection.ts';
import { dialectOf, routeOf } from './dialect.ts';
import { type Exchange, exchange, sessionFor } from './exchange.ts';
import { recordOf } from './protocol.ts';

/** How long a token that was not found is not asked for again, in milliseconds: servers count every such question. */
const missingFor = 30_000;
const maxMissing = 1_000;

type Seat = 'missing' | 'outside' | 'inside';

/** Throws `room_not_found` for a token that was not found a moment ago. */
export function refuseKnownMissing(call: TalkCall, token: unknown): void {
  if (isKnownMissing(call, String(token))) throw roomNotFound(String(token));
}

/** What a 404 means: the room, the account's place in it, or the person or message that was named. One look at the room tells. */
export async function explainMissing(call: TalkCall, request: Exchange, problem: GatewayError): Promise<GatewayError> {
  const { route, fields, doing } = request;
  if (fields.token === undefined) return notFound('user_not_found', 'user or group', fields.invite, doing, 'invite');
  const token = String(fields.token);
  const seat = routeOf(route).counted ? 'missing' : await seatIn(call, token);
  if (seat === undefined) return problem;
  if (seat === 'missing') {
    missingTokens(call).set(token, call.clock.now() + missingFor);
    return roomNotFound(token);
  }
  if (seat === 'outside') {
    return typed('not_participant', `The account is not a participant of the room ${token} (${doing}).`, 'token');
  }
  if (routeOf(route).cookies) {
    const ended = `This connection has not joined the room ${token}, or its session there has ended: call joinRoom first`;
    return typed('not_participant', `${ended} (${doing}).`, 'token');
  }
  for (const name of ['participant', 'newParticipant']) {
    if (fields[name] !== undefined) return userNotFound(fields[name], doing, name);
  }
  if (fields.messageId === undefined) return problem;
  return notFound('vendor_not_found', 'message, or no such reaction to it:', fields.messageId, doing, 'messageId');
}

/** The refusal for a person who is not there. */
export function userNotFound(person: unknown, doing: string, name = 'participant'): GatewayError {
  return notFound('user_not_found', 'participant or user', person, doing, name);
}

async function seatIn(call: TalkCall, token: string): Promise<Seat | undefined> {
  if (isKnownMissing(call, token)) return 'missing';
  try {
    const look = { route: 'GET room/{token}', fields: { token }, effect: 'read', doing: 'a look at the room' } as const;
    const room = recordOf((await exchange(call, look)).data) ?? {};
    if (call.connection.settings.guest) return 'inside';
    const session = await sessionFor(call);
    // A public room shows itself to anybody, but names people only to those who are in it.
    const people = recordOf(room.participants) ?? {};
    const member =
      dialectOf(session).rooms === 'v4' ? room.actorId === session.userId : Object.hasOwn(people, session.userId);
    return member ? 'inside' : 'outside';
  } catch (error) {
    return error instanceof GatewayError && error.code === 'vendor_not_found' ? 'missing' : undefined;
  }
}

function isKnownMissing(call: TalkCall, token: string): boolean {
  return (missingTokens(call).get(token) ?? 0) > call.clock.now();
}

/** Tokens that were not found, each with the time until which that counts. */
function missingTokens(call: TalkCall): Map<string, number> {
  // Only this function writes it.
  const known = call.memory.get('missing') as Map<string, number> | undefined;
  if (known) return known;
  const made = new LruMap<string, number>(maxMissing);
  call.memory.set('missing', made);
  return made;
}

function roomNotFound(token: string): GatewayError {
  return typed('room_not_found', `There is no room ${token}, or the account is not in it.`, 'token');
}

function notFound(code: ErrorCode, noun: string, value: unknown, doing: string, name: string): GatewayError {
  const shown = value === undefined ? '' : ` ${JSON.stringify(String(value).slice(0, 80))}`;
  return typed(code, `There is no such ${noun}${shown} (${doing}).`, name);
}

function typed(code: ErrorCode, message: string, name: string): GatewayError {
  const errors = [{ pointer: `/${name}`, message: 'was not found' }];
  return new GatewayError(code, message, { vendor: 'talk', vendorCode: '404', outcome: 'refused', errors });
}

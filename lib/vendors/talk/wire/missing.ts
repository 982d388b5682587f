import type { DeclaredCode, ErrorCode, GatewayError } from '../../../core/errors.ts';
import { LruMap } from '../../../core/lru-map.ts';
import { type TalkCall, talkError } from '../connection.ts';
import { errorCodes } from '../error-codes.ts';
import { routeOf } from './dialect.ts';
import { recordOf } from './protocol.ts';
import type { TalkRequest } from './request.ts';
import { sessionRequest } from './session-request.ts';

/**
 * How long an unknown token is not requested again, in milliseconds: servers count every such request against our address, and
 * after ten in half an hour block everybody behind it. Each repetition doubles it.
 */
const tokenBlockMs = 30_000;
const maxTokenBlockMs = 16 * 60_000;
const maxMissing = 1_000;

/** An unknown token: until when this counts, and how often in a row it was unknown. */
interface Missing {
  until: number;
  times: number;
}

/** Throws `room_not_found` for a token that was recently unknown. */
export function refuseKnownMissing(call: TalkCall, token: unknown): void {
  const known = missingTokens(call).get(String(token));
  if (known && known.until > call.clock.now()) throw roomNotFound(String(token));
}

/**
 * Determines the cause of a 404: the room, the account's membership, or the person or message that was named. It uses the list of
 * rooms, which servers do not count as an attempt to guess a token; no counted request is sent to explain an error.
 */
export async function explainMissing(
  call: TalkCall,
  request: TalkRequest,
  problem: GatewayError,
): Promise<GatewayError> {
  const { route, fields, doing } = request;
  if (fields.token === undefined)
    return fields.invite === undefined
      ? problem
      : notFound(errorCodes.user_not_found, 'user or group', fields.invite, doing, 'invite');
  const token = String(fields.token);
  if (routeOf(route).counted) {
    noteMissing(call, token);
    return roomNotFound(token);
  }
  if (call.connection.settings.guest) return notJoined(token, doing);
  const isIn = await isInRoom(call, token);
  if (isIn === undefined) return problem;
  if (!isIn) return roomNotFound(token);
  if (routeOf(route).cookies) return notJoined(token, doing);
  for (const name of ['participant', 'newParticipant']) {
    if (fields[name] !== undefined) return userNotFound(fields[name], doing, name);
  }
  if (fields.messageId === undefined) return problem;
  return notFound('vendor_not_found', 'message, or no such reaction to it:', fields.messageId, doing, 'messageId');
}

/** The refusal for a person who does not exist. */
export function userNotFound(person: unknown, doing: string, name = 'participant'): GatewayError {
  return notFound(errorCodes.user_not_found, 'participant or user', person, doing, name);
}

/** Whether the account is in a room, by its list of rooms; undefined if unknown. A guest has no list. */
async function isInRoom(call: TalkCall, token: string): Promise<boolean | undefined> {
  try {
    const list = { route: 'GET room', fields: {}, effect: 'read', doing: 'the list of rooms' } as const;
    const { data } = await sessionRequest(call, list);
    return Array.isArray(data) ? data.some((room) => recordOf(room)?.token === token) : undefined;
  } catch {
    return undefined;
  }
}

function noteMissing(call: TalkCall, token: string): void {
  const known = missingTokens(call);
  const times = (known.get(token)?.times ?? 0) + 1;
  const pause = Math.min(tokenBlockMs * 2 ** (times - 1), maxTokenBlockMs);
  known.set(token, { until: call.clock.now() + pause, times });
}

function missingTokens(call: TalkCall): Map<string, Missing> {
  // Only this function writes it.
  const known = call.memory.get('missing') as Map<string, Missing> | undefined;
  if (known) return known;
  const made = new LruMap<string, Missing>(maxMissing);
  call.memory.set('missing', made);
  return made;
}

/** The refusal for requests that need the session of a joined room. */
export function notJoined(token: string, doing: string): GatewayError {
  const ended = `This connection has not joined the room ${token}, or its session there has ended: call joinRoom first`;
  return typed(errorCodes.not_participant, `${ended} (${doing}).`, 'token');
}

function roomNotFound(token: string): GatewayError {
  return typed(errorCodes.room_not_found, `There is no room ${token}, or the account is not in it.`, 'token');
}

function notFound(
  code: ErrorCode | DeclaredCode,
  noun: string,
  value: unknown,
  doing: string,
  name: string,
): GatewayError {
  const shown = value === undefined ? '' : ` ${JSON.stringify(String(value).slice(0, 80))}`;
  return typed(code, `There is no such ${noun}${shown} (${doing}).`, name);
}

function typed(code: ErrorCode | DeclaredCode, message: string, name: string): GatewayError {
  const errors = [{ pointer: `/${name}`, message: 'was not found' }];
  return talkError(code, message, { vendorCode: '404', outcome: 'refused', errors });
}

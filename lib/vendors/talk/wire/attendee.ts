import type { TalkCall } from '../connection.ts';
import { type Dialect, routeOf } from './dialect.ts';
import { userNotFound } from './missing.ts';
import { recordOf } from './protocol.ts';
import type { TalkRequest } from './request.ts';
import { sessionRequest } from './session-request.ts';

/** A row of a v4 participant list, limited to the fields that are read. */
interface Row {
  attendeeId?: unknown;
  actorType?: unknown;
  actorId?: unknown;
  sessionIds?: unknown;
}

/** `attendees/17`: a row of the participant list that has no user id or session. */
const byAttendee = /^attendees\/(\d{1,15})$/;
/** Longer than any user id: the session id of a guest. */
const longestUserId = 64;

/** The fields of a request in the server's form: v4 names the participant by attendee id, which the list contains. */
export async function targetOf(
  call: TalkCall,
  request: TalkRequest,
  dialect: Dialect,
): Promise<Readonly<Record<string, unknown>>> {
  const { target } = routeOf(request.route);
  if (target === undefined) return request.fields;
  const { participant, ...fields } = request.fields;
  // The request addresses everybody.
  if (participant === undefined) return fields;
  const wanted = String(participant);
  if (dialect.rooms === 'v1') {
    const isSession = target === 'person' && wanted.length > longestUserId;
    return isSession ? { ...fields, sessionId: wanted } : request.fields;
  }
  const byId = byAttendee.exec(wanted)?.[1];
  return { ...fields, attendeeId: byId === undefined ? await attendeeId(call, request, wanted) : Number(byId) };
}

async function attendeeId(call: TalkCall, request: TalkRequest, wanted: string): Promise<number> {
  const { token } = request.fields;
  const { data } = await sessionRequest(call, {
    route: 'GET room/{token}/participants',
    fields: { token },
    effect: 'read',
    doing: `the list of participants for ${request.doing}`,
  });
  const rows: Row[] = Array.isArray(data) ? data.map((each) => recordOf(each) ?? {}) : [];
  const guest = routeOf(request.route).target === 'guest';
  const found = (guest ? guestTests : personTests)
    .map((fits) => rows.find((row) => fits(row, wanted)))
    .find((row) => row !== undefined);
  if (typeof found?.attendeeId !== 'number') throw userNotFound(wanted, request.doing);
  return found.attendeeId;
}

type Test = (row: Row, wanted: string) => boolean;

const hasSession: Test = (row, wanted) => Array.isArray(row.sessionIds) && row.sessionIds.includes(wanted);
const isGuest: Test = (row, wanted) => row.actorType === 'guests' && row.actorId === wanted;
const isUser: Test = (row, wanted) => row.actorType === 'users' && row.actorId === wanted;

/** Tried in this order: an account before a guest's session, and both before groups, circles and e-mail guests with that id. */
const personTests: readonly Test[] = [isUser, hasSession, isGuest, (row, wanted) => row.actorId === wanted];
const guestTests: readonly Test[] = [(row, wanted) => row.actorType === 'guests' && hasSession(row, wanted), isGuest];

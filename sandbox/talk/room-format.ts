import { createHash } from 'node:crypto';
import { formatMessage } from './message-format.ts';
import { findMessage, lastCommonRead, unreadCount } from './messages.ts';
import type { Attendee, Room, TalkSession } from './state.ts';
import { currentEra, isInLobby, isTalk, moderates, seconds, type Talk } from './talk.ts';

/** The viewer of a room: an attendee with the session in its cookies, or nobody yet (a guest before joining). */
interface Looker {
  attendee: Attendee | undefined;
  session: TalkSession | undefined;
  /** The guest joined in this same request, so the server has not read its default values yet. */
  fresh?: boolean;
}

/** A room as a server of that version shows it. */
export function formatRoom(talk: Talk, room: Room, looker: Looker): Record<string, unknown> {
  const era = currentEra(talk);
  if (era === 'E') return formatV4(talk, room, looker);
  return formatV1(talk, room, looker, era === 'C');
}

/** The sessions that count as in the call: those that pinged within the last 30 seconds. */
export function sessionsInCall(talk: Talk, room: Room): { attendee: Attendee; session: TalkSession }[] {
  const limit = seconds(talk) - 30;
  return room.attendees.flatMap((attendee) =>
    attendee.sessions
      .filter((session) => session.inCall > 0 && session.lastPing > limit)
      .map((session) => ({ attendee, session })),
  );
}

/** The name that an account sees: a one-to-one room is named after the other participant. */
export function roomNames(talk: Talk, room: Room, viewer: Attendee | undefined): { name: string; displayName: string } {
  if (room.type === 4) return { name: viewer?.actorId ?? '', displayName: 'Talk updates ✅' };
  if (room.type !== 1) {
    if (room.name !== '') return { name: room.name, displayName: room.name };
    const others = room.attendees.filter((one) => one !== viewer && one.displayName !== '');
    return { name: '', displayName: others.map((one) => one.displayName).join(', ') };
  }
  const other = room.attendees.find((one) => one.actorId !== viewer?.actorId);
  if (other) return { name: other.actorId, displayName: other.displayName };
  // The other participant left: its id stays as the room's name.
  const left = room.name.split('/').find((id) => id !== viewer?.actorId) ?? '';
  return { name: left, displayName: talk.state.users[left]?.displayName ?? left };
}

function formatV1(talk: Talk, room: Room, { attendee, session }: Looker, eraC: boolean): Record<string, unknown> {
  const alive = seconds(talk) - 100;
  const users = room.attendees.filter((one) => one.actorType === 'users');
  const map = Object.fromEntries(
    users.map((one) => {
      const flags = one.sessions[0]?.inCall ?? 0;
      const basics = { name: one.displayName, type: one.type };
      if (!eraC) return [one.actorId, { ...basics, call: flags > 0 }];
      return [one.actorId, { ...basics, call: flags, sessionId: one.sessions[0]?.id ?? '0' }];
    }),
  );
  const named = roomNames(talk, room, attendee);
  const inCall = session?.inCall ?? 0;
  const ids = { id: room.id, token: room.token, type: room.type };
  const seat = { lastPing: session?.lastPing ?? 0, sessionId: session?.id ?? '0' };
  const counted = {
    count: room.attendees.filter((one) => one.sessions.some((some) => some.lastPing > seconds(talk) - 30)).length,
    hasPassword: room.password !== '',
    hasCall: attendee !== undefined && room.call !== null,
  };
  const people = {
    participants: attendee && users.length > 0 ? map : [],
    numGuests: attendee
      ? room.attendees.filter((one) => one.actorType === 'guests' && one.sessions.some((some) => some.lastPing > alive))
          .length
      : 0,
    guestList: '',
  };
  if (!eraC) {
    const type = attendee?.type ?? 4;
    return { ...ids, ...named, participantType: type, participantInCall: inCall > 0, ...counted, ...seat, ...people };
  }
  return {
    ...ids,
    ...(attendee ? named : { name: '', displayName: '' }),
    objectType: '',
    objectId: '',
    participantType: attendee?.type ?? 4,
    participantInCall: (inCall & 1) === 1,
    participantFlags: inCall,
    readOnly: attendee ? room.readOnly : 0,
    ...counted,
    ...(attendee ? {} : { count: 0 }),
    lastActivity: attendee ? room.lastActivity : 0,
    unreadMessages: attendee ? unreadCount(talk, room, attendee) : 0,
    unreadMention: attendee !== undefined && attendee.lastMention > attendee.lastRead,
    isFavorite: false,
    notificationLevel: attendee?.actorType === 'users' ? (room.type === 1 ? 1 : 2) : 3,
    ...seat,
    ...people,
    lastMessage: attendee ? lastLine(talk, room, attendee) : [],
    ...(isTalk(talk, '7') ? sinceTalk7(room, attendee) : {}),
  };
}

function sinceTalk7(room: Room, attendee: Attendee | undefined): object {
  const lobby = { lobbyState: attendee ? room.lobby : 0, lobbyTimer: attendee ? room.lobbyTimer : 0 };
  return { ...lobby, lastReadMessage: attendee?.lastRead ?? 0, canStartCall: attendee !== undefined };
}

function formatV4(talk: Talk, room: Room, { attendee, session, fresh }: Looker): Record<string, unknown> {
  const user = attendee?.actorType === 'users';
  const custom = attendee ? 0 : 1;
  const data: Record<string, unknown> = {
    id: room.id,
    token: room.token,
    type: room.type,
    ...(attendee ? roomNames(talk, room, attendee) : { name: '', displayName: '' }),
    objectType: '',
    objectId: '',
    participantType: attendee?.type ?? 4,
    participantFlags: session?.inCall ?? 0,
    readOnly: attendee ? room.readOnly : 0,
    hasPassword: room.password !== '',
    hasCall: attendee !== undefined && room.call !== null,
    callStartTime: attendee ? (room.call?.since ?? 0) : 0,
    callRecording: 0,
    canStartCall: attendee !== undefined,
    lastActivity: attendee ? room.lastActivity : 0,
    lastReadMessage: attendee?.lastRead ?? 0,
    unreadMessages: attendee ? unreadCount(talk, room, attendee) : 0,
    unreadMention: attendee !== undefined && attendee.lastMention > attendee.lastRead,
    unreadMentionDirect: attendee !== undefined && attendee.lastMentionDirect > attendee.lastRead,
    isFavorite: fresh ? null : false,
    canLeaveConversation: user,
    canDeleteConversation: attendee !== undefined && user && moderates(attendee) && room.type !== 1 && room.type !== 4,
    notificationLevel: fresh ? null : user ? (room.type === 1 ? 1 : 2) : 3,
    notificationCalls: fresh ? null : attendee ? 1 : 0,
    lobbyState: attendee ? room.lobby : 0,
    lobbyTimer: attendee ? room.lobbyTimer : 0,
    lastPing: session?.lastPing ?? 0,
    sessionId: session?.id ?? '0',
    lastMessage: attendee ? lastLine(talk, room, attendee) : [],
    sipEnabled: 0,
    actorType: attendee?.actorType ?? '',
    actorId: attendee?.actorId ?? '',
    attendeeId: attendee?.id ?? 0,
    permissions: attendee ? permissionsOf(attendee) : 1,
    attendeePermissions: custom,
    callPermissions: custom,
    defaultPermissions: custom,
    canEnableSIP: false,
    attendeePin: '',
    description: attendee ? room.description : '',
    lastCommonReadMessage: attendee && !fresh ? lastCommonRead(room) : 0,
    listable: 0,
    callFlag: attendee ? sessionsInCall(talk, room).reduce((flags, one) => flags | one.session.inCall, 0) : 0,
    messageExpiration: 0,
  };
  if (isTalk(talk, '17')) Object.assign(data, { avatarVersion: avatarOf(room), isCustomAvatar: false });
  if (isTalk(talk, '16')) Object.assign(data, { breakoutRoomMode: 0, breakoutRoomStatus: 0 });
  if (isTalk(talk, '18')) data.recordingConsent = 0;
  if (isTalk(talk, '20')) data.mentionPermissions = 0;
  if (isTalk(talk, '20.1')) data.isArchived = false;
  if (isTalk(talk, '21.1')) Object.assign(data, { isImportant: false, isSensitive: false });
  if (attendee && isInLobby(room, attendee)) {
    Object.assign(data, { hasCall: false, callFlag: 0, lastMessage: [], unreadMessages: 0, unreadMention: false });
  }
  return data;
}

/** 254 for moderators; 246 for everybody else, who may do the same except ignore the lobby. */
export function permissionsOf(attendee: Attendee): number {
  return moderates(attendee) ? 254 : 246;
}

function lastLine(talk: Talk, room: Room, attendee: Attendee): unknown {
  const message = room.lastMessage === 0 ? undefined : findMessage(talk, room, room.lastMessage);
  return message ? formatMessage(talk, room, message, attendee, false) : [];
}

function avatarOf(room: Room): string {
  return createHash('sha1').update(`avatar ${room.type}`).digest('hex').slice(0, 8);
}

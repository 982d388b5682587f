import { addSystemMessage } from './messages.ts';
import { type ActorType, type Attendee, type Author, nextId, type Room, randomText, tokenAlphabet } from './state.ts';
import { seconds, type Talk } from './talk.ts';

/** Makes an empty room; without `token` it gets a random one. */
export function makeRoom(talk: Talk, type: Room['type'], name: string, token?: string): Room {
  const room: Room = {
    id: nextId(talk.state, 'room'),
    token: token ?? randomText(8, tokenAlphabet),
    type,
    name,
    password: '',
    description: '',
    readOnly: 0,
    lobby: 0,
    lobbyTimer: 0,
    lastActivity: seconds(talk),
    lastMessage: 0,
    call: null,
    attendees: [],
    bots: [],
    expiration: 0,
    pinned: [],
    recording: 0,
    killedSessions: [],
  };
  talk.state.rooms.push(room);
  return room;
}

/** Adds an attendee who has read everything so far. */
export function addAttendee(
  talk: Talk,
  room: Room,
  actorType: ActorType,
  actorId: string,
  type: Attendee['type'],
  displayName: string,
): Attendee {
  const attendee: Attendee = {
    id: nextId(talk.state, 'attendee'),
    actorType,
    actorId,
    displayName,
    type,
    lastRead: room.lastMessage,
    lastMention: 0,
    lastMentionDirect: 0,
    notificationLevel: 0,
    sessions: [],
  };
  room.attendees.push(attendee);
  return attendee;
}

/** Adds an account, with a system line if somebody added it. */
export function addUser(talk: Talk, room: Room, userId: string, type: Attendee['type'], by?: Author): Attendee {
  const name = talk.state.users[userId]?.displayName ?? userId;
  const attendee = addAttendee(talk, room, 'users', userId, type, name);
  if (by) addSystemMessage(talk, room, by, 'user_added', { user: userId });
  return attendee;
}

/** Adds the members of a group who are not in the room yet; v4 keeps the group itself as a row. */
export function addGroup(talk: Talk, room: Room, groupId: string, by: Author, withRow: boolean): void {
  const known = room.attendees.some((one) => one.actorType === 'groups' && one.actorId === groupId);
  const members = Object.values(talk.state.users).filter(
    (user) => user.groups.includes(groupId) && !room.attendees.some((one) => one.actorId === user.id),
  );
  if (withRow && !known) {
    addAttendee(talk, room, 'groups', groupId, 3, talk.state.groups[groupId]?.displayName ?? groupId);
    addSystemMessage(talk, room, by, 'group_added', { group: groupId });
  }
  for (const user of members) addUser(talk, room, user.id, 3, by);
}

/** Removes an attendee and its sessions from the room. */
export function dropAttendee(room: Room, attendee: Attendee): void {
  room.attendees = room.attendees.filter((one) => one !== attendee);
}

/** Deletes a room and everything in it. */
export function deleteRoom(talk: Talk, room: Room): void {
  talk.state.rooms = talk.state.rooms.filter((one) => one !== room);
  talk.state.messages = talk.state.messages.filter((message) => message.token !== room.token);
  talk.state.polls = talk.state.polls.filter((poll) => poll.token !== room.token);
  talk.waiting.wake(room.token);
}

/** The accounts of a room. */
export function usersOf(room: Room): Attendee[] {
  return room.attendees.filter((one) => one.actorType === 'users');
}

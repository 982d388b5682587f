import type { Attendee, Message, Room } from './state.ts';
import type { Talk } from './talk.ts';

/** A Rich Object String: text with placeholders, and the objects that they stand for. */
interface RichText {
  message: string;
  parameters: Record<string, object>;
  /** Replaces the stored message name where it depends on the reader. */
  name?: string;
}

/** The text after `{actor}` or `You`, for lines that differ only in the actor. */
const deeds: Record<string, string> = {
  conversation_created: 'created the conversation',
  description_set: 'set the description',
  description_removed: 'removed the description',
  call_started: 'started a call',
  call_joined: 'joined the call',
  call_left: 'left the call',
  read_only: 'locked the conversation',
  read_only_off: 'unlocked the conversation',
  lobby_none: 'opened the conversation to everyone',
  lobby_non_moderators: 'restricted the conversation to moderators',
  guests_allowed: 'allowed guests',
  guests_disallowed: 'disallowed guests',
  password_set: 'set a password',
  password_removed: 'removed the password',
  message_deleted: 'deleted a message',
  message_edited: 'edited a message',
  reaction_revoked: 'deleted a reaction',
  group_added: 'added group {group}',
  group_removed: 'removed group {group}',
  poll_closed: 'ended the poll {poll}',
  thread_created: 'created thread {title}',
  thread_renamed: 'renamed thread {title}',
  recording_started: 'started the video recording',
  recording_stopped: 'stopped the video recording',
  audio_recording_started: 'started the audio recording',
  audio_recording_stopped: 'stopped the audio recording',
};

/** Lines about another participant: the text before and after that participant's name. */
const aboutUser: Record<string, [string, string]> = {
  user_added: ['added', ''],
  user_removed: ['removed', ''],
  moderator_promoted: ['promoted', ' to moderator'],
  moderator_demoted: ['demoted', ' from moderator'],
  guest_moderator_promoted: ['promoted', ' to moderator'],
  guest_moderator_demoted: ['demoted', ' from moderator'],
};

/** The text of a system line as that attendee reads it, or as a bot reads it if there is no attendee. */
export function systemText(talk: Talk, room: Room, line: Message, reader: Attendee | undefined): RichText {
  const actor = actorObject(talk, room, line.actorType, line.actorId);
  const own = reader !== undefined && reader.actorType === line.actorType && reader.actorId === line.actorId;
  const subject = own && actor.type !== 'highlight' ? 'You' : '{actor}';
  const params = line.params as Record<string, string | number | string[]>;

  if (Object.hasOwn(deeds, line.text)) {
    const parameters: Record<string, object> = { actor };
    if (params.group !== undefined) parameters.group = groupObject(talk, String(params.group));
    if (params.poll !== undefined) parameters.poll = params.poll as unknown as object;
    if (params.title !== undefined)
      parameters.title = { type: 'highlight', id: `thread/${params.thread}`, name: String(params.title) };
    return { message: `${subject} ${deeds[line.text]}`, parameters };
  }
  const words = Object.hasOwn(aboutUser, line.text) ? aboutUser[line.text] : undefined;
  if (words) {
    const user = personObject(talk, room, params);
    if (user.id === actor.id) {
      const deed = line.text === 'user_added' ? 'joined' : 'left';
      return { message: `${subject} ${deed} the conversation`, parameters: { actor, user } };
    }
    const object = reader !== undefined && readerId(reader) === user.id && subject !== 'You' ? 'you' : '{user}';
    return { message: `${subject} ${words[0]} ${object}${words[1]}`, parameters: { actor, user } };
  }
  switch (line.text) {
    case 'conversation_renamed':
      return {
        message: `${subject} renamed the conversation from "${params.oldName}" to "${params.newName}"`,
        parameters: { actor },
      };
    case 'lobby_timer_reached':
      return { message: 'The conversation is now open to everyone', parameters: { actor } };
    case 'poll_voted':
      return {
        message: 'Someone voted on the poll {poll}',
        parameters: { poll: params.poll as unknown as object },
      };
    case 'call_missed':
      return missedCall(talk, room, line, reader);
    default:
      return callEnd(talk, room, line, actor);
  }
}

/** An actor as a Rich Object. Accounts that do not exist, which includes bots, are shown as a deleted user. */
export function actorObject(talk: Talk, room: Room, actorType: string, actorId: string): Record<string, string> {
  if (actorType === 'guests') {
    const guest = room.attendees.find((one) => one.actorType === 'guests' && one.actorId === actorId);
    return { type: 'guest', id: `guest/${actorId}`, name: guest?.displayName || 'Guest' };
  }
  const user =
    actorType === 'users' && Object.hasOwn(talk.state.users, actorId) ? talk.state.users[actorId] : undefined;
  if (user) return { type: 'user', id: actorId, name: user.displayName };
  return { type: 'highlight', id: 'deleted_user', name: 'Deleted user' };
}

function personObject(talk: Talk, room: Room, params: Record<string, unknown>): Record<string, string> {
  if (params.session !== undefined) return actorObject(talk, room, 'guests', String(params.session));
  return actorObject(talk, room, 'users', String(params.user));
}

function readerId(reader: Attendee): string {
  return reader.actorType === 'guests' ? `guest/${reader.actorId}` : reader.actorId;
}

function groupObject(talk: Talk, id: string): object {
  return { type: 'group', id, name: talk.state.groups[id]?.displayName ?? id };
}

function missedCall(talk: Talk, room: Room, line: Message, reader: Attendee | undefined): RichText {
  const tried = reader?.actorId === line.actorId;
  const other = room.attendees.find((one) => one.actorId !== line.actorId)?.actorId ?? '';
  const user = actorObject(talk, room, 'users', tried ? other : line.actorId);
  return tried
    ? { message: 'You tried to call {user}', parameters: { user }, name: 'call_tried' }
    : { message: 'You missed a call from {user}', parameters: { user } };
}

/** "Call with A, B and 2 guests (Duration 1:05)", or who ended it with whom. */
function callEnd(talk: Talk, room: Room, line: Message, actor: Record<string, string>): RichText {
  const everyone = line.text === 'call_ended_everyone';
  const guests = Number(line.params.guests);
  const taken = (line.params.users as string[]).filter((id) => !everyone || id !== actor.id).sort();
  const parameters: Record<string, object> = { actor };
  const shown = taken.slice(0, taken.length > 5 ? 4 : 5);
  const names = shown.map((id, at) => {
    parameters[`user${at + 1}`] = actorObject(talk, room, 'users', id);
    return `{user${at + 1}}`;
  });
  const others = taken.length - shown.length;
  if (others > 0) names.push(`${others} others`);
  // A call of one account names its guests even when there were none, unless it was ended for everyone.
  if (guests > 0 || taken.length === 0 || (taken.length === 1 && !everyone)) {
    names.push(`${guests} ${guests === 1 ? 'guest' : 'guests'}`);
  }
  const last = names.pop();
  const list = names.length === 0 ? last : `${names.join(', ')} and ${last}`;
  const start = everyone ? '{actor} ended the call with' : 'Call with';
  return { message: `${start} ${list} (Duration ${duration(Number(line.params.duration))})`, parameters };
}

function duration(seconds: number): string {
  const two = (value: number) => String(value).padStart(2, '0');
  const hours = Math.floor(seconds / 3600);
  const minutes = Math.floor((seconds % 3600) / 60);
  return hours > 0 ? `${hours}:${two(minutes)}:${two(seconds % 60)}` : `${minutes}:${two(seconds % 60)}`;
}

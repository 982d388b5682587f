import { addMessage, addSystemMessage, authorOf } from './messages.ts';
import { type Answer, Stop } from './ocs.ts';
import { failed } from './rooms.ts';
import { type Attendee, nextId, type Poll } from './state.ts';
import { int, moderates, requireSeat, type Seat, type TalkRequest, text } from './talk.ts';

/** `POST /poll/{token}` (Talk 15): a question with two or more options, shared into the chat. */
export function createPoll(r: TalkRequest): Answer {
  const { room, attendee } = requireSeat(r, { writable: true, pastLobby: true });
  if (room.type !== 2 && room.type !== 3) return failed(r, 400, 'room');
  const question = text(r, 'question').trim();
  if (question === '' || question.length > 32_000) return failed(r, 400, 'question');
  const given = Array.isArray(r.input.options) ? r.input.options : [];
  const options = given.map((one) => String(one).trim()).filter((one) => one !== '');
  if (given.some((one) => typeof one !== 'string') || options.length < 2) return failed(r, 400, 'options');

  const author = authorOf(attendee);
  const poll: Poll = {
    id: nextId(r.talk.state, 'poll'),
    token: room.token,
    question,
    options,
    resultMode: int(r, 'resultMode') === 1 ? 1 : 0,
    maxVotes: Math.max(0, int(r, 'maxVotes')),
    status: 0,
    ...author,
    votes: [],
  };
  r.talk.state.polls.push(poll);
  const params = pollObject(poll);
  const line = addMessage(r.talk, room, author, { verb: 'object_shared', text: 'object_shared', params });
  r.talk.pushes.systemMessage(room, line);
  return { status: 201, data: formatPoll(poll, attendee) };
}

/** `GET`, `POST` (vote) and `DELETE` (close) `/poll/{token}/{pollId}`. */
export function pollRoute(r: TalkRequest): Answer {
  const seat = requireSeat(r, { pastLobby: true });
  const poll = r.talk.state.polls.find((one) => one.id === int(r, 'pollId') && one.token === seat.room.token);
  if (!poll) throw new Stop(404, failed(r, 404, 'poll').data);
  if (r.raw.method === 'GET') return { status: 200, data: formatPoll(poll, seat.attendee) };
  return r.raw.method === 'POST' ? vote(r, seat, poll) : close(r, seat, poll);
}

function vote(r: TalkRequest, { room, attendee }: Seat, poll: Poll): Answer {
  const chosen = Array.isArray(r.input.optionIds) ? r.input.optionIds.map(Number) : [];
  const known = chosen.every((id) => Number.isInteger(id) && id >= 0 && id < poll.options.length);
  if (!known || poll.status === 1) return failed(r, 400, 'options');
  if (poll.maxVotes > 0 && chosen.length > poll.maxVotes) return failed(r, 400, 'options');
  const author = authorOf(attendee);
  poll.votes = poll.votes.filter((one) => one.actorId !== author.actorId || one.actorType !== author.actorType);
  for (const optionId of chosen) poll.votes.push({ ...author, optionId });
  addSystemMessage(r.talk, room, author, 'poll_voted', { poll: pollObject(poll) });
  return { status: 201, data: formatPoll(poll, attendee) };
}

function close(r: TalkRequest, { room, attendee }: Seat, poll: Poll): Answer {
  if (!isAuthor(poll, attendee) && !moderates(attendee)) return failed(r, 403, 'poll');
  if (poll.status === 1) return failed(r, 400, 'poll');
  poll.status = 1;
  addSystemMessage(r.talk, room, authorOf(attendee), 'poll_closed', { poll: pollObject(poll) });
  return { status: 200, data: formatPoll(poll, attendee) };
}

function pollObject(poll: Poll): Record<string, unknown> {
  return { type: 'talk-poll', id: String(poll.id), name: poll.question };
}

function isAuthor(poll: Poll, attendee: Attendee): boolean {
  return poll.actorType === attendee.actorType && poll.actorId === attendee.actorId;
}

/** The result shows once the reader has voted in a public poll, or the poll is closed. */
function formatPoll(poll: Poll, reader: Attendee): object {
  const own = poll.votes.filter((one) => one.actorType === reader.actorType && one.actorId === reader.actorId);
  const closed = poll.status === 1;
  const open = closed || (own.length > 0 && poll.resultMode === 0);
  const votes: Record<string, number> = {};
  for (const { optionId } of poll.votes) votes[`option-${optionId}`] = (votes[`option-${optionId}`] ?? 0) + 1;
  const voters = new Set(poll.votes.map((one) => `${one.actorType}/${one.actorId}`)).size;
  return {
    id: poll.id,
    question: poll.question,
    options: poll.options,
    votes: open && poll.votes.length > 0 ? votes : [],
    actorType: poll.actorType,
    actorId: poll.actorId,
    actorDisplayName: poll.actorName,
    status: poll.status,
    resultMode: poll.resultMode,
    maxVotes: poll.maxVotes,
    numVoters: open || isAuthor(poll, reader) || moderates(reader) ? voters : 0,
    votedSelf: own.map((one) => one.optionId),
    ...(closed && poll.resultMode === 0
      ? { details: poll.votes.map(({ actorName, ...one }) => ({ ...one, actorDisplayName: actorName })) }
      : {}),
  };
}

import type { FoundEvent, Identified } from '../../../core/event-type.ts';
import type { TalkEventType } from './event-types.ts';
import type { Line, Viewer } from './line.ts';

/**
 * One source's report of a reaction. A chat read knows the line (`line`), but not the emoji of a removed reaction; a push knows
 * the emoji, but not the line.
 */
interface Told {
  added: boolean;
  emoji?: string | undefined;
  line?: number | undefined;
  /** The delivery of a push. */
  push?: string | undefined;
  /** Epoch seconds. */
  at: number;
}

/** One reaction from its addition to its removal, with the line and the push that reported either. */
interface Turn {
  emoji?: string | undefined;
  addedLine?: number | undefined;
  addedPush?: string | undefined;
  removedLine?: number | undefined;
  removedPush?: string | undefined;
  /** Its line was read after the reaction had been removed: the next removal belongs to it. */
  over?: boolean | undefined;
  /** Its removal has the id of a turn of its own, because a line was read before a push said which of several emoji it was. */
  closed?: boolean | undefined;
  /** When it was added, epoch seconds. */
  at: number;
}

/** The number of reactions dropped from the list. */
interface Ledger {
  /** How many were forgotten. */
  first: number;
  turns: Turn[];
}

const maxTurns = 50;
/** A push and the line that it tells of are at most this many seconds apart, the difference of the clocks included. */
const pushWindow = 300;

/** A reaction that was added or taken back; `identifyReaction` decides which of the actor's reactions it is. */
export function reactionEvent(
  viewer: Viewer,
  on: Pick<Line, 'token' | 'roomName' | 'actorType' | 'actorId' | 'actorDisplayName' | 'time'> & { messageId: number },
  told: Omit<Told, 'at'>,
): FoundEvent {
  const { token, roomName, actorType, actorId, actorDisplayName, messageId } = on;
  const subject = `${viewer.place}/${token}/${messageId}/${actorType}/${actorId}`;
  const type: TalkEventType = told.added ? 'talk.reaction.added' : 'talk.reaction.removed';
  return {
    type,
    id: subject,
    timestamp: on.time,
    data: { token, roomName, messageId, reaction: told.emoji ?? null, actorType, actorId, actorDisplayName },
    unidentified: { subject, told: { ...told, at: Math.floor(Date.parse(on.time) / 1000) } satisfies Told },
  };
}

/**
 * Pairs what pushes and reads tell of the same reaction. A reaction may be added, taken back and added again: each turn is a fact of
 * its own, and has one id whichever source tells it first.
 */
export function identifyReaction(known: unknown, event: FoundEvent): Identified {
  // Only this function and `reactionEvent` write these.
  const before = (known ?? { first: 1, turns: [] }) as Ledger;
  const told = event.unidentified?.told as Told;
  const turns = before.turns.map((turn) => ({ ...turn }));
  const found = told.added ? findAdded(turns, told) : findRemoved(turns, told);
  const turn: Turn = found ?? { at: told.at };
  if (!found) turns.push(turn);
  turn.emoji ??= told.emoji;
  if (told.added) {
    turn.addedLine ??= told.line;
    turn.addedPush ??= told.push;
    if (told.line !== undefined) {
      turn.at = told.at;
      if (told.emoji === undefined) turn.over = true;
    }
  } else {
    if (told.push !== undefined && isUnpaired(turn)) closeTurn(turns, turn, told.emoji);
    turn.removedLine ??= told.line;
    turn.removedPush ??= told.push;
  }
  const number = before.first + turns.indexOf(turn);
  const forgotten = Math.max(0, turns.length - maxTurns);
  const ledger: Ledger = { first: before.first + forgotten, turns: turns.slice(forgotten) };
  // A line whose reaction was taken back does not say what it was: only a push can tell that it was added.
  if (told.added && told.emoji === undefined) return { known: ledger, event: undefined };
  const { unidentified: _, ...rest } = event;
  const data = { ...rest.data, reaction: turn.emoji ?? null };
  return { known: ledger, event: { ...rest, id: `${event.id}/${number}`, data } };
}

function findAdded(turns: readonly Turn[], { line, push, emoji, at }: Told): Turn | undefined {
  const fits = (turn: Turn) => turn.emoji === undefined || emoji === undefined || turn.emoji === emoji;
  if (line !== undefined) {
    return (
      turns.find((turn) => turn.addedLine === line) ??
      turns.find((turn) => turn.addedLine === undefined && turn.removedLine === undefined && fits(turn))
    );
  }
  return (
    turns.find((turn) => turn.addedPush === push) ??
    turns.find(
      (turn) =>
        turn.addedPush === undefined &&
        turn.removedPush === undefined &&
        fits(turn) &&
        Math.abs(turn.at - at) <= pushWindow,
    )
  );
}

function findRemoved(turns: readonly Turn[], { line, push, emoji, at }: Told): Turn | undefined {
  if (line !== undefined) {
    const open = turns.filter((turn) => turn.removedLine === undefined && !turn.closed);
    return (
      turns.find((turn) => turn.removedLine === line) ??
      open.find((turn) => turn.over || turn.removedPush !== undefined) ??
      // With several emoji at once, the server does not say which of them it was.
      (open.length === 1 ? open[0] : undefined)
    );
  }
  const same = turns.filter(
    (turn) => turn.removedPush === undefined && !turn.closed && (turn.emoji ?? emoji) === emoji,
  );
  return (
    turns.find((turn) => turn.removedPush === push) ??
    turns.find((turn) => isUnpaired(turn) && Math.abs(turn.at - at) <= pushWindow) ??
    same.find((turn) => turn.addedPush !== undefined) ??
    same.find((turn) => turn.removedLine === undefined) ??
    same.find((turn) => Math.abs(turn.at - at) <= pushWindow)
  );
}

/** True for a removal that a line told of when several emoji were open, so that nobody knew which of them it was. */
function isUnpaired(turn: Turn): boolean {
  const { addedLine, addedPush, removedLine, removedPush } = turn;
  return addedLine === undefined && addedPush === undefined && removedLine !== undefined && removedPush === undefined;
}

/** Ends the open turn of an emoji whose removal was told under another turn. */
function closeTurn(turns: readonly Turn[], removal: Turn, emoji: string | undefined): void {
  const open = turns.find(
    (turn) =>
      turn !== removal &&
      turn.removedLine === undefined &&
      turn.removedPush === undefined &&
      !turn.closed &&
      turn.emoji === emoji,
  );
  if (open) open.closed = true;
}

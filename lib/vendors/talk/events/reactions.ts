import type { FoundEvent, Identified } from '../../../core/event-type.ts';
import type { Line, Viewer } from './chat-line.ts';
import type { TalkEventType } from './event-types.ts';

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
  /** A push that may still name the emoji of this removed reaction: until then, the removal is no event. */
  awaitsPush?: boolean | undefined;
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
  /** Its removal has the id of a separate turn, because a line was read before a push identified the emoji among several. */
  closed?: boolean | undefined;
  /** When it was added, epoch seconds. */
  at: number;
}

/** The reactions of one actor to one message, oldest first. */
interface Ledger {
  /** The number of reactions dropped from the list. */
  first: number;
  turns: Turn[];
}

const maxTurns = 50;
/** The maximum distance in seconds between a push and the line of the same reaction, including clock differences. */
export const pushWindow = 300;

/** A reaction that was added or removed; `identifyReaction` decides which of the actor's reactions it is. */
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

/** The same removal as a read reports it while a push may still name its emoji; undefined for every other event. */
export function awaitingPush(event: FoundEvent): FoundEvent | undefined {
  const { type, unidentified } = event;
  if (unidentified === undefined || type !== ('talk.reaction.removed' satisfies TalkEventType)) return undefined;
  // Only `reactionEvent` writes it.
  const told = unidentified.told as Told;
  return { ...event, unidentified: { ...unidentified, told: { ...told, awaitsPush: true } satisfies Told } };
}

/**
 * Pairs the reports of pushes and reads about the same reaction. A reaction may be added, removed and added again: each turn is a
 * separate fact, with the same id whichever source reports it first.
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
  // A line whose reaction was removed does not show its emoji: only a push can report the addition.
  if (told.added && told.emoji === undefined) return { known: ledger, event: undefined };
  if (told.awaitsPush && turn.emoji === undefined) return { known: ledger, event: undefined };
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
      // With several emoji at once, the server does not report which of them it was.
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

/** True for a removal that a line reported while several emoji were open, so that its emoji was unknown. */
function isUnpaired(turn: Turn): boolean {
  const { addedLine, addedPush, removedLine, removedPush } = turn;
  return addedLine === undefined && addedPush === undefined && removedLine !== undefined && removedPush === undefined;
}

/** Ends the open turn of an emoji whose removal was reported under another turn. */
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

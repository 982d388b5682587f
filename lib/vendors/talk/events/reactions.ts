import type { FoundEvent, Identified } from '../../../core/event-type.ts';
import type { Line, Viewer } from './chat-line.ts';
import type { TalkEventType } from './event-types.ts';

/**
 * One source's report of a reaction. A chat read knows the line (`line`), but not the emoji of a removed reaction; a push knows
 * the emoji, but not the line.
 */
interface Report {
  added: boolean;
  emoji?: string | undefined;
  line?: number | undefined;
  /** The delivery of a push. */
  push?: string | undefined;
  /** A push may still name the emoji of this removed reaction. Until then, the removal is not an event. */
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
export const pushWindowSeconds = 300;

/** A reaction that was added or removed; `identifyReaction` decides which of the actor's reactions it is. */
export function reactionEvent(
  viewer: Viewer,
  on: Pick<Line, 'token' | 'roomName' | 'actorType' | 'actorId' | 'actorDisplayName' | 'time'> & { messageId: number },
  report: Omit<Report, 'at'>,
): FoundEvent {
  const { token, roomName, actorType, actorId, actorDisplayName, messageId } = on;
  const subject = `${viewer.place}/${token}/${messageId}/${actorType}/${actorId}`;
  const type: TalkEventType = report.added ? 'talk.reaction.added' : 'talk.reaction.removed';
  return {
    type,
    id: subject,
    timestamp: on.time,
    data: { token, roomName, messageId, reaction: report.emoji ?? null, actorType, actorId, actorDisplayName },
    unidentified: { subject, report: { ...report, at: Math.floor(Date.parse(on.time) / 1000) } satisfies Report },
  };
}

/** The same removal as a read reports it while a push may still name its emoji; undefined for every other event. */
export function awaitingPush(event: FoundEvent): FoundEvent | undefined {
  const { type, unidentified } = event;
  if (unidentified === undefined || type !== ('talk.reaction.removed' satisfies TalkEventType)) return undefined;
  // Only `reactionEvent` writes it.
  const report = unidentified.report as Report;
  return { ...event, unidentified: { ...unidentified, report: { ...report, awaitsPush: true } satisfies Report } };
}

/**
 * Pairs the reports of pushes and reads about the same reaction. A reaction may be added, removed and added again: each turn is a
 * separate fact, with the same id whichever source reports it first.
 */
export function identifyReaction(known: unknown, event: FoundEvent): Identified {
  // Only this function and `reactionEvent` write these.
  const before = (known ?? { first: 1, turns: [] }) as Ledger;
  const report = event.unidentified?.report as Report;
  const turns = before.turns.map((turn) => ({ ...turn }));
  const found = report.added ? findAdded(turns, report) : findRemoved(turns, report);
  const turn: Turn = found ?? { at: report.at };
  if (!found) turns.push(turn);
  turn.emoji ??= report.emoji;
  if (report.added) {
    turn.addedLine ??= report.line;
    turn.addedPush ??= report.push;
    if (report.line !== undefined) {
      turn.at = report.at;
      if (report.emoji === undefined) turn.over = true;
    }
  } else {
    if (report.push !== undefined && isUnpaired(turn)) closeTurn(turns, turn, report.emoji);
    turn.removedLine ??= report.line;
    turn.removedPush ??= report.push;
  }
  const number = before.first + turns.indexOf(turn);
  const forgotten = Math.max(0, turns.length - maxTurns);
  const ledger: Ledger = { first: before.first + forgotten, turns: turns.slice(forgotten) };
  // A line whose reaction was removed does not show its emoji: only a push can report the addition.
  if (report.added && report.emoji === undefined) return { known: ledger, event: undefined };
  if (report.awaitsPush && turn.emoji === undefined) return { known: ledger, event: undefined };
  const { unidentified: _, ...rest } = event;
  const data = { ...rest.data, reaction: turn.emoji ?? null };
  return { known: ledger, event: { ...rest, id: `${event.id}/${number}`, data } };
}

function findAdded(turns: readonly Turn[], { line, push, emoji, at }: Report): Turn | undefined {
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
        Math.abs(turn.at - at) <= pushWindowSeconds,
    )
  );
}

function findRemoved(turns: readonly Turn[], { line, push, emoji, at }: Report): Turn | undefined {
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
    turns.find((turn) => isUnpaired(turn) && Math.abs(turn.at - at) <= pushWindowSeconds) ??
    same.find((turn) => turn.addedPush !== undefined) ??
    same.find((turn) => turn.removedLine === undefined) ??
    same.find((turn) => Math.abs(turn.at - at) <= pushWindowSeconds)
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

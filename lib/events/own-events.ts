import type { PauseState } from '../api/pause/pause.ts';
import type { Write } from '../store/table.ts';
import { type Appended, appendEvents, type LogServices, type NewEvent } from './log.ts';
import { type OwnEventType, ownEventTypes, resumption } from './own-event-types.ts';
import type { Subject } from './reading.ts';

/**
 * An event emitted by Trunkline itself. `id` identifies the fact among those of its type; `about` is the connection whose readers
 * may see it.
 */
export interface OwnEvent {
  type: OwnEventType;
  id: string;
  data: Record<string, unknown>;
  about?: Subject;
}

/** Appends an own event; appending the same fact again has no effect. */
export function appendOwnEvent(services: LogServices, event: OwnEvent): Promise<Appended> {
  return appendEvents(services, [newOwnEvent(services, event)]);
}

/**
 * Appends that sending was resumed, which also ends the waits for it, in one transaction with the write that ends the pause. False
 * if that was refused.
 */
export async function appendResumption(
  services: LogServices,
  { since, by, reason }: PauseState,
  resumedBy: string,
  end: Write,
): Promise<boolean> {
  const pausedAt = new Date(since).toISOString();
  const data = { pausedAt, pausedBy: by, ...(reason !== undefined && { reason }), resumedBy };
  const event = newOwnEvent(services, { type: resumption, id: String(since), data });
  return (await appendEvents(services, [event], { move: end, guard: end })).covered;
}

function newOwnEvent({ clock }: LogServices, { type, id, data, about }: OwnEvent): NewEvent {
  return {
    vendor: 'trunkline',
    connection: about?.connection ?? 'trunkline',
    type,
    id,
    readBy: ownEventTypes[type].readBy,
    timestamp: new Date(clock.now()).toISOString(),
    data,
    ...(about && { about }),
  };
}

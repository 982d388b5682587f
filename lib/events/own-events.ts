import type { PauseState } from '../api/pause/pause.ts';
import { type Appended, appendEvents, type LogServices } from './log.ts';
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
export function appendOwnEvent(services: LogServices, { type, id, data, about }: OwnEvent): Promise<Appended> {
  return appendEvents(services, [
    {
      vendor: 'trunkline',
      connection: about?.connection ?? 'trunkline',
      type,
      id,
      readBy: ownEventTypes[type].readBy,
      timestamp: new Date(services.clock.now()).toISOString(),
      data,
      ...(about && { about }),
    },
  ]);
}

/** Appends that sending was resumed, which also ends the waits for it. */
export async function appendResumption(services: LogServices, pause: PauseState, resumedBy: string): Promise<void> {
  const { since, by, reason } = pause;
  await appendOwnEvent(services, {
    type: resumption,
    id: String(since),
    data: { pausedAt: new Date(since).toISOString(), pausedBy: by, ...(reason !== undefined && { reason }), resumedBy },
  });
}

import { type Appended, appendEvents, type LogServices } from './log.ts';
import { type OwnEventType, ownEventTypes } from './own-event-types.ts';
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

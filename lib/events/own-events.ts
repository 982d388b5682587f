import { type Appended, appendEvents, type LogServices } from './log.ts';
import type { ownEventTypes } from './own-event-types.ts';

/** The prefix of hook ids. An id takes the place of an event's connection, and therefore has the form of a slug. */
export const hookPrefix = 'hook-';

export type OwnEventType = keyof typeof ownEventTypes;

/**
 * An event emitted by Trunkline itself. `id` identifies the fact among those of its type; `about` is the connection whose readers
 * may see it.
 */
export interface OwnEvent {
  type: OwnEventType;
  id: string;
  data: Record<string, unknown>;
  about?: { vendor: string; connection: string };
}

/** Appends an own event; appending the same fact again has no effect. */
export function appendOwnEvent(services: LogServices, { type, id, data, about }: OwnEvent): Promise<Appended> {
  return appendEvents(services, [
    {
      vendor: 'trunkline',
      connection: about?.connection ?? 'trunkline',
      type,
      id,
      timestamp: new Date(services.clock.now()).toISOString(),
      data,
      ...(about && { about }),
    },
  ]);
}

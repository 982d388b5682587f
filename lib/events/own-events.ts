import { type Appended, appendEvents, type LogServices } from './log.ts';
import type { ownEventTypes } from './own-event-types.ts';

/** How the ids of hooks begin: an id stands where an event has its connection, and so has the form of a slug. */
export const hookPrefix = 'hook-';

export type OwnEventType = keyof typeof ownEventTypes;

/** An event of our own. `id` names the fact among those of its type; `about` the connection whose readers may see it. */
export interface OwnEvent {
  type: OwnEventType;
  id: string;
  data: Record<string, unknown>;
  about?: { vendor: string; connection: string };
}

/** Appends an event of our own; the same fact is appended once. */
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

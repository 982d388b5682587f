import type { EventType } from '../core/event-type.ts';
import type { EventCatalogue } from '../core/vendor.ts';
import { matchesType } from './list.ts';
import { ownEventTypes } from './own-event-types.ts';

/** An event type with its name and owner. */
export interface KnownEventType extends EventType {
  type: string;
  vendor: string;
}

/** All existing event types, sorted by name; a type that several sources find is listed once. */
export function eventTypesOf(vendors: EventCatalogue): KnownEventType[] {
  const all = new Map<string, KnownEventType>();
  for (const { name: vendor, events } of Object.values(vendors)) {
    for (const { types } of Object.values(events)) {
      for (const [type, declared] of Object.entries(types)) all.set(type, { ...declared, type, vendor });
    }
  }
  for (const [type, declared] of Object.entries(ownEventTypes))
    all.set(type, { ...declared, type, vendor: 'trunkline' });
  return [...all.values()].sort((one, other) => (one.type < other.type ? -1 : 1));
}

/** True when a pattern (`talk.*`) matches at least one existing type. */
export function isKnownPattern(types: readonly KnownEventType[], pattern: string): boolean {
  return types.some(({ type }) => matchesType(pattern, type));
}

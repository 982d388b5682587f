import type { Listening } from '../events/listening.ts';
import type { Table } from '../store/table.ts';
import { type AutomationItem, definitionOf, listAutomations } from './automations.ts';
import { type Awaited, awaitedBy, isCall, isWaitFor } from './definition.ts';

/** The events that trigger automations, that they wait for, or that they look back on. */
export async function automationListening(table: Table): Promise<Listening[]> {
  return (await listAutomations(table)).flatMap(eventsOf);
}

function eventsOf(item: AutomationItem): Listening[] {
  if (!item.enabled) return [];
  const { when, do: steps } = definitionOf(item);
  const triggers: Pick<Awaited, 'event' | 'connection'>[] = 'event' in when ? [when] : [];
  const awaited = steps.flatMap((step): Pick<Awaited, 'event' | 'connection'>[] => {
    if (isWaitFor(step)) return awaitedBy(step);
    return isCall(step) && step.unless !== undefined ? [step.unless] : [];
  });
  return [...triggers, ...awaited].map(({ event, connection }) => ({ type: event, connection, scopes: item.scopes }));
}

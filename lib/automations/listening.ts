import type { Listening } from '../events/listening.ts';
import type { Table } from '../store/table.ts';
import { type AutomationItem, definitionOf, listAutomations } from './automations.ts';
import { type Awaited, awaitedBy, cancelledBy, isWaitFor, triggersOf, unlessOf } from './definition.ts';
import { everyStep } from './steps.ts';

/** The events that trigger automations, that they wait for, that cancel their runs, or that they look back on. */
export async function automationListening(table: Table): Promise<Listening[]> {
  return (await listAutomations(table)).flatMap(eventsOf);
}

function eventsOf(item: AutomationItem): Listening[] {
  if (!item.enabled) return [];
  const definition = definitionOf(item);
  const triggers: Pick<Awaited, 'event' | 'connection'>[] = triggersOf(definition).filter((when) => 'event' in when);
  const awaited = everyStep(definition.do).flatMap(({ step }) => (isWaitFor(step) ? awaitedBy(step) : unlessOf(step)));
  return [...triggers, ...awaited, ...cancelledBy(definition)].map(({ event, connection }) => ({
    type: event,
    connection,
    scopes: item.scopes,
  }));
}

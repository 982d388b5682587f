import { futureFrom } from '../../core/clock.ts';
import { type EventItem, wholeEvent } from '../../events/log.ts';
import { findOccurred, type Wanted } from '../../events/waiters.ts';
import { falseIfItFails } from '../../expressions/condition.ts';
import { evaluate } from '../../expressions/expression.ts';
import { expressionIn } from '../../expressions/template.ts';
import type { Awaited } from '../definition.ts';
import type { AutomationServices, RunContext } from './run-context.ts';
import { originOf } from './runs.ts';

/** An event that arrived after the event that started the run and meets the awaited condition; undefined when there is none. */
async function hasOccurred(run: RunContext, awaited: Awaited, item?: unknown): Promise<EventItem | undefined> {
  // Another machine's clock may be ahead.
  const wanted = await wantedOf(run, awaited, futureFrom(run.services.clock.now()), item);
  return findOccurred(waitServices(run.services), wanted);
}

/** The first of several awaited events that has occurred. */
export async function firstOccurred(
  run: RunContext,
  alternatives: readonly Awaited[],
  item?: unknown,
): Promise<{ event: EventItem; awaited: Awaited } | undefined> {
  for (const awaited of alternatives) {
    const event = await hasOccurred(run, awaited, item);
    if (event) return { event, awaited };
  }
  return undefined;
}

/** The criteria for searching the log and for matching later events. Only events since the run's cause count. */
export async function wantedOf(
  run: RunContext,
  { event: type, connection, if: condition }: Awaited,
  until: number,
  item: unknown = run.item,
): Promise<Omit<Wanted, 'callbackId' | 'alternative'>> {
  const expression = condition === undefined ? undefined : expressionIn(condition);
  const { event: _, ...bindings } = await run.bindings(condition);
  return {
    type,
    ...(connection !== undefined && { connection }),
    ...(expression !== undefined && {
      condition: { expression, bindings: { ...bindings, item: item ?? null } },
    }),
    scopes: run.run.scopes,
    ...(run.services.overrides && { alsoScopes: run.services.overrides.scopes }),
    since: run.facts.startedAt,
    except: originOf(run.run),
    until,
  };
}

/** The services used to register a wait and search the log. */
export function waitServices(services: AutomationServices) {
  return {
    ...services,
    shown: (event: EventItem) => wholeEvent(services.files, event),
    holds: async (expression: string, input: Record<string, unknown>) =>
      (await (services.overrides?.evaluate ?? evaluate)(`{% ${expression} %}`, input, {
        now: services.clock.now(),
        share: 'waits',
      }).catch(falseIfItFails)) === true,
  };
}

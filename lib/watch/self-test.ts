import { type AutomationItem, definitionOf } from '../automations/automations.ts';
import { triggersOf } from '../automations/definition.ts';
import { findRun, runId } from '../automations/runs/runs.ts';
import type { LogServices } from '../events/log.ts';
import { appendOwnEvent } from '../events/own-events.ts';
import { keys } from '../store/items.ts';
import type { Key } from '../store/table.ts';
import type { Check } from './check.ts';

/** The configuration and the result of the self-test. Times are epoch milliseconds. */
export interface SelfTestItem extends Key {
  automationId: string;
  automation: string;
  everySeconds: number;
  withinSeconds: number;
  /** The test that has started and has no result yet. */
  pending?: { eventId: string; startedAt: number };
  last?: { startedAt: number; ok: boolean; latencyMs?: number; reason?: string };
}

/** The event that starts an automation for the self-test. */
export const selfTestType = 'trunkline.self_test.started';

/** Whether an automation can serve as the self-test. */
export function isSelfTest(item: AutomationItem): boolean {
  return triggersOf(definitionOf(item)).some((when) => 'event' in when && when.event === selfTestType);
}

/**
 * Evaluates the running test and starts the next one when it is due. An event passes through log, stream and engine to the vendor
 * like every alarm, and the end of the run is compared with its start time.
 */
export async function runSelfTest(services: LogServices): Promise<Check[]> {
  const { table, clock } = services;
  const item = await table.get<SelfTestItem>(keys.selfTest(), true);
  if (!item) return [];
  const now = clock.now();
  let { pending, last } = item;
  if (pending) {
    const ended = await judge(services, item, pending, now);
    if (ended) [last, pending] = [ended, undefined];
  }
  if (!pending && now - (last?.startedAt ?? 0) >= item.everySeconds * 1000) {
    const { items } = await appendOwnEvent(services, {
      type: selfTestType,
      id: `${item.automationId}/${now}`,
      data: { automationId: item.automationId, automation: item.automation },
    });
    const [event] = items;
    if (event) pending = { eventId: event.id, startedAt: event.appendedAt };
  }
  const { pending: _pending, last: _last, ...settings } = item;
  await table.put<SelfTestItem>(
    { ...settings, ...(pending && { pending }), ...(last && { last }) },
    '#automationId = :automationId',
    { automationId: item.automationId },
  );
  if (!last) return [];
  const message = last.ok ? `took ${last.latencyMs} ms` : (last.reason ?? 'failed');
  return [{ name: 'self-test', ok: last.ok, message }];
}

/** The result of a test; undefined while it may still succeed. */
async function judge(
  services: LogServices,
  item: SelfTestItem,
  { eventId, startedAt }: { eventId: string; startedAt: number },
  now: number,
): Promise<SelfTestItem['last'] | undefined> {
  const run = await findRun(services.table, runId(item.automationId, startedAt, `event ${eventId}`));
  const latencyMs = run?.endedAt === undefined ? undefined : run.endedAt - startedAt;
  const within = item.withinSeconds * 1000;
  if (run?.state === 'succeeded' && latencyMs !== undefined && latencyMs <= within)
    return { startedAt, ok: true, latencyMs };
  const over = now - startedAt > within;
  if (!over && (run === undefined || run.state === 'running')) return undefined;
  const reason =
    run === undefined
      ? 'No run was started for the test event.'
      : run.state === 'running'
        ? `The run had not ended after ${item.withinSeconds} s.`
        : run.state === 'succeeded'
          ? `The run took ${latencyMs} ms; ${within} are allowed.`
          : `The run ended as ${run.state}: ${run.reason ?? 'see its steps'}`;
  await appendOwnEvent(services, {
    type: 'trunkline.self_test.failed',
    id: eventId,
    data: {
      automationId: item.automationId,
      automation: item.automation,
      eventId,
      reason,
      ...(run && { runId: run.id }),
      ...(latencyMs !== undefined && { latencyMs }),
    },
  });
  return { startedAt, ok: false, reason, ...(latencyMs !== undefined && { latencyMs }) };
}

import type { TrunklineEvent } from '../core/event-type.ts';
import { due, dueItems } from '../store/due.ts';
import { type AutomationItem, definitionOf, startOne } from './automations.ts';
import type { RunServices } from './runs/runs.ts';
import { firings, nextFiring } from './schedule.ts';

/** What one tick started. */
export interface ScheduleReport {
  due: number;
  started: number;
  unexpected: string[];
}

/** One tick of the clock over all schedules that are due. Each firing is keyed by automation and time: two ticks start one run. */
export async function startSchedules(services: RunServices, signal: AbortSignal): Promise<ScheduleReport> {
  const report: ScheduleReport = { due: 0, started: 0, unexpected: [] };
  for await (const page of dueItems<AutomationItem>(services.table, 'schedule', services.clock.now())) {
    for (const item of page) {
      if (signal.aborted) return report;
      report.due++;
      try {
        report.started += await fire(services, item);
      } catch (error) {
        report.unexpected.push(error instanceof Error ? (error.stack ?? error.message) : String(error));
      }
    }
  }
  return report;
}

async function fire(services: RunServices, item: AutomationItem): Promise<number> {
  const { when } = definitionOf(item);
  if (!('schedule' in when) || item.dueAt === undefined || !item.enabled) return 0;
  const now = services.clock.now();
  const times = firings(when, item.dueAt, now, item.anchor);
  for (const time of times) {
    await startOne(services, item, { cause: `firing ${time}`, createdAt: time, event: firingEvent(item, time) });
  }
  const next = nextFiring(when, Math.max(now, item.dueAt), item.anchor);
  await services.table.update(
    { pk: item.pk, sk: item.sk },
    next === undefined ? 'REMOVE #duePk, #dueAt' : 'SET #duePk = :duePk, #dueAt = :dueAt',
    { ...(next !== undefined && due('schedule', item.id, next)), before: item.dueAt },
    '#dueAt = :before',
  );
  return times.length;
}

/** What a run of a schedule sees as its event; no list has it. */
function firingEvent(item: AutomationItem, time: number): TrunklineEvent {
  const timestamp = new Date(time).toISOString();
  return {
    id: `${item.id}-${time.toString(36)}`,
    type: 'trunkline.schedule.fired',
    timestamp,
    vendor: 'trunkline',
    connection: item.id,
    data: { automationId: item.id, dueAt: timestamp },
  };
}

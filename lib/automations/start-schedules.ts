import type { TrunklineEvent } from '../core/event-type.ts';
import { due, dueItems } from '../store/due.ts';
import { type AutomationItem, definitionOf, startOne } from './automations.ts';
import type { RunServices } from './runs/runs.ts';
import { type Firings, firings, nextFiring } from './schedule.ts';

/** What one tick started. */
export interface ScheduleReport {
  due: number;
  started: number;
  /** Missed firings that were too many to run. */
  dropped: number;
  unexpected: string[];
}

/** One tick of the clock over all schedules that are due. A firing is identified by automation and time: two ticks start one run. */
export async function startSchedules(services: RunServices, signal: AbortSignal): Promise<ScheduleReport> {
  const report: ScheduleReport = { due: 0, started: 0, dropped: 0, unexpected: [] };
  for await (const page of dueItems<AutomationItem>(services.table, 'schedule', services.clock.now())) {
    for (const item of page) {
      if (signal.aborted) return report;
      report.due++;
      try {
        const { times, dropped } = await fire(services, item);
        report.started += times.length;
        report.dropped += dropped;
      } catch (error) {
        report.unexpected.push(error instanceof Error ? (error.stack ?? error.message) : String(error));
      }
    }
  }
  return report;
}

async function fire(services: RunServices, item: AutomationItem): Promise<Firings> {
  const { when } = definitionOf(item);
  if (!('schedule' in when) || item.dueAt === undefined || !item.enabled) return { times: [], dropped: 0 };
  const now = services.clock.now();
  const fired = firings(when, item.dueAt, now, item.anchor);
  for (const time of fired.times) {
    await startOne(services, item, { cause: `firing ${time}`, createdAt: time, event: firingEvent(item, time) });
  }
  const next = nextFiring(when, Math.max(now, item.dueAt), item.anchor);
  await services.table.update(
    { pk: item.pk, sk: item.sk },
    next === undefined ? 'REMOVE #duePk, #dueAt' : 'SET #duePk = :duePk, #dueAt = :dueAt',
    { ...(next !== undefined && due('schedule', item.id, next)), before: item.dueAt },
    '#dueAt = :before',
  );
  return fired;
}

/** The event that a scheduled run sees; it is not in the event log. */
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

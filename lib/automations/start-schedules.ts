import type { TrunklineEvent } from '../core/event-type.ts';
import { forEachLimited } from '../core/limit.ts';
import { due } from '../store/due.ts';
import { type DueReport, forEachDue, type Tick } from '../store/tick.ts';
import { type AutomationItem, definitionOf, startOne } from './automations.ts';
import { schedulesOf } from './definition.ts';
import type { RunServices } from './runs/runs.ts';
import { type Firings, firingsOf, firstFiring } from './schedule.ts';

/** The outcome of one tick. */
export interface ScheduleReport extends DueReport {
  started: number;
  /** Missed firings beyond the limit. */
  dropped: number;
  unexpected: string[];
}

const concurrency = 8;

/** Starts the runs of all due schedules. A firing is identified by automation and time, so two ticks start only one run. */
export async function startSchedules(services: RunServices, tick: Tick): Promise<ScheduleReport> {
  const now = services.clock.now();
  const counts = { started: 0, dropped: 0, unexpected: [] as string[] };
  const start = (items: AutomationItem[]) =>
    forEachLimited(items, concurrency, async (item) => {
      if (tick.signal.aborted) return;
      try {
        const { times, dropped } = await fire(services, item);
        counts.started += times.length;
        counts.dropped += dropped;
      } catch (error) {
        counts.unexpected.push(error instanceof Error ? (error.stack ?? error.message) : String(error));
      }
    });
  const report = await forEachDue(services.table, 'schedule', now, tick, start, {
    dueAgain: (item: AutomationItem) => firstFiring(schedulesOf(definitionOf(item)), now, item.anchor),
  });
  return { ...report, ...counts };
}

async function fire(services: RunServices, item: AutomationItem): Promise<Firings> {
  const schedules = schedulesOf(definitionOf(item));
  if (item.dueAt === undefined || !item.enabled) return { times: [], dropped: 0 };
  const now = services.clock.now();
  const fired = firingsOf(schedules, item.dueAt, now, item.anchor);
  for (const time of fired.times) {
    await startOne(services, item, { cause: `firing ${time}`, createdAt: time, event: firingEvent(item, time) });
  }
  const next = firstFiring(schedules, Math.max(now, item.dueAt), item.anchor);
  await services.table.update(
    { pk: item.pk, sk: item.sk },
    next === undefined ? 'REMOVE #duePk, #dueAt' : 'SET #duePk = :duePk, #dueAt = :dueAt',
    { ...(next !== undefined && due('schedule', item.id, next)), before: item.dueAt },
    '#dueAt = :before',
  );
  return fired;
}

/** The event of a scheduled run; it is not in the event log. */
export function firingEvent(item: AutomationItem, time: number): TrunklineEvent {
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

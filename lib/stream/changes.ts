import type { Principal } from '../api/keys/key-check.ts';
import type { Pause, PauseState } from '../api/pause/pause.ts';
import { type ControlArea, controlNeed, covers } from '../api/scopes.ts';
import { type RunItem, runStates } from '../automations/runs/runs.ts';
import { entriesAfter, lastPosition } from '../events/list.ts';
import { type EventItem, type LogServices, shownEvent } from '../events/log.ts';
import { mayReadEvent } from '../events/reading.ts';
import { newestListed } from '../store/due.ts';
import { isDeliveryItem, isRunItem, keys } from '../store/items.ts';
import type { Item } from '../store/table.ts';
import { type DeliveryItem, deliveryStates } from '../subscriptions/deliveries/deliveries.ts';
import { maySeeDelivery } from '../subscriptions/deliveries/list.ts';
import type { RecentChanges } from './recent-changes.ts';

export interface StreamServices extends LogServices {
  pause: Pick<Pause, 'current'>;
  /** If one process makes all changes: its recent changes. Otherwise, lists are read. */
  recentChanges?: RecentChanges<Item>;
}

/** A reader's progress. */
export interface StreamCursor extends Controls {
  /** The position of the last event. */
  position: number;
  /** The time of the last change of a run or delivery. */
  stamp: number;
}

/** What operators control: compared with what the reader knows, so that every process sees every change. */
interface Controls {
  /** When the pause began, in epoch milliseconds; 0 while everything is sent. */
  pausedSince: number;
  /** Counts the changes of automations. */
  automations: number;
}

/** A change. */
export type StreamedChange =
  | { kind: 'event'; item: EventItem; body: object }
  | { kind: 'run'; item: RunItem }
  | { kind: 'delivery'; item: DeliveryItem }
  | { kind: 'pause'; state: PauseState | undefined }
  | { kind: 'automations'; version: number };

export interface StreamPage {
  changes: StreamedChange[];
  cursor: StreamCursor;
  /** More events are available immediately. */
  more: boolean;
}

/** The number of events per page. */
const maxEvents = 200;
/** The number of newest runs, and deliveries, per state that are searched for a change. */
const maxListed = 25;
/** The index of states lags slightly behind the table, and clocks differ: a change may be reported twice, but none is missed. */
const overlapMs = 5_000;

/** The start position of a reader that does not want past events. */
export async function streamStart(services: StreamServices): Promise<StreamCursor> {
  const stamp = services.recentChanges ? services.recentChanges.last : services.clock.now();
  const [position, { pausedSince, automations }] = await Promise.all([lastPosition(services), controls(services)]);
  return { position, stamp, pausedSince, automations };
}

async function controls(services: StreamServices): Promise<Controls & { state: PauseState | undefined }> {
  const [state, counted] = await Promise.all([
    services.pause.current(),
    services.table.get<{ version?: number }>(keys.triggerVersion('automation'), true),
  ]);
  return { state, pausedSince: state?.since ?? 0, automations: counted?.version ?? 0 };
}

/** What a key may see of the changes since then. */
export async function changesSince(
  services: StreamServices,
  { scopes }: Principal,
  cursor: StreamCursor,
): Promise<StreamPage> {
  const may = (area: ControlArea) => covers(scopes, controlNeed(area, false));
  const startedAt = services.clock.now();
  const { state, ...controlled } = await controls(services);
  const events = may('events')
    ? await eventsSince(services, scopes, cursor.position)
    : { changes: [], position: cursor.position, more: false };
  const kinds = [...(may('runs') ? ['run' as const] : []), ...(may('deliveries') ? ['delivery' as const] : [])];
  const { recentChanges } = services;
  const changed = recentChanges
    ? recentChanges.after(cursor.stamp).map(({ item }) => item)
    : (await Promise.all(kinds.map((kind) => listed(services, kind, cursor.stamp)))).flat();
  const changes = changed.flatMap((item): StreamedChange[] => {
    if (isRunItem(item)) return may('runs') ? [{ kind: 'run', item: item as Item & RunItem }] : [];
    if (!isDeliveryItem(item) || !may('deliveries')) return [];
    // Its key determines its type.
    const delivery = item as Item & DeliveryItem;
    return maySeeDelivery({ scopes }, delivery) ? [{ kind: 'delivery', item: delivery }] : [];
  });
  return {
    changes: [
      ...(may('pause') && controlled.pausedSince !== cursor.pausedSince ? [{ kind: 'pause' as const, state }] : []),
      ...(may('automations') && controlled.automations !== cursor.automations
        ? [{ kind: 'automations' as const, version: controlled.automations }]
        : []),
      ...events.changes,
      ...changes,
    ],
    cursor: {
      ...controlled,
      position: events.position,
      stamp: recentChanges ? recentChanges.last : startedAt - overlapMs,
    },
    more: events.more,
  };
}

async function eventsSince(services: StreamServices, scopes: readonly string[], from: number) {
  const changes: StreamedChange[] = [];
  let position = from;
  let read = 0;
  for await (const entry of entriesAfter(services, from)) {
    if (++read > maxEvents) return { changes, position, more: true };
    position = entry.position;
    if (!mayReadEvent(scopes, entry)) continue;
    const item = await services.table.get<EventItem>(keys.event(entry.id), true);
    if (item) changes.push({ kind: 'event', item, body: await shownEvent(services.files, item) });
  }
  return { changes, position, more: false };
}

async function listed(services: StreamServices, kind: 'run' | 'delivery', since: number): Promise<Item[]> {
  const states = kind === 'run' ? runStates : deliveryStates;
  const lists = await Promise.all(
    states.map(async (state) => {
      const found: (Item & { changedAt: number })[] = [];
      let read = 0;
      for await (const item of newestListed<Item & (RunItem | DeliveryItem)>(
        services.table,
        `${kind}-${state}`,
        0,
        services.clock.now(),
        maxListed,
      )) {
        const changedAt = changeTime(item);
        if (changedAt >= since && item.state === state) found.push({ ...item, changedAt });
        if (++read >= maxListed) break;
      }
      return found;
    }),
  );
  return lists.flat().sort((one, other) => one.changedAt - other.changedAt);
}

function changeTime(item: RunItem | DeliveryItem): number {
  if ('attempts' in item) return item.finishedAt ?? item.attempts.at(-1)?.at ?? item.createdAt;
  return item.endedAt ?? item.createdAt;
}

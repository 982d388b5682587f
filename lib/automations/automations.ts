import { forEachLimited } from '../core/limit.ts';
import { LruMap } from '../core/lru-map.ts';
import { isHistory, matchesConnection, matchesType } from '../events/list.ts';
import { mayReadEvent, type Subject, scopesToRead } from '../events/reading.ts';
import { unpackText } from '../store/blobs.ts';
import { keys } from '../store/items.ts';
import type { Key, Table } from '../store/table.ts';
import { triggersOf as eventTriggers, triggered } from '../store/triggers.ts';
import { type Definition, triggersOf } from './definition.ts';
import { countRun, defaultPerMinute, startsPerRun, tooMany } from './runs/flood.ts';
import { findRun, type RunCause, type RunDefinition, type RunServices, startRun } from './runs/runs.ts';

/** An automation as stored in the table. Times are ISO 8601, except for `anchor` and `dueAt`, which are epoch milliseconds. */
export interface AutomationItem extends Key {
  id: string;
  name: string;
  enabled: boolean;
  /** The definition as packed JSON, because the table cannot store every JSON value. */
  definition: string;
  /** The scopes of its creator's key, which limit what the automation can do. */
  scopes: string[];
  creator: string;
  /** The time from which a rate schedule counts. */
  anchor: number;
  createdAt: string;
  updatedAt: string;
  version: number;
  /** Whether a step raises an alarm; absent in items of earlier versions, which are treated as if one does. */
  alarm?: boolean;
  duePk?: string;
  dueAt?: number;
}

/** The most recent run of an automation that was not skipped. Times are epoch milliseconds. */
export interface AutomationStatus extends Key {
  runId: string;
  state: string;
  reason?: string;
  /** The scopes without which a key may not see the reason. */
  reads?: readonly string[];
  createdAt: number;
  endedAt: number;
}

/** An event as stored in the log, with the fields that determine who receives it. */
export interface Cause {
  id: string;
  type: string;
  vendor: string;
  connection: string;
  appendedAt: number;
  readBy?: string;
  about?: Subject;
  /** The hook that received it. */
  hook?: string;
  /** An account of this installation did it. */
  own?: true;
  /** When it happened, if it was found late because its source had no listener. */
  happenedAt?: number;
  /** When another source last added to it. */
  completedAt?: number;
}

export async function listAutomations(table: Table): Promise<AutomationItem[]> {
  return table.queryAll<AutomationItem>({ pk: keys.automations(), consistent: true });
}

export function definitionOf(item: Pick<AutomationItem, 'definition'>): Definition {
  // Written by the control call after its schema accepted it.
  return JSON.parse(unpackText(item.definition)) as Definition;
}

/** How many runs of one event are started at a time. Ten thousand must fit into one invocation. */
const startsAtOnce = 16;

/** Starts a run of every automation that an event triggers; repeating it starts nothing twice. Returns the ids of the runs. */
export async function startRunsFor(services: RunServices, event: Cause): Promise<string[]> {
  const started: string[][] = [];
  let count = 0;
  await forEachLimited(triggeredBy(services, event), startsAtOnce, async (item) => {
    const index = count++;
    started[index] = await startFor(services, item, event);
  });
  return started.flat();
}

/** What this process has started for the last events, by table. */
const startedFor = new WeakMap<Table, LruMap<string, Promise<string[]>>>();
const rememberedEvents = 1_000;

/**
 * Does as `startRunsFor`, once for each event in this process. On one machine an event from a hook comes twice: from the hook and from
 * the table's stream, and the second time would only delay what the first has started.
 */
export function startRunsOnce(services: RunServices, event: Cause): Promise<string[]> {
  // What another source has added may start more.
  if (event.completedAt !== undefined) return startRunsFor(services, event);
  const started = startedFor.get(services.table) ?? new LruMap(rememberedEvents);
  startedFor.set(services.table, started);
  const cause = `${event.id} ${event.hook ?? ''}`;
  const known = started.get(cause);
  if (known) return known;
  const runs = startRunsFor(services, event);
  started.set(cause, runs);
  runs.catch(() => started.delete(cause));
  return runs;
}

/** The automations that an event starts, as they are read: an alarm waits for the start of no other run. */
async function* triggeredBy({ table, clock }: RunServices, event: Cause): AsyncGenerator<AutomationItem> {
  const source = { key: keys.automation, all: () => listAutomations(table) };
  for await (const items of triggered<AutomationItem>(table, 'automation', eventTriggers(event), source)) {
    const matched = items.filter((item) => item.enabled && isTriggeredBy(item, event, clock.now()));
    yield* matched.sort((one, other) => Number(mayAlarm(other)) - Number(mayAlarm(one)));
  }
}

/** Starts the run of an automation for an event; returns its id, and that of a second one that the event's completion makes. */
async function startFor(services: RunServices, item: AutomationItem, event: Cause): Promise<string[]> {
  const cause = {
    eventId: event.id,
    cause: `event ${event.id}`,
    createdAt: event.appendedAt,
    reads: scopesToRead(event),
    source: {
      ...(event.hook !== undefined && { hook: event.hook }),
      ...(event.vendor !== 'trunkline' && { connection: `${event.vendor}/${event.connection}` }),
    },
  };
  const id = await startOne(services, item, cause);
  // A condition may have failed because of data that another source has added since.
  if (event.completedAt === undefined || (await findRun(services.table, id))?.state !== 'skipped') return [id];
  return [id, await startOne(services, item, { ...cause, cause: `event ${event.id} completed ${event.completedAt}` })];
}

/** Whether a step of an automation may raise an alarm; older items do not say. */
function mayAlarm({ alarm }: AutomationItem): boolean {
  return alarm !== false;
}

/**
 * Starts one run of an automation. If far too many have started in this minute, the run is stored as suppressed. An automation
 * that raises an alarm is capped only if it sets its own limit. With `isUnsaved` the run carries out `item` itself, and not the stored
 * version of that number.
 */
export async function startOne(
  services: RunServices,
  item: AutomationItem,
  {
    isUnsaved,
    ...trigger
  }: Pick<
    RunCause,
    'cause' | 'createdAt' | 'eventId' | 'originId' | 'event' | 'reads' | 'source' | 'depth' | 'outputs' | 'alarm'
  > & {
    isUnsaved?: boolean;
  },
): Promise<string> {
  const definition = runDefinitionOf(definitionOf(item), mayAlarm(item));
  const { maxPerMinute: max } = definition;
  const cause: RunCause = {
    owner: item.id,
    name: item.name,
    ...(!isUnsaved && { version: item.version }),
    definition,
    alarm: mayAlarm(item),
    scopes: item.scopes,
    keyId: `automation_${item.id}`,
    ...trigger,
  };
  return startRun(services, cause, async () => {
    if (max === undefined) return undefined;
    const started = await countRun(services, item.id, 'started');
    return started > max * startsPerRun ? tooMany(max) : undefined;
  });
}

/** The part of a definition that a run carries out. */
export function runDefinitionOf(definition: Definition, alarm: boolean): RunDefinition {
  return {
    do: definition.do,
    if: definition.if,
    dedupe: definition.dedupe,
    mode: definition.mode,
    cancelOn: definition.cancelOn,
    maxPerMinute: definition.maxPerMinute ?? (alarm ? undefined : defaultPerMinute),
  };
}

/** What triggers an automation; nothing while it is disabled, or for schedules. */
export function triggersFor(item: AutomationItem): string[] {
  if (!item.enabled) return [];
  return triggersOf(definitionOf(item)).flatMap((when) => {
    if ('hook' in when) return [`hook#${when.hook}`];
    return 'event' in when ? [when.event] : [];
  });
}

/** Whether an event starts an automation. */
export function isTriggeredBy(item: AutomationItem, event: Cause, now: number): boolean {
  if (isHistory(event, Date.parse(item.createdAt), Date.parse(item.updatedAt), now)) return false;
  return triggersOf(definitionOf(item)).some((when) => {
    if (event.own && !('own' in when && when.own)) return false;
    // A hook may receive a vendor's events.
    if ('hook' in when) return event.hook === when.hook && mayReadEvent(item.scopes, event);
    if (!('event' in when)) return false;
    if (!matchesType(when.event, event.type)) return false;
    if (when.connection !== undefined && !matchesConnection(when.connection, event)) return false;
    return mayReadEvent(item.scopes, event);
  });
}

import { LruMap } from '../core/lru-map.ts';
import { keys } from './items.ts';
import type { Item, Key, Table, Write } from './table.ts';

/** What reacts to events. */
export type TriggerKind = 'automation' | 'subscription';

/** What an event triggers: the patterns that its type matches, and its hook. */
export function triggersOf(event: { type: string; hook?: string | undefined }): string[] {
  const steps = event.type.split('.');
  const patterns = steps.slice(1).map((_, at) => `${steps.slice(0, at + 1).join('.')}.*`);
  return ['*', ...patterns, event.type, ...(event.hook === undefined ? [] : [`hook#${event.hook}`])];
}

/**
 * The writes that go into the transaction which stores `id`, so that events find it under each of `triggers` from then on. They
 * also end the caches of all processes; a change of what is stored needs them even when its triggers stay the same.
 */
export function triggerWrites(kind: TriggerKind, id: string, triggers: readonly string[]): Write[] {
  return [
    ...[...new Set(triggers)].map((trigger) => ({ put: { ...keys.trigger(kind, trigger, id), id } })),
    { update: { key: keys.triggerVersion(kind), expression: 'ADD #version :one' }, values: { one: 1 } },
  ];
}

/** Removes the entries for triggers that are no longer wanted. A leftover costs a read and starts nothing. */
export async function removeTriggers(
  table: Table,
  kind: TriggerKind,
  id: string,
  triggers: Iterable<string>,
): Promise<void> {
  await Promise.all([...new Set(triggers)].map((trigger) => table.delete(keys.trigger(kind, trigger, id))));
}

interface Version extends Key {
  version?: number;
  /** Set once everything that was stored before there were triggers has its entries. */
  complete?: boolean;
}

/** Completes the index where items were stored before it existed. `all` gives every item with its triggers. */
export async function completeTriggers(
  table: Table,
  kind: TriggerKind,
  all: () => Promise<{ id: string; triggers: string[] }[]>,
): Promise<void> {
  const known = await table.get<Version>(keys.triggerVersion(kind), true);
  if (known?.complete) return;
  for (const { id, triggers } of await all()) await table.transact(triggerWrites(kind, id, triggers));
  await table.update(keys.triggerVersion(kind), 'SET #complete = :true ADD #version :one', { true: true, one: 1 });
}

interface Cache {
  version: number | undefined;
  byTrigger: LruMap<string, Item[]>;
}

const caches = new WeakMap<Table, Map<TriggerKind, Cache>>();

/**
 * The stored items that one of the triggers concerns, however many there are. One small read shows whether what this process
 * remembers still holds; `all` reads every item while the index is not complete.
 */
export async function triggered<T extends Key>(
  table: Table,
  kind: TriggerKind,
  triggers: Iterable<string>,
  source: { key: (id: string) => Key; all: () => Promise<T[]> },
): Promise<T[]> {
  const version = await table.get<Version>(keys.triggerVersion(kind), true);
  if (!version?.complete) return source.all();
  const cache = cacheOf(table, kind);
  if (cache.version !== version.version) {
    cache.version = version.version;
    cache.byTrigger = new LruMap(maxCachedTriggers);
  }
  // Only this reading's own cache may be filled: a newer version may have replaced it meanwhile.
  const { byTrigger } = cache;
  const found = await Promise.all([...new Set(triggers)].map((trigger) => itemsOf(trigger)));
  // What matches by several patterns is one.
  return [...new Map(found.flat().map((item) => [item.sk, item as Key as T])).values()];

  async function itemsOf(trigger: string): Promise<Item[]> {
    const known = byTrigger.get(trigger);
    if (known) return known;
    const entries = await table.queryAll<{ id: string }>({ pk: keys.triggers(kind, trigger), consistent: true });
    const items = await table.getMany<Item>(entries.map(({ id }) => source.key(id)));
    const there = items.filter((item) => item !== undefined);
    byTrigger.set(trigger, there);
    return there;
  }
}

const maxCachedTriggers = 2_000;

function cacheOf(table: Table, kind: TriggerKind): Cache {
  const ofTable = caches.get(table) ?? new Map<TriggerKind, Cache>();
  caches.set(table, ofTable);
  const cache = ofTable.get(kind) ?? { version: undefined, byTrigger: new LruMap<string, Item[]>(maxCachedTriggers) };
  ofTable.set(kind, cache);
  return cache;
}

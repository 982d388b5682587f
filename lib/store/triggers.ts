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
 * also end the caches of all processes; a change of what is stored needs them even when its triggers stay the same. What `canWait`
 * is read after everything else.
 */
export function triggerWrites(kind: TriggerKind, id: string, triggers: readonly string[], canWait = false): Write[] {
  const entry = { id, ...(canWait && { canWait }) };
  return [
    ...[...new Set(triggers)].map((trigger) => ({ put: { ...keys.trigger(kind, trigger, id), ...entry } })),
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

/** What is stored, with its triggers. */
interface Triggered {
  id: string;
  triggers: string[];
  canWait?: boolean;
}

/** Completes the index where items were stored before it existed. */
export async function completeTriggers(
  table: Table,
  kind: TriggerKind,
  all: () => Promise<readonly Triggered[]>,
): Promise<void> {
  const known = await table.get<Version>(keys.triggerVersion(kind), true);
  if (known?.complete) return;
  for (const { id, triggers, canWait } of await all()) await table.transact(triggerWrites(kind, id, triggers, canWait));
  await table.update(keys.triggerVersion(kind), 'SET #complete = :true ADD #version :one', { true: true, one: 1 });
}

/** What a trigger concerns; its item once it has been read. */
interface Entry {
  id: string;
  canWait?: boolean | undefined;
  item?: Item | undefined;
}

interface Cache {
  version: number | undefined;
  byTrigger: LruMap<string, readonly Entry[]>;
}

const caches = new WeakMap<Table, Map<TriggerKind, Cache>>();

/**
 * The stored items that one of the triggers concerns, however many there are, in parts as they are read: what cannot wait comes
 * first. One small read shows whether what this process remembers still holds; `all` reads every item while the index is not
 * complete.
 */
export async function* triggered<T extends Key>(
  table: Table,
  kind: TriggerKind,
  triggers: Iterable<string>,
  source: { key: (id: string) => Key; all: () => Promise<T[]> },
): AsyncGenerator<T[]> {
  const version = await table.get<Version>(keys.triggerVersion(kind), true);
  if (!version?.complete) {
    yield source.all();
    return;
  }
  const cache = cacheOf(table, kind);
  if (cache.version !== version.version) {
    cache.version = version.version;
    cache.byTrigger = new LruMap(maxCachedTriggers);
  }
  // Only this reading's own cache may be filled: a newer version may have replaced it meanwhile.
  const { byTrigger } = cache;
  const lists = await Promise.all(
    [...new Set(triggers)].map(async (trigger) => [trigger, await listOf(trigger)] as const),
  );
  // What matches by several patterns is one.
  const entries = new Map<string, Entry>();
  for (const [, list] of lists)
    for (const each of list) if (each.item || !entries.has(each.id)) entries.set(each.id, each);
  const read = new Map<string, Item | undefined>();
  for (const last of [false, true]) {
    const group = [...entries.values()].filter(({ canWait = false }) => canWait === last);
    const known = group.flatMap(({ item }) => item ?? []);
    if (known.length > 0) yield known as Key[] as T[];
    const open = group.filter(({ item }) => item === undefined);
    for (let at = 0; at < open.length; at += pageLength) {
      const page = open.slice(at, at + pageLength);
      const items = await table.getMany<Item>(page.map(({ id }) => source.key(id)));
      for (const [index, { id }] of page.entries()) read.set(id, items[index]);
      yield items.filter((item) => item !== undefined) as Key[] as T[];
    }
  }
  for (const [trigger, list] of lists) {
    if (byTrigger.get(trigger) === list) continue;
    const complete = list.map(({ id, canWait }) => ({ id, canWait, item: entries.get(id)?.item ?? read.get(id) }));
    byTrigger.set(
      trigger,
      complete.filter(({ item }) => item !== undefined),
    );
  }

  async function listOf(trigger: string): Promise<readonly Entry[]> {
    const known = byTrigger.get(trigger);
    return known ?? table.queryAll<Entry & Key>({ pk: keys.triggers(kind, trigger), consistent: true });
  }
}

/** As many as one request reads. */
const pageLength = 100;
const maxCachedTriggers = 2_000;

function cacheOf(table: Table, kind: TriggerKind): Cache {
  const ofTable = caches.get(table) ?? new Map<TriggerKind, Cache>();
  caches.set(table, ofTable);
  const cache = ofTable.get(kind) ?? {
    version: undefined,
    byTrigger: new LruMap<string, readonly Entry[]>(maxCachedTriggers),
  };
  ofTable.set(kind, cache);
  return cache;
}

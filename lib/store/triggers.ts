import { LruMap } from '../core/lru-map.ts';
import { canWaitFrom, keys } from './items.ts';
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
  return [
    ...[...new Set(triggers)].map((trigger) => ({ put: { ...keys.trigger(kind, trigger, id, canWait), id } })),
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
  const places = [...new Set(triggers)].flatMap((trigger) =>
    [false, true].map((canWait) => keys.trigger(kind, trigger, id, canWait)),
  );
  await Promise.all(places.map((key) => table.delete(key)));
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

/** What a trigger concerns, those first that cannot wait. */
type Parts = readonly [urgent: readonly Item[], others: readonly Item[]];

interface Cache {
  version: number | undefined;
  byTrigger: LruMap<string, Parts>;
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
  const read = new Map([...new Set(triggers)].map((trigger) => [trigger, [[], []] as [Item[], Item[]]]));
  // What matches by several patterns is one.
  const given = new Set<string>();
  for (const part of [0, 1] as const) {
    // The first pages of all triggers are read side by side.
    const sources = [...read].map(([trigger, parts]) => {
      const known = byTrigger.get(trigger)?.[part];
      return { items: parts[part], pages: known ? [known] : ahead(pagesOf(trigger, part)) };
    });
    for (const { items, pages } of sources) {
      for await (const page of pages) {
        items.push(...page);
        const fresh = page.filter(({ sk }) => !given.has(sk));
        for (const { sk } of fresh) given.add(sk);
        if (fresh.length > 0) yield fresh as Key[] as T[];
      }
    }
  }
  for (const [trigger, parts] of read) byTrigger.set(trigger, parts);

  async function* pagesOf(trigger: string, part: 0 | 1): AsyncGenerator<Item[]> {
    const range = part === 0 ? { to: canWaitFrom } : { from: canWaitFrom };
    const pk = keys.triggers(kind, trigger);
    for await (const entries of table.pages<{ id: string }>({ pk, ...range, limit: pageLength, consistent: true })) {
      const items = await table.getMany<Item>(entries.map(({ id }) => source.key(id)));
      yield items.filter((item) => item !== undefined);
    }
  }
}

/** The same pages, of which the first is read at once. */
function ahead<T>(pages: AsyncGenerator<T>): AsyncIterable<T> {
  const first = pages.next();
  // The error is thrown to the next caller that needs it.
  first.catch(() => undefined);
  return {
    async *[Symbol.asyncIterator]() {
      for (let page = await first; !page.done; page = await pages.next()) yield page.value;
    },
  };
}

/** As many as one request reads. */
const pageLength = 100;
const maxCachedTriggers = 2_000;

function cacheOf(table: Table, kind: TriggerKind): Cache {
  const ofTable = caches.get(table) ?? new Map<TriggerKind, Cache>();
  caches.set(table, ofTable);
  const cache = ofTable.get(kind) ?? {
    version: undefined,
    byTrigger: new LruMap<string, Parts>(maxCachedTriggers),
  };
  ofTable.set(kind, cache);
  return cache;
}

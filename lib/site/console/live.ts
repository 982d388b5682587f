import { type Signal, signal } from '@preact/signals';
import { useEffect, useRef, useState } from 'preact/hooks';
import { call, Problem, signIn } from './api.ts';

/** The last data, and the error since then, if any. */
export interface Live<T> {
  data: T | undefined;
  problem: Problem | undefined;
  /** Reloads now. */
  reload: () => Promise<void>;
  /** Reads the next older page; absent where there is none. */
  older?: (() => Promise<void>) | undefined;
  /** The items of older pages, which are read once a minute, and when they were (epoch milliseconds). */
  olderItems?: { items: ReadonlySet<unknown>; readAt: number };
}

interface Entry {
  data: Signal<unknown>;
  problem: Signal<Problem | undefined>;
  everyMs: number;
  users: number;
  failures: number;
  /** How long the last read took, in milliseconds. */
  tookMs: number;
  timer: ReturnType<typeof setTimeout> | undefined;
  reading: Promise<void> | undefined;
  again: boolean;
}

/** How many entries that are no longer shown stay cached, for going back. */
const maxKept = 40;
const longestWaitMs = 60_000;
/** After so long without any answer, what is shown is no longer called live, in milliseconds. */
const patienceMs = 5_000;
const entries = new Map<string, Entry>();

/** Whether the last reads for the page succeeded in good time, and when one last did (epoch milliseconds). */
export const connected = signal(true);
export const lastReadAt = signal<number | undefined>(undefined);

/** What is reloaded when the stream reports a change. */
export const concerned: Readonly<Record<string, readonly string[]>> = {
  event: ['/v1/events', '/v1/hooks'],
  run: ['/v1/runs', '/v1/alarms', '/v1/automations', '/v1/pause'],
  delivery: ['/v1/deliveries', '/v1/pause'],
  pause: ['/v1/pause'],
  automations: ['/v1/automations'],
};
/** Of these, every change is on the stream. Of hooks it lacks refused posts; a pause must be seen even if the stream is stuck. */
const streamed = ['/v1/events', '/v1/runs', '/v1/alarms', '/v1/deliveries', '/v1/automations'];
/** Whether changes arrive live. What the stream covers is then polled less often. */
export const streaming = signal(false);
const slowerWhenStreaming = 6;
/** What takes long to read is read less often: the pause is at least so many times as long. */
const restAfterRead = 4;
/** How long changes that come together are collected before anything is reloaded, and how far apart reloads are, in milliseconds. */
const gatherMs = 20;
const apartMs = 250;
let reloadedAt = Number.NEGATIVE_INFINITY;
const stale = new Set<string>();
let gathering: ReturnType<typeof setTimeout> | undefined;

/** Reloads what is shown from some paths, after something there has changed. */
export function changed(paths: readonly string[]): void {
  for (const path of paths) stale.add(path);
  if (gathering !== undefined) return;
  const wait = Math.max(gatherMs, reloadedAt + apartMs - performance.now());
  gathering = setTimeout(() => {
    gathering = undefined;
    reloadedAt = performance.now();
    const prefixes = [...stale];
    stale.clear();
    for (const [path, entry] of entries) {
      if (entry.users > 0 && entry.everyMs > 0 && prefixes.some((prefix) => path.startsWith(prefix)))
        void read(path, entry);
    }
  }, wait);
}

function entryOf(path: string, everyMs: number): Entry {
  let entry = entries.get(path);
  if (!entry) {
    entry = {
      data: signal(undefined),
      problem: signal(undefined),
      everyMs,
      users: 0,
      failures: 0,
      tookMs: 0,
      timer: undefined,
      reading: undefined,
      again: false,
    };
    for (const [old, { users }] of entries) if (entries.size >= maxKept && users === 0) entries.delete(old);
    entries.set(path, entry);
    // Before the page is painted for the first time, which takes long on a slow computer.
    void read(path, entry);
  }
  entry.everyMs = everyMs;
  return entry;
}

function read(path: string, entry: Entry): Promise<void> {
  clearTimeout(entry.timer);
  // A read in progress may have started before the change that triggered this one.
  if (entry.reading) entry.again = true;
  entry.reading ??= readNow(path, entry).finally(() => {
    entry.reading = undefined;
    if (entry.again && entry.users > 0) void read(path, entry);
    else plan(path, entry);
  });
  return entry.reading;
}

async function readNow(path: string, entry: Entry): Promise<void> {
  entry.again = false;
  const startedAt = performance.now();
  const sentAt = Date.now();
  // Where other reads are answered meanwhile, this one alone takes long: its vendor may.
  const slow = setTimeout(() => {
    if ((lastReadAt.peek() ?? 0) < sentAt) connected.value = false;
  }, patienceMs);
  try {
    const data = await call('GET', path);
    // Unchanged data does not trigger a redraw.
    if (JSON.stringify(data) !== JSON.stringify(entry.data.peek())) entry.data.value = data;
    entry.problem.value = undefined;
    entry.failures = 0;
    lastReadAt.value = Date.now();
    if (connected.peek()) return;
    connected.value = true;
    // The others found nobody there, and would wait longer after each failure.
    for (const [other, each] of entries) {
      if (each.users > 0 && !each.reading && each.problem.peek()?.status === 0) void read(other, each);
    }
  } catch (error) {
    const problem = error instanceof Problem ? error : new Problem(0, 'unknown', String(error));
    entry.problem.value = problem;
    entry.failures++;
    if (problem.status === 0 || problem.status >= 500) connected.value = false;
  } finally {
    clearTimeout(slow);
    entry.tookMs = performance.now() - startedAt;
  }
}

function plan(path: string, entry: Entry): void {
  clearTimeout(entry.timer);
  if (entry.users === 0 || entry.everyMs === 0 || document.hidden || !signIn.peek()) return;
  const { status = 200 } = entry.problem.peek() ?? {};
  // Missing or forbidden data stays so until someone acts on it.
  if (status === 403 || status === 404) return;
  // After a failure, what is shown is old, whatever the stream says.
  const isStreamed = entry.failures === 0 && streaming.peek() && streamed.some((prefix) => path.startsWith(prefix));
  const every = Math.max(entry.everyMs * (isStreamed ? slowerWhenStreaming : 1), entry.tookMs * restAfterRead);
  const wait = Math.min(longestWaitMs, every * 2 ** Math.min(Math.max(0, entry.failures - 1), 6));
  entry.timer = setTimeout(() => void read(path, entry), wait);
}

/** Reloads everything on the page after an action. */
export function reloadAll(): void {
  for (const [path, entry] of entries) {
    if (entry.users > 0) void read(path, entry);
    else entries.delete(path);
  }
}

document.addEventListener('visibilitychange', () => {
  if (!document.hidden) reloadAll();
});
addEventListener('online', reloadAll);

/** Clears everything that was read, because someone else may sign in. */
export function forgetAll(): void {
  for (const { timer } of entries.values()) clearTimeout(timer);
  entries.clear();
}

/** Reads a path now and at an interval in milliseconds while it is shown. 0 reads once. An absent path reads nothing. */
export function useLive<T>(path: string | undefined, everyMs = 5000): Live<T> {
  const entry = path === undefined ? undefined : entryOf(path, everyMs);
  useEffect(() => {
    if (path === undefined) return undefined;
    const used = entryOf(path, everyMs);
    used.users++;
    if (!used.reading) void read(path, used);
    return () => {
      used.users--;
      if (used.users === 0) clearTimeout(used.timer);
    };
  }, [path, everyMs]);
  return {
    // The caller names the form that the API's document gives for the path.
    data: entry?.data.value as T | undefined,
    problem: entry?.problem.value,
    reload: async () => {
      if (path !== undefined && entry) await read(path, entry);
    },
  };
}

/** How often the older pages of a list are read, in milliseconds. */
const olderEveryMs = 60_000;

interface Listed {
  id: string;
}

/** The older pages of a list, with the newest one of then above them. */
interface Pages<T> {
  of: string;
  items: T[];
  isLast: boolean;
  /** When the first of them was read, in epoch milliseconds. */
  readAt: number;
}

/** The newest page of a list, live, and the older pages that were asked for. `path` has a query and no limit. */
export function useList<T extends Listed>(
  path: string,
  { everyMs, pageSize = 100, at }: { everyMs: number; pageSize?: number; at: (item: T) => string },
): Live<T[]> {
  const paged = `${path}&limit=${pageSize}`;
  const newest = useLive<T[]>(paged, everyMs);
  const [pages, setPages] = useState<Pages<T>>({ of: '', items: [], isLast: false, readAt: 0 });
  const { items, isLast, readAt } = pages.of === paged ? pages : { items: [], isLast: false, readAt: 0 };
  // After a while without a look, such as a night, more may have happened than one page holds: what lies between is not known.
  const isGap =
    items.length > 0 &&
    (newest.data?.length ?? 0) >= pageSize &&
    !newest.data?.some(({ id }) => items.some((item) => item.id === id));
  const all = newest.data && joined(newest.data, isGap ? [] : items, at);
  // Items that newer ones push out of the newest page stay below it, once older pages are shown.
  useEffect(() => {
    if (all && items.length > 0) setPages({ of: paged, items: isGap ? [] : all, isLast: !isGap && isLast, readAt });
  }, [newest.data]);
  const last = all?.at(-1);
  const shown = useRef({ newest: newest.data ?? [], all: all ?? [] });
  shown.current = { newest: newest.data ?? [], all: all ?? [] };
  const areOlder = all !== undefined && all.length > (newest.data?.length ?? 0);
  useEffect(() => {
    if (!areOlder) return undefined;
    let wanted = true;
    const readAgain = async () => {
      if (document.hidden) return;
      const { newest: first, all: before } = shown.current;
      const fresh: T[] = [...first];
      const startedAt = Date.now();
      let isEnd = false;
      while (fresh.length < before.length && !isEnd) {
        const next = await call<T[]>('GET', `${paged}&before=${fresh.at(-1)?.id}`);
        fresh.push(...next);
        isEnd = next.length < pageSize;
      }
      // Not over pages that were read in the meantime.
      const isSame = shown.current.all.length <= fresh.length || isEnd;
      if (wanted && isSame) setPages({ of: paged, items: fresh, isLast: isEnd, readAt: startedAt });
    };
    // If it fails, what is shown stays, with the time of its reading.
    const timer = setInterval(() => void readAgain().catch(() => undefined), olderEveryMs);
    return () => {
      wanted = false;
      clearInterval(timer);
    };
  }, [paged, areOlder]);
  const isMore = (isGap || !isLast) && (newest.data?.length ?? 0) >= pageSize;
  return {
    ...newest,
    data: all,
    ...(areOlder && { olderItems: { items: new Set(all.slice(newest.data?.length)), readAt } }),
    older:
      isMore && last
        ? async () => {
            const next = await call<T[]>('GET', `${paged}&before=${last.id}`);
            setPages({
              of: paged,
              items: joined(all ?? [], next, at),
              isLast: next.length < pageSize,
              readAt: readAt === 0 ? Date.now() : readAt,
            });
          }
        : undefined,
  };
}

/** The newest page, and below it what is older. An item of its time that it no longer has does not fit the filters any more. */
function joined<T extends Listed>(newest: readonly T[], older: readonly T[], at: (item: T) => string): T[] {
  const end = newest.at(-1);
  const known = new Set(newest.map(({ id }) => id));
  return [...newest, ...older.filter((item) => end && !known.has(item.id) && at(item) <= at(end))];
}

import { expiry, keys } from '../../store/items.ts';
import type { Key, Write } from '../../store/table.ts';
import type { RunServices } from './runs.ts';

/** One entry of an automation's memory. Times are epoch milliseconds. */
interface MemoItem extends Key {
  key: string;
  /** JSON, because the table cannot store every value. */
  value: string;
  until: number;
  /** The step of a run that wrote it. */
  writer?: string;
  expiresAt: number;
}

/** The outcome of a write: whether it was applied, and the current value. */
export interface Remembered {
  written: boolean;
  value: unknown;
}

export const maxKeyLength = 200;
export const maxValueBytes = 50_000;
const defaultSeconds = 365 * 86_400;

/** The current memory of an automation, by key. */
export async function memoryOf(services: RunServices, automationId: string): Promise<Record<string, unknown>> {
  const now = services.clock.now();
  const items = await services.table.queryAll<MemoItem>({ pk: keys.memos(automationId), consistent: true });
  return Object.fromEntries(
    items.filter(({ until }) => until > now).map(({ key, value }) => [key, JSON.parse(value) as unknown]),
  );
}

/**
 * Stores a value under a key, or deletes the key if the value is null. With `expect`, it writes only if the current value equals
 * it, with null meaning no value: of several concurrent runs, one succeeds. A `writer` that repeats its write succeeds again.
 */
export async function remember(
  services: RunServices,
  automationId: string,
  {
    key,
    value,
    seconds = defaultSeconds,
    expect,
    writer,
  }: { key: string; value: unknown; seconds?: number; expect?: unknown; writer?: string },
): Promise<Remembered> {
  const { table, clock } = services;
  const at = keys.memo(automationId, key);
  const now = clock.now();
  const until = now + seconds * 1000;
  const condition =
    expect === undefined
      ? undefined
      : expect === null
        ? 'attribute_not_exists(#pk) OR #until <= :now'
        : '#value = :expected AND #until > :now';
  const values = { now, expected: JSON.stringify(expect) };
  if (value === null || value === undefined) {
    // A transaction, because a delete that is sent again after a lost answer finds nothing that meets its condition.
    const forget: Write = { delete: at, ...(condition !== undefined && { condition, values }) };
    if ((await table.transact([forget])).done) return { written: true, value: null };
    return { written: false, value: heldBy(await table.get<MemoItem>(at, true), now) };
  }
  const item: MemoItem = {
    ...at,
    key,
    value: JSON.stringify(value),
    until,
    ...(writer !== undefined && { writer }),
    expiresAt: expiry(until),
  };
  const put = await table.put<MemoItem>(item, condition, values);
  if (put.done) return { written: true, value };
  const isOwn = writer !== undefined && put.item?.writer === writer;
  return { written: isOwn, value: heldBy(put.item, now) };
}

function heldBy(item: MemoItem | undefined, now: number): unknown {
  return item && item.until > now ? JSON.parse(item.value) : null;
}

import type * as z from 'zod/mini';
import { GatewayError } from '../../../core/errors.ts';
import { exchange, type Proptt2Call } from '../wire/exchange.ts';
import { title } from '../wire/protocol.ts';

/** What a poll of a list keeps in its cursor. */
export interface ListCursor<State> {
  /** What is remembered of each item, by id. */
  items: Record<string, State>;
  /** How many times items had come or gone: part of their event ids, since one that was restored can be deleted again. */
  turns: number;
}

/** What has changed between two polls. */
export interface ListChanges<Item> {
  created: Item[];
  deleted: number[];
  turns: number;
  /** Ids that are missing from the list and not asked for yet; they stay in the cursor. */
  pending: number[];
}

/** Absences that one poll confirms, each with a request. */
const maxConfirmations = 20;

/** Reads a list of the vendor. An answer without the list is an error, not an empty list. */
export async function readList(
  call: Proptt2Call,
  path: string,
  key: string,
  query = '',
): Promise<Record<string, unknown>[]> {
  const body = (await exchange(call, 'read', 'GET', path, query, undefined, `GET ${path}`)) as Record<string, unknown>;
  const list = body[key];
  if (Array.isArray(list)) return list as Record<string, unknown>[];
  throw new GatewayError('vendor_malformed', `${title} answered GET ${path} without ${key}.`, {
    vendor: 'proptt2',
    retryable: true,
  });
}

/** The items of a list by id. One that does not fit its schema is kept as it came: it must not look like a deleted one. */
export function itemsById<Schema extends z.ZodMiniType<{ id: number }>>(
  list: readonly Record<string, unknown>[],
  schema: Schema,
): Map<number, z.output<Schema>> {
  const items = new Map<number, z.output<Schema>>();
  for (const each of list) {
    const parsed = schema.safeParse(each);
    // Whoever uses the item checks the fields that it needs.
    const item = parsed.success ? parsed.data : ({ ...each, id: Number(each.id) } as z.output<Schema>);
    if (Number.isSafeInteger(item.id)) items.set(item.id, item);
  }
  return items;
}

/**
 * What is new and what is gone since the last poll. A missing item counts as deleted only when the vendor does not know its id
 * either. A list that has become empty is taken for a fault of the vendor.
 */
export async function changesOf<Item>(
  call: Proptt2Call,
  path: string,
  before: ListCursor<unknown>,
  now: ReadonlyMap<number, Item>,
): Promise<ListChanges<Item>> {
  const known = Object.keys(before.items).map(Number);
  const created = [...now].filter(([id]) => !Object.hasOwn(before.items, id)).map(([, item]) => item);
  const missing = now.size === 0 ? [] : known.filter((id) => !now.has(id));
  const deleted: number[] = [];
  const pending = missing.slice(maxConfirmations);
  for (const id of missing.slice(0, maxConfirmations)) {
    if (await exists(call, `${path}/${id}`)) pending.push(id);
    else deleted.push(id);
  }
  return { created, deleted, pending, turns: before.turns + (created.length + deleted.length > 0 ? 1 : 0) };
}

/** Whether the vendor knows an id. It answers 500 for one that it does not know. */
async function exists(call: Proptt2Call, path: string): Promise<boolean> {
  try {
    await exchange(call, 'read', 'GET', path, '', undefined, `GET ${path}`);
    return true;
  } catch (error) {
    if (error instanceof GatewayError && (error.vendorCode === '500' || error.code === 'vendor_not_found'))
      return false;
    throw error;
  }
}

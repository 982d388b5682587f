import type * as z from 'zod/mini';
import { GatewayError } from '../../../core/errors.ts';
import { exchange, type Proptt2Call } from '../wire/exchange.ts';
import { title } from '../wire/protocol.ts';

/** The cursor of a list's poll. */
export interface ListCursor<State> {
  /** The remembered state of each item, by id. */
  items: Record<string, State>;
  /** How many times items were added or removed: part of their event ids, since a restored item can be deleted again. */
  turns: number;
}

/** The changes between two polls. */
export interface ListChanges<Item> {
  created: Item[];
  deleted: number[];
  turns: number;
  /** Ids that are missing from the list and not asked for yet; they stay in the cursor. */
  pending: number[];
}

/** The maximum number of absences that one poll confirms, with one request each. */
const maxConfirmations = 20;

/** Reads a list from the vendor. A response without the list is an error, not an empty list. */
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

/** The items of a list by id. An item that does not match its schema is kept as received, so that it does not look deleted. */
export function itemsById<Schema extends z.ZodMiniType<{ id: number }>>(
  list: readonly Record<string, unknown>[],
  schema: Schema,
): Map<number, z.output<Schema>> {
  const items = new Map<number, z.output<Schema>>();
  for (const each of list) {
    const parsed = schema.safeParse(each);
    // The code that uses the item checks the fields that it needs.
    const item = parsed.success ? parsed.data : ({ ...each, id: Number(each.id) } as z.output<Schema>);
    if (Number.isSafeInteger(item.id)) items.set(item.id, item);
  }
  return items;
}

/**
 * What was added and removed since the last poll. A missing item counts as deleted only if the vendor does not know its id
 * either. A list that has become empty is treated as a fault of the vendor.
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

/** Whether the vendor knows an id. It answers 500 for an unknown one. */
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

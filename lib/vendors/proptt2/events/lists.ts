import type * as z from 'zod/mini';
import { normalizeAnswer } from '../../../core/answer-shape.ts';
import { GatewayError } from '../../../core/errors.ts';
import { proptt2Error } from '../connection.ts';
import { recordsIn } from '../fields.ts';
import { title } from '../wire/protocol.ts';
import { type Proptt2Call, sessionRequest } from '../wire/session-request.ts';

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

/** An item of a list in its declared form. Fields that have another form are as received. */
export interface ListItem {
  readonly id: number;
  readonly [field: string]: unknown;
}

/** Reads a list from the vendor. A response without the list is an error, not an empty list. */
export async function readList(
  call: Proptt2Call,
  path: string,
  key: string,
  query = '',
): Promise<Record<string, unknown>[]> {
  const body = await sessionRequest(call, 'read', 'GET', path, query, undefined, `GET ${path}`);
  if (Array.isArray(Reflect.get(Object(body), key))) return recordsIn(body, key);
  throw proptt2Error('vendor_malformed', `${title} answered GET ${path} without ${key}.`, { retryable: true });
}

/** The items of a list by id, each field normalised for itself: one odd field hides neither its item nor the other fields. */
export function itemsById(list: readonly Record<string, unknown>[], schema: z.core.$ZodType): Map<number, ListItem> {
  const items = new Map<number, ListItem>();
  for (const each of list) {
    const item = normalizeAnswer(schema, each).body as Record<string, unknown>;
    const id = integerIn(item, 'id');
    if (id !== undefined) items.set(id, { ...item, id });
  }
  return items;
}

/** A field as a whole number; undefined if it is none. */
export function integerIn(item: Readonly<Record<string, unknown>>, name: string): number | undefined {
  const value = item[name];
  const number = typeof value === 'string' && /^-?\d+$/.test(value) ? Number(value) : value;
  return typeof number === 'number' && Number.isSafeInteger(number) ? number : undefined;
}

/** A field as text; empty if it has none. */
export function textIn(item: Readonly<Record<string, unknown>>, name: string): string {
  const value = item[name];
  return typeof value === 'string' || typeof value === 'number' ? String(value) : '';
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
    await sessionRequest(call, 'read', 'GET', path, '', undefined, `GET ${path}`);
    return true;
  } catch (error) {
    if (error instanceof GatewayError && (error.vendorCode === '500' || error.code === 'vendor_not_found'))
      return false;
    throw error;
  }
}

import { GatewayError } from '../../../core/errors.ts';
import { exchange, type Proptt2Call } from '../wire/exchange.ts';
import { title } from '../wire/protocol.ts';

/** Reads a list of the vendor; an answer without it is no empty list but an error. */
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

/**
 * What is new and what is gone between two looks, by id. A list that was full and is empty now is taken for a fault of the vendor,
 * not for everything being deleted: then nothing is gone.
 */
export function changes<T>(
  before: ReadonlySet<number>,
  now: ReadonlyMap<number, T>,
): { created: T[]; deleted: number[] } {
  const created = [...now].filter(([id]) => !before.has(id)).map(([, item]) => item);
  const deleted = now.size === 0 ? [] : [...before].filter((id) => !now.has(id));
  return { created, deleted };
}

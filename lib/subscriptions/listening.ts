import type { Listening } from '../events/listening.ts';
import type { Table } from '../store/table.ts';
import { listSubscriptions } from './subscriptions.ts';

/** The events that active subscriptions receive. */
export async function subscriptionListening(table: Table): Promise<Listening[]> {
  const active = (await listSubscriptions(table)).filter(({ state }) => state === 'active');
  return active.flatMap(({ types, connection, scopes }) => types.map((type) => ({ type, connection, scopes })));
}

import { automationListening } from '../automations/listening.ts';
import { type Listeners, recentReaders, rememberedListening } from '../events/listening.ts';
import type { Table } from '../store/table.ts';
import { subscriptionListening } from '../subscriptions/listening.ts';

/** Everything that currently listens for events: automations, subscriptions and recent readers. */
export async function listeners(table: Table, now: number): Promise<Listeners> {
  const [automations, subscriptions, readers] = await Promise.all([
    rememberedListening(table, 'automation', () => automationListening(table)),
    rememberedListening(table, 'subscription', () => subscriptionListening(table)),
    recentReaders(table, now),
  ]);
  const readersText = readers.map(({ type, connection = '' }) => `${type} ${connection}`).sort();
  return {
    all: [...automations.listening, ...subscriptions.listening, ...readers],
    version: JSON.stringify([automations.version, subscriptions.version, readersText]),
  };
}

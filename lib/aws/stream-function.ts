import type { DynamoDBBatchResponse, DynamoDBRecord, DynamoDBStreamEvent } from 'aws-lambda';
import { itemFromImage } from '../store/image.ts';
import { isEventItem, isProbe } from '../store/items.ts';
import { noteProbe } from '../watch/checks.ts';
import { log } from './log.ts';
import { type Services, services } from './services.ts';

/** Handles inserted items and returns the errors of those that must be retried, by primary key. */
export type StreamHandler<T> = (services: Services, items: T[]) => Promise<ReadonlyMap<string, unknown>>;

/**
 * A Lambda handler on the table's stream for events that were stored, or completed by another source. Of a batch, only the records
 * from the first failed one on are delivered again.
 */
export function streamFunction<T extends { id: string }>(name: string, handle: StreamHandler<T>) {
  return async (event: DynamoDBStreamEvent): Promise<DynamoDBBatchResponse> => {
    const startedAt = performance.now();
    const items: { item: T; sequence: string }[] = [];
    let probe: number | undefined;
    for (const record of event.Records) {
      probe = probeIn(record) ?? probe;
      const item = eventOf<T>(record);
      if (item) items.push({ item, sequence: record.dynamodb?.SequenceNumber ?? '' });
    }
    if (items.length === 0) {
      if (probe !== undefined) await noteProbe(services().table, probe);
      return { batchItemFailures: [] };
    }
    let failed: ReadonlyMap<string, unknown>;
    try {
      failed = await handle(
        services(),
        items.map(({ item }) => item),
      );
    } catch (error) {
      failed = new Map(items.map(({ item }) => [item.id, error]));
    }
    // While a record fails and is retried, the records behind it wait, so no probe counts as received.
    if (probe !== undefined && failed.size === 0) await noteProbe(services().table, probe);
    const ms = Math.round(performance.now() - startedAt);
    log({ level: 'info', stream: name, items: items.length, failed: failed.size, ms });
    for (const [id, error] of failed) {
      const { message, stack } = error instanceof Error ? error : new Error(String(error));
      log({ level: 'error', stream: name, id, message, stack });
    }
    return {
      batchItemFailures: items
        .filter(({ item }) => failed.has(item.id))
        .map(({ sequence }) => ({ itemIdentifier: sequence })),
    };
  };
}

/** When a probe was sent, or undefined for every other record. */
function probeIn(record: DynamoDBRecord): number | undefined {
  const image = record.dynamodb?.NewImage;
  if (record.eventName !== 'INSERT' || !image || !isProbe(image.pk?.S ?? '')) return undefined;
  return Number(image.sentAt?.N);
}

/** The event in a record, or undefined. AWS filters the same before the function is called; a local pump may not. */
function eventOf<T>(record: DynamoDBRecord): T | undefined {
  const image = record.dynamodb?.NewImage;
  if (!image || !isEventItem(image.pk?.S ?? '') || isProbe(image.pk?.S ?? '')) return undefined;
  if (record.eventName !== 'INSERT' && image.completedAt === undefined) return undefined;
  // Our own code wrote the item.
  return itemFromImage(image) as T;
}

import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import {
  type _Record,
  DescribeStreamCommand,
  type DynamoDBStreamsClient,
  ExpiredIteratorException,
  GetRecordsCommand,
  GetShardIteratorCommand,
  ListStreamsCommand,
  TrimmedDataAccessException,
} from '@aws-sdk/client-dynamodb-streams';
import type { DynamoDBBatchResponse, DynamoDBStreamEvent } from 'aws-lambda';
import { isEventItem } from '../../lib/store/items.ts';
import { type LocalDatabase, streamsClientOf } from './table.ts';

/** The database with the stream, and what is read from it. */
export interface StreamPumpOptions extends LocalDatabase {
  tableName: string;
  /** The stream function as it runs on AWS. */
  handler: (event: DynamoDBStreamEvent) => Promise<DynamoDBBatchResponse>;
  /** Where the position in the stream is stored. Without it, everything that the stream still contains is delivered again. */
  positionFile?: string;
  /** Receives records that failed permanently. */
  onGiveUp?: (records: DynamoDBStreamEvent['Records']) => void;
  /** Milliseconds before each repetition of what failed; as many as repetitions. */
  retryDelays?: readonly number[];
}

export interface StreamPump {
  /** Resolves when everything that was in the stream at the call has been handled. */
  drained(): Promise<void>;
  /** Polls soon: this process has put an event. */
  nudge(): void;
  stop(): Promise<void>;
}

const batchLength = 100;
/** Milliseconds between two polls: short after events or a nudge, longer and longer while the stream is idle. */
const minPauseMs = 10;
const maxPauseMs = 1000;
/** How often the stream is described to find new shards, in milliseconds. */
const describeEveryMs = 30_000;
const defaultDelays = [200, 500, 1000, 2000, 5000, 10_000, 30_000, 60_000];

/** What a read of a shard returned. `other` is not an event, such as a session or a counter. */
type Portion = 'events' | 'other' | 'nothing';

interface Shard {
  id: string;
  iterator?: string | undefined;
  /** The last record that was handled. */
  last?: string | undefined;
}

/** Reads the table's stream and feeds the stream function, as Lambda does: inserted events in batches, in order, failed ones again. */
export async function startStreamPump(options: StreamPumpOptions): Promise<StreamPump> {
  const { tableName, retryDelays = defaultDelays } = options;
  const client = streamsClientOf(options);
  const ending = new AbortController();
  const positions = readPositions(options.positionFile);
  const streamArn = await findStream(client, tableName);
  const shards = new Map<string, Shard>();
  let described = 0;
  let polls = 0;
  let cutShort: (() => void) | undefined;
  let resting = false;
  let nudged = false;
  const waiting: { after: number; resolve: () => void }[] = [];

  async function describe(): Promise<void> {
    described = Date.now();
    let after: string | undefined;
    do {
      const { StreamDescription } = await client.send(
        new DescribeStreamCommand({
          StreamArn: streamArn,
          ...(after !== undefined && { ExclusiveStartShardId: after }),
        }),
      );
      for (const { ShardId: id } of StreamDescription?.Shards ?? []) {
        if (id === undefined || shards.has(id)) continue;
        const last = positions[id];
        shards.set(id, { id, ...(last !== undefined && { last }) });
      }
      after = StreamDescription?.LastEvaluatedShardId;
    } while (after !== undefined);
  }

  async function openShard(shard: Shard): Promise<void> {
    const place =
      shard.last === undefined
        ? ({ ShardIteratorType: 'TRIM_HORIZON' } as const)
        : ({ ShardIteratorType: 'AFTER_SEQUENCE_NUMBER', SequenceNumber: shard.last } as const);
    const { ShardIterator } = await client.send(
      new GetShardIteratorCommand({ StreamArn: streamArn, ShardId: shard.id, ...place }),
    );
    shard.iterator = ShardIterator;
  }

  /** Reads and handles one portion of a shard; answers what there was. */
  async function advance(shard: Shard): Promise<Portion> {
    if (shard.iterator === undefined) await openShard(shard);
    let read: { Records?: _Record[] | undefined; NextShardIterator?: string | undefined };
    try {
      read = await client.send(new GetRecordsCommand({ ShardIterator: shard.iterator, Limit: 1000 }));
    } catch (error) {
      if (error instanceof TrimmedDataAccessException) shard.last = undefined;
      else if (!(error instanceof ExpiredIteratorException)) throw error;
      shard.iterator = undefined;
      return 'other';
    }
    const records = read.Records ?? [];
    // The SDK's record is the one that Lambda delivers, under another type.
    const wanted = records.filter(isEventToRoute) as unknown as DynamoDBStreamEvent['Records'];
    for (let at = 0; at < wanted.length && !ending.signal.aborted; at += batchLength) {
      await handle(wanted.slice(at, at + batchLength));
    }
    if (ending.signal.aborted) return 'nothing';
    shard.last = records.at(-1)?.dynamodb?.SequenceNumber ?? shard.last;
    shard.iterator = read.NextShardIterator;
    if (read.NextShardIterator === undefined) shards.delete(shard.id);
    if (wanted.length > 0) writePositions();
    if (wanted.length > 0) return 'events';
    return records.length > 0 ? 'other' : 'nothing';
  }

  async function handle(batch: DynamoDBStreamEvent['Records']): Promise<void> {
    let left = batch;
    for (let attempt = 0; ; attempt++) {
      left = await failedOf(left);
      if (left.length === 0) return;
      const delay = retryDelays[attempt];
      if (delay === undefined) {
        options.onGiveUp?.(left);
        return;
      }
      await pause(delay);
      if (ending.signal.aborted) return;
    }
  }

  async function failedOf(batch: DynamoDBStreamEvent['Records']): Promise<DynamoDBStreamEvent['Records']> {
    try {
      const { batchItemFailures } = await options.handler({ Records: batch });
      const failed = new Set(batchItemFailures.map(({ itemIdentifier }) => itemIdentifier));
      return batch.filter(({ dynamodb }) => failed.has(dynamodb?.SequenceNumber ?? ''));
    } catch {
      return batch;
    }
  }

  function writePositions(): void {
    if (options.positionFile === undefined) return;
    const noted = Object.fromEntries([...shards.values()].map(({ id, last }) => [id, last]));
    writeFileSync(`${options.positionFile}.new`, JSON.stringify(noted));
    renameSync(`${options.positionFile}.new`, options.positionFile);
  }

  async function pause(ms: number): Promise<void> {
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, ms);
      cutShort = () => {
        clearTimeout(timer);
        resolve();
      };
    });
    cutShort = undefined;
  }

  /** The pause between two polls; a nudge ends it, or shortens the next one. */
  async function rest(ms: number): Promise<boolean> {
    if (!nudged) {
      resting = true;
      await pause(ms);
      resting = false;
    }
    const called = nudged;
    nudged = false;
    if (called && !ending.signal.aborted) await pause(minPauseMs);
    return called;
  }

  function nudge(): void {
    nudged = true;
    if (resting) cutShort?.();
  }

  async function run(): Promise<void> {
    let wait = minPauseMs;
    while (!ending.signal.aborted) {
      const poll = ++polls;
      try {
        if (Date.now() - described > describeEveryMs) await describe();
        const portions: Portion[] = [];
        for (const shard of [...shards.values()]) portions.push(await advance(shard));
        if (portions.includes('events')) wait = minPauseMs;
        if (portions.every((portion) => portion === 'nothing')) {
          for (const each of waiting.filter(({ after }) => after < poll)) each.resolve();
          waiting.splice(0, waiting.length, ...waiting.filter(({ after }) => after >= poll));
        }
      } catch {
        // The database cannot be reached for a moment. The position in the stream is kept.
        for (const shard of shards.values()) shard.iterator = undefined;
        wait = maxPauseMs;
      }
      wait = (await rest(wait)) ? minPauseMs : Math.min(maxPauseMs, wait * 1.5);
    }
  }

  await describe();
  const running = run();
  return {
    drained: () =>
      new Promise((resolve) => {
        waiting.push({ after: polls, resolve });
        nudge();
      }),
    nudge,
    stop: async () => {
      ending.abort();
      cutShort?.();
      await running;
      client.destroy();
    },
  };
}

async function findStream(client: DynamoDBStreamsClient, tableName: string): Promise<string> {
  const { Streams = [] } = await client.send(new ListStreamsCommand({ TableName: tableName }));
  const arn = Streams.find((stream) => stream.TableName === tableName)?.StreamArn;
  if (arn === undefined) throw new Error(`The table ${tableName} has no stream: make it with a stream of new images`);
  return arn;
}

/** What the filter of the event source mapping passes on AWS. */
function isEventToRoute({ eventName, dynamodb }: _Record): boolean {
  if (!isEventItem(dynamodb?.Keys?.pk?.S ?? '')) return false;
  return eventName === 'INSERT' || dynamodb?.NewImage?.completedAt !== undefined;
}

function readPositions(file: string | undefined): Record<string, string> {
  if (file === undefined) return {};
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as Record<string, string>;
  } catch {
    // The position is missing or damaged: everything is delivered again, and is recognised as processed.
    return {};
  }
}

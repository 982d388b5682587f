import {
  ConditionalCheckFailedException,
  DeleteItemCommand,
  DescribeTableCommand,
  DescribeTimeToLiveCommand,
  paginateScan,
} from '@aws-sdk/client-dynamodb';
import { clientOf, type LocalDatabase } from './table.ts';

export interface ExpirySweepOptions extends LocalDatabase {
  tableName: string;
  /** Epoch milliseconds. */
  now?: () => number;
}

/** Does what DynamoDB's time to live does on AWS and the embedded database does not: removes items that have expired. */
export interface ExpirySweep {
  /** Scans the table once, as also happens every 15 minutes. Returns how many items were deleted. */
  sweep(): Promise<number>;
  stop(): Promise<void>;
}

const intervalMs = 15 * 60 * 1000;

/** Starts the sweep of one table, by the attribute that its time to live is set to. */
export function startExpirySweep(options: ExpirySweepOptions): ExpirySweep {
  const { tableName: TableName } = options;
  const now = options.now ?? Date.now;
  const client = clientOf(options);
  let running: Promise<unknown> = Promise.resolve();
  let stopping = false;
  // The next sweep catches up after a failed one.
  const turn = () => {
    running = sweep().catch(() => undefined);
  };
  const timer = setInterval(turn, intervalMs).unref();

  async function sweep(): Promise<number> {
    const { TimeToLiveDescription } = await client.send(new DescribeTimeToLiveCommand({ TableName }));
    const attribute = TimeToLiveDescription?.AttributeName;
    if (attribute === undefined) return 0;
    const { Table } = await client.send(new DescribeTableCommand({ TableName }));
    const keys = (Table?.KeySchema ?? []).map(({ AttributeName }) => AttributeName ?? '');
    const expired = {
      ExpressionAttributeNames: { '#expiry': attribute },
      ExpressionAttributeValues: { ':now': { N: String(Math.floor(now() / 1000)) } },
    };
    let removed = 0;
    for await (const { Items = [] } of paginateScan(
      { client, pageSize: 200 },
      { TableName, FilterExpression: '#expiry < :now', ...expired },
    )) {
      for (const item of Items) {
        if (stopping) return removed;
        const Key = Object.fromEntries(keys.map((name) => [name, item[name] ?? { NULL: true }]));
        try {
          // An item that was renewed in between is kept.
          await client.send(
            new DeleteItemCommand({ TableName, Key, ConditionExpression: '#expiry < :now', ...expired }),
          );
          removed += 1;
        } catch (error) {
          if (!(error instanceof ConditionalCheckFailedException)) throw error;
        }
      }
    }
    return removed;
  }

  return {
    sweep,
    stop: async () => {
      stopping = true;
      clearInterval(timer);
      await running;
      client.destroy();
    },
  };
}

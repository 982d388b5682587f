import {
  CreateTableCommand,
  DynamoDBClient,
  ResourceInUseException,
  UpdateTimeToLiveCommand,
} from '@aws-sdk/client-dynamodb';
import type { LocalCredentials } from './aws-request.ts';
import type { DirectClient } from './direct-client.ts';

/** A DynamoDB of this machine, with what its clients sign with. */
export interface LocalDatabase {
  endpoint: string;
  credentials: LocalCredentials;
  /** For clients in the database's own process. */
  client?: DirectClient;
}

/** The settings of a client of a database. */
export const clientOf = ({ endpoint, credentials, client }: LocalDatabase) =>
  client ?? { endpoint, credentials, region: 'us-east-1' };

/** Creates the one table, with the keys, index and stream that the storage stack gives it on AWS. */
export async function createTable(database: LocalDatabase, tableName: string): Promise<void> {
  const client = new DynamoDBClient(clientOf(database));
  try {
    await client.send(
      new CreateTableCommand({
        TableName: tableName,
        BillingMode: 'PAY_PER_REQUEST',
        AttributeDefinitions: [
          { AttributeName: 'pk', AttributeType: 'S' },
          { AttributeName: 'sk', AttributeType: 'S' },
          { AttributeName: 'duePk', AttributeType: 'S' },
          { AttributeName: 'dueAt', AttributeType: 'N' },
        ],
        KeySchema: [
          { AttributeName: 'pk', KeyType: 'HASH' },
          { AttributeName: 'sk', KeyType: 'RANGE' },
        ],
        GlobalSecondaryIndexes: [
          {
            IndexName: 'due',
            KeySchema: [
              { AttributeName: 'duePk', KeyType: 'HASH' },
              { AttributeName: 'dueAt', KeyType: 'RANGE' },
            ],
            Projection: { ProjectionType: 'ALL' },
          },
        ],
        StreamSpecification: { StreamEnabled: true, StreamViewType: 'NEW_IMAGE' },
      }),
    );
    await client.send(
      new UpdateTimeToLiveCommand({
        TableName: tableName,
        TimeToLiveSpecification: { AttributeName: 'expiresAt', Enabled: true },
      }),
    );
  } catch (error) {
    if (!(error instanceof ResourceInUseException)) throw error;
  } finally {
    client.destroy();
  }
}

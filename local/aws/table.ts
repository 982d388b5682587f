import {
  CreateTableCommand,
  DynamoDBClient,
  ResourceInUseException,
  UpdateTimeToLiveCommand,
} from '@aws-sdk/client-dynamodb';
import { DynamoDBStreamsClient } from '@aws-sdk/client-dynamodb-streams';
import type { LocalCredentials } from './aws-request.ts';
import type { DirectClients } from './direct-client.ts';

/** A DynamoDB of this machine, with what its clients sign with, and the clients of the database's own process if it is this one. */
export interface LocalDatabase extends Partial<DirectClients> {
  endpoint: string;
  credentials: LocalCredentials;
}

/** A client of a database. */
export const clientOf = ({ client, ...database }: LocalDatabase): DynamoDBClient =>
  client ?? new DynamoDBClient(settingsOf(database));

/** A client of a database's stream. */
export const streamsClientOf = ({ streams, ...database }: LocalDatabase): DynamoDBStreamsClient =>
  streams ?? new DynamoDBStreamsClient(settingsOf(database));

const settingsOf = ({ endpoint, credentials }: LocalDatabase) => ({ endpoint, credentials, region: 'us-east-1' });

/** Creates the one table, with the keys, index and stream that the storage stack gives it on AWS. */
export async function createTable(database: LocalDatabase, tableName: string): Promise<void> {
  const client = clientOf(database);
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

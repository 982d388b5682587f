import { DescribeContinuousBackupsCommand, DescribeTableCommand, DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { GetAccountSettingsCommand, LambdaClient, ListFunctionsCommand } from '@aws-sdk/client-lambda';
import { DescribeSecretCommand, SecretsManagerClient } from '@aws-sdk/client-secrets-manager';
import { mockClient } from 'aws-sdk-client-mock';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { awsFindings } from './doctor-aws.ts';

const received = async () =>
  (await awsFindings()).map(({ subject, state, message }) => `${subject} ${state}: ${message}`);

beforeEach(() => {
  vi.stubEnv('AWS_REGION', 'eu-central-1');
  // Nothing of this machine's own account.
  for (const name of ['AWS_PROFILE', 'AWS_ACCESS_KEY_ID', 'AWS_SECRET_ACCESS_KEY', 'AWS_SESSION_TOKEN'])
    vi.stubEnv(name, undefined);
  for (const name of ['AWS_CONFIG_FILE', 'AWS_SHARED_CREDENTIALS_FILE']) vi.stubEnv(name, '/nonexistent');
  vi.stubEnv('AWS_EC2_METADATA_DISABLED', 'true');
});
afterEach(() => vi.unstubAllEnvs());

test('says that there are no credentials, and how to get them', async () => {
  expect(await received()).toEqual([
    expect.stringMatching(/^aws lambda bad: No AWS credentials were found\. Run "aws/),
  ]);
});

test('says that no region is set', async () => {
  vi.stubEnv('AWS_REGION', undefined);
  expect(await received()).toEqual(['aws lambda bad: No AWS region is set. Set AWS_REGION, or run "aws configure".']);
});

describe('in an account', () => {
  const mocks = () => ({
    lambda: mockClient(LambdaClient),
    dynamodb: mockClient(DynamoDBClient),
    secrets: mockClient(SecretsManagerClient),
  });
  let { lambda, dynamodb, secrets } = {} as ReturnType<typeof mocks>;
  const denied = Object.assign(new Error('User is not authorized'), { name: 'AccessDeniedException' });

  beforeEach(() => {
    ({ lambda, dynamodb, secrets } = mocks());
    lambda.on(GetAccountSettingsCommand).resolves({ AccountLimit: { ConcurrentExecutions: 1000 } });
    lambda.on(ListFunctionsCommand).resolves({
      Functions: [
        { FunctionName: 'other', Description: 'Somebody else' },
        {
          FunctionArn: 'arn:aws:lambda:eu-central-1:123456789012:function:TrunklineGateway-control',
          Description: 'Trunkline: functions/control.ts',
          Environment: { Variables: { TRUNKLINE_TABLE: 'Storage-Table' } },
        },
      ],
    });
    dynamodb.on(DescribeTableCommand, { TableName: 'Storage-Table' }).resolves({ Table: { TableStatus: 'ACTIVE' } });
    dynamodb.on(DescribeContinuousBackupsCommand).resolves({
      ContinuousBackupsDescription: {
        ContinuousBackupsStatus: 'ENABLED',
        PointInTimeRecoveryDescription: { PointInTimeRecoveryStatus: 'ENABLED' },
      },
    });
    secrets.on(DescribeSecretCommand, { SecretId: 'trunkline/admin-key' }).resolves({});
  });
  afterEach(() => {
    for (const client of [lambda, dynamodb, secrets]) client.restore();
  });

  test('finds the deployment with its table, backups and admin key', async () => {
    expect(await received()).toEqual([
      'aws lambda good: 1000 concurrent executions.',
      'aws deployment good: 1 functions in eu-central-1, account 123456789012.',
      'aws table good: Storage-Table is ACTIVE.',
      'aws backups good: Point-in-time recovery is on.',
      'aws admin key good: The secret trunkline/admin-key exists.',
    ]);
  });

  test('warns of a small account without a deployment', async () => {
    lambda.on(GetAccountSettingsCommand).resolves({ AccountLimit: { ConcurrentExecutions: 10 } });
    lambda.on(ListFunctionsCommand).resolves({ Functions: [] });
    expect(await received()).toEqual([
      expect.stringContaining('aws lambda warning: The account allows 10 concurrent executions.'),
      expect.stringContaining('aws deployment warning: There is no Trunkline in eu-central-1. Deploy it with'),
    ]);
  });

  test('names the permission that is missing, and asks on', async () => {
    lambda.on(GetAccountSettingsCommand).rejects(denied);
    dynamodb.on(DescribeContinuousBackupsCommand).rejects(denied);
    const findings = await received();
    expect(findings).toHaveLength(5);
    expect(findings).toContain(
      'aws lambda warning: These credentials may not check this. Allow lambda:GetAccountSettings.',
    );
    expect(findings).toContain(
      'aws backups warning: These credentials may not check this. Allow dynamodb:DescribeContinuousBackups.',
    );
  });

  test('stops at credentials that AWS rejects', async () => {
    const expired = Object.assign(new Error('The security token expired.'), { name: 'ExpiredTokenException' });
    lambda.on(GetAccountSettingsCommand).rejects(expired);
    expect(await received()).toEqual([
      expect.stringContaining('bad: AWS rejected the credentials: The security token expired. Run "aws configure"'),
    ]);
  });

  test('reports a table without backups, and an admin key that is gone', async () => {
    dynamodb.on(DescribeContinuousBackupsCommand).resolves({
      ContinuousBackupsDescription: { ContinuousBackupsStatus: 'ENABLED' },
    });
    secrets.on(DescribeSecretCommand).rejects(new Error("Secrets Manager can't find the specified secret."));
    expect(await received()).toEqual(
      expect.arrayContaining([
        expect.stringContaining('aws backups warning: Point-in-time recovery is off.'),
        expect.stringContaining("aws admin key bad: Secrets Manager can't find"),
      ]),
    );
  });
});

import type { FunctionConfiguration } from '@aws-sdk/client-lambda';
import { adminKeySecret } from '../../lib/core/secrets.ts';
import type { Finding } from '../../lib/core/vendor.ts';
import { messageOf } from '../output.ts';

/** A new AWS account has ten concurrent executions, which one busy minute of polls uses up. */
const fewExecutions = 100;
/** How the deployment describes its functions. */
const ours = 'Trunkline: functions/';

/**
 * What an AWS account and a deployment in it need: credentials, concurrency, functions, the table with its backups, the admin key. Region
 * and credentials are those of the environment.
 */
export async function awsFindings(): Promise<Finding[]> {
  const { LambdaClient, GetAccountSettingsCommand, paginateListFunctions } = await import('@aws-sdk/client-lambda');
  const lambda = new LambdaClient();
  const limits = await asked('aws lambda', 'lambda:GetAccountSettings', async () => {
    const { AccountLimit } = await lambda.send(new GetAccountSettingsCommand());
    return [concurrencyOf(AccountLimit?.ConcurrentExecutions ?? 0)];
  });
  // Without credentials or a region, every further check fails for the same reason.
  if (limits.some(({ state }) => state === 'bad')) return limits;
  const functions: FunctionConfiguration[] = [];
  const listed = await asked('aws deployment', 'lambda:ListFunctions', async () => {
    for await (const { Functions = [] } of paginateListFunctions({ client: lambda }, {})) {
      functions.push(...Functions.filter(({ Description = '' }) => Description.startsWith(ours)));
    }
    return [deploymentOf(functions, await lambda.config.region())];
  });
  const table = functions.map(({ Environment }) => Environment?.Variables?.TRUNKLINE_TABLE).find(Boolean);
  if (table === undefined) return [...limits, ...listed];
  const rest = await Promise.all([tableFindings(table), secretFindings()]);
  return [...limits, ...listed, ...rest.flat()];
}

function concurrencyOf(executions: number): Finding {
  const subject = 'aws lambda';
  return executions < fewExecutions
    ? {
        subject,
        state: 'warning',
        message: `The account allows ${executions} concurrent executions. Ask AWS for 1,000 before you rely on alarms.`,
      }
    : { subject, state: 'good', message: `${executions} concurrent executions.` };
}

function deploymentOf(functions: readonly FunctionConfiguration[], region: string): Finding {
  const subject = 'aws deployment';
  const [, , , , account] = functions[0]?.FunctionArn?.split(':') ?? [];
  return account === undefined
    ? {
        subject,
        state: 'warning',
        message: `There is no Trunkline in ${region}. Deploy it with "npx cdk deploy --all", or set AWS_REGION to its region.`,
      }
    : { subject, state: 'good', message: `${functions.length} functions in ${region}, account ${account}.` };
}

async function tableFindings(TableName: string): Promise<Finding[]> {
  const { DynamoDBClient, DescribeContinuousBackupsCommand, DescribeTableCommand } = await import(
    '@aws-sdk/client-dynamodb'
  );
  const dynamodb = new DynamoDBClient();
  const table = await asked('aws table', 'dynamodb:DescribeTable', async () => {
    const { Table } = await dynamodb.send(new DescribeTableCommand({ TableName }));
    const state = Table?.TableStatus === 'ACTIVE' || Table?.TableStatus === 'UPDATING' ? 'good' : 'bad';
    return [{ subject: 'aws table', state, message: `${TableName} is ${Table?.TableStatus}.` }];
  });
  const backups = await asked('aws backups', 'dynamodb:DescribeContinuousBackups', async () => {
    const { ContinuousBackupsDescription: found } = await dynamodb.send(
      new DescribeContinuousBackupsCommand({ TableName }),
    );
    const isOn = found?.PointInTimeRecoveryDescription?.PointInTimeRecoveryStatus === 'ENABLED';
    const message = isOn
      ? 'Point-in-time recovery is on.'
      : 'Point-in-time recovery is off. Deploy again to turn it on, or the table cannot be restored.';
    return [{ subject: 'aws backups', state: isOn ? 'good' : 'warning', message }];
  });
  return [...table, ...backups];
}

function secretFindings(): Promise<Finding[]> {
  return asked('aws admin key', 'secretsmanager:DescribeSecret', async () => {
    const { DescribeSecretCommand, SecretsManagerClient } = await import('@aws-sdk/client-secrets-manager');
    await new SecretsManagerClient().send(new DescribeSecretCommand({ SecretId: adminKeySecret }));
    return [{ subject: 'aws admin key', state: 'good', message: `The secret ${adminKeySecret} exists.` }];
  });
}

/** The findings of one request to AWS; if it failed, the reason and what to do. */
async function asked(subject: string, permission: string, ask: () => Promise<Finding[]>): Promise<Finding[]> {
  try {
    return await ask();
  } catch (error) {
    return [{ subject, ...problemOf(error, permission) }];
  }
}

const setRegion = 'Set AWS_REGION, or run "aws configure".';
const signIn =
  'Run "aws configure" or "aws sso login", or set AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN.';

function problemOf(error: unknown, permission: string): Pick<Finding, 'state' | 'message'> {
  const { name, message } = error instanceof Error ? error : { name: '', message: messageOf(error) };
  if (/^AccessDenied/.test(name)) {
    return { state: 'warning', message: `These credentials may not check this. Allow ${permission}.` };
  }
  if (name === 'CredentialsProviderError') return { state: 'bad', message: `No AWS credentials were found. ${signIn}` };
  if (/UnrecognizedClient|InvalidClientTokenId|ExpiredToken|InvalidSignature/.test(name)) {
    return { state: 'bad', message: `AWS rejected the credentials: ${message} ${signIn}` };
  }
  if (/^Region is missing/.test(message)) return { state: 'bad', message: `No AWS region is set. ${setRegion}` };
  return { state: 'bad', message };
}

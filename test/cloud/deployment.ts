import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Operation } from '@aws-sdk/client-lambda';
import { CreateSecretCommand, SecretsManagerClient } from '@aws-sdk/client-secrets-manager';
import type { APIGatewayProxyStructuredResultV2 } from 'aws-lambda';
import { hashOf } from '../../lib/api/keys/admin-key.ts';
import { adminKeySecret, sealingKeySecret, sessionKeySecret } from '../../lib/core/secrets.ts';
import { keys } from '../../lib/store/items.ts';
import { Table } from '../../lib/store/table.ts';
import { vendorNames } from '../../lib/vendors/index.ts';
import { createLocalCredentials } from '../../local/aws/aws-request.ts';
import { startEmbeddedDynamodb } from '../../local/aws/embedded-dynamodb.ts';
import { startSecretsEndpoint } from '../../local/aws/secrets-endpoint.ts';
import { createTable } from '../../local/aws/table.ts';
import { applyUpdate } from '../../local/runtime/durable-operations.ts';
import { eventOf, type TestRequest } from '../support/function-request.ts';
import { FunctionAccess, nameOf } from './access.ts';
import { startAwsRecorder } from './aws-recorder.ts';
import { type LambdaProcess, startLambdaProcess } from './lambda-process.ts';
import type { Templates } from './stack-template.ts';
import { runCdkSynth, templatesIn } from './synthesize.ts';

export const adminKey = 'DeployedAdminKey0123456789abcdefghijklmnopq';

/** The session token that a function's requests carry, which distinguishes them. */
export const tokenOf = (name: string): string => `role-of-${name}`;

/**
 * Everything that `cdk deploy` would set up, on this machine. The code of each function, as `cdk synth` has built it, runs in a
 * separate process with the environment of its template, against an AWS that records every request.
 */
export async function startDeployment() {
  const directory = mkdtempSync(join(tmpdir(), 'trunkline-deployment-'));
  const assembly = join(directory, 'cdk.out');
  const credentials = createLocalCredentials();
  const [, database, secrets] = await Promise.all([
    runCdkSynth(directory, assembly),
    startEmbeddedDynamodb({ credentials }),
    startSecretsEndpoint({ directory: join(directory, 'secrets'), credentials }),
  ]);
  const templates = templatesIn(assembly);
  const bundles = bundlesIn(assembly, templates);
  const table = templates.ofType('AWS::DynamoDB::Table')[0]?.id ?? '';
  await createTable(database, table);
  await storeGeneratedSecrets(secrets.endpoint, credentials);
  // As the function `watch` publishes it.
  const items = new Table(table, { endpoint: database.endpoint, credentials, region: 'eu-central-1' });
  await items.put({ ...keys.adminKey(), hash: hashOf(`tl_${adminKey}`) });
  const aws = await startAwsRecorder({
    dynamodb: database.endpoint,
    secrets: secrets.endpoint,
    tableArn: `arn:aws:dynamodb:eu-central-1:123456789012:table/${table}`,
    lambda: lambdaService(),
  });
  const processes = new Map<string, LambdaProcess>();

  return {
    assembly,
    templates,
    bundles,
    credentials,
    aws,
    access: (name: string) => new FunctionAccess(templates, name),
    environmentOf,
    /** The names of the functions that were used. */
    started: () => [...processes.keys()],
    /** The function's running process; it is started at the first use, as on Lambda. */
    function: running,
    /** Has a function answer an HTTP request, by default with the admin key. */
    async ask(name: string, request: TestRequest) {
      const headers = { authorization: `Bearer tl_${adminKey}`, ...request.headers };
      const lambda = await running(name);
      const answer = await lambda.invoke<APIGatewayProxyStructuredResultV2>(eventOf({ ...request, headers }));
      const { statusCode: status, body = '', headers: answered = {} } = answer;
      const json = /json/.test(String(answered['content-type']));
      return { status, body: (json ? JSON.parse(body) : body) as unknown, headers: answered };
    },
    /** Has a durable function begin an execution, which must end in the same invocation. */
    async execute(name: string, payload: object): Promise<{ Status: string; Result: string }> {
      const arn = `arn:aws:lambda:eu-central-1:123456789012:function:${deployed(name)?.id}:1/durable-execution/x/y`;
      const lambda = await running(name);
      return lambda.invoke({
        DurableExecutionArn: arn,
        CheckpointToken: 'token',
        InitialExecutionState: {
          Operations: [
            {
              Id: '0',
              Type: 'EXECUTION',
              Status: 'STARTED',
              StartTimestamp: Date.now(),
              ExecutionDetails: { InputPayload: JSON.stringify(payload) },
            },
          ],
        },
      });
    },
    async stop(): Promise<void> {
      await Promise.all([...processes.values()].map((process) => process.stop()));
      await Promise.all([aws.stop(), secrets.stop(), database.stop()]);
      rmSync(directory, { recursive: true, force: true });
    },
  };

  async function running(name: string): Promise<LambdaProcess> {
    let process = processes.get(name);
    if (!process) {
      process = await startLambdaProcess(bundleOf(bundles, name).entry, environmentOf(name));
      processes.set(name, process);
    }
    return process;
  }

  function deployed(name: string) {
    return templates.ofType('AWS::Lambda::Function').find(({ properties }) => nameOf(properties) === name);
  }

  function environmentOf(name: string): Record<string, string> {
    const { Variables } = (deployed(name)?.properties.Environment ?? {}) as { Variables?: Record<string, string> };
    return {
      ...Variables,
      AWS_LAMBDA_FUNCTION_NAME: name,
      AWS_REGION: 'eu-central-1',
      AWS_ACCESS_KEY_ID: credentials.accessKeyId,
      AWS_SECRET_ACCESS_KEY: credentials.secretAccessKey,
      AWS_SESSION_TOKEN: tokenOf(name),
      AWS_ENDPOINT_URL: aws.endpoint,
    };
  }
}

export type Deployment = Awaited<ReturnType<typeof startDeployment>>;

/** A function as it is uploaded: the folder with its entry and everything that this may load. */
interface Bundle {
  folder: string;
  entry: string;
}

function bundlesIn(assembly: string, templates: Templates): Map<string, Bundle> {
  return new Map(
    templates.ofType('AWS::Lambda::Function').map(({ properties }) => {
      const name = nameOf(properties);
      const { S3Key } = properties.Code as { S3Key: string };
      const folder = join(assembly, `asset.${S3Key.replace('.zip', '')}`);
      return [name, { folder, entry: join(folder, `${name}.mjs`) }];
    }),
  );
}

function bundleOf(bundles: ReadonlyMap<string, Bundle>, name: string): Bundle {
  const found = bundles.get(name);
  if (!found) throw new Error(`${name} was not built`);
  return found;
}

async function storeGeneratedSecrets(
  endpoint: string,
  credentials: { accessKeyId: string; secretAccessKey: string },
): Promise<void> {
  const client = new SecretsManagerClient({ endpoint, credentials, region: 'eu-central-1' });
  const generated = [
    [adminKeySecret, adminKey],
    [sealingKeySecret, 'sealing'.repeat(8)],
    ...vendorNames.map((vendor) => [sessionKeySecret(vendor), vendor.repeat(8)]),
  ];
  for (const [Name, SecretString] of generated) await client.send(new CreateSecretCommand({ Name, SecretString }));
  client.destroy();
}

/** Lambda's own API as far as functions use it: it takes starts, and keeps the checkpoints of executions. */
function lambdaService() {
  const executions = new Map<string, Map<string, Operation>>();
  return (_method: string, path: string, body: Buffer): object | undefined => {
    if (path.startsWith('/2015-03-31/functions/')) return {};
    const [, execution] = path.match(/^\/2025-12-01\/durable-executions\/(.+)\/checkpoint$/) ?? [];
    if (execution === undefined) return undefined;
    const operations = executions.get(execution) ?? new Map<string, Operation>();
    executions.set(execution, operations);
    const { CheckpointToken, Updates = [] } = JSON.parse(body.toString('utf8')) as {
      CheckpointToken: string;
      Updates?: Parameters<typeof applyUpdate>[1][];
    };
    const changed = Updates.map((update) => {
      const operation = applyUpdate(operations.get(update.Id ?? ''), update, 'callback', Date.now());
      operations.set(update.Id ?? '', operation);
      return operation;
    });
    return { CheckpointToken, NewExecutionState: { Operations: changed.map(withSeconds) } };
  };
}

/** Times as the protocol has them. */
function withSeconds(operation: Operation): object {
  return JSON.parse(JSON.stringify(operation), (_, value: unknown) =>
    typeof value === 'string' && /^\d{4}-\d\d-\d\dT.*Z$/.test(value) ? Date.parse(value) / 1000 : value,
  ) as object;
}

import { Arn, ArnFormat, Fn, Stack } from 'aws-cdk-lib';
import { Effect, PolicyStatement } from 'aws-cdk-lib/aws-iam';
import type { Construct } from 'constructs';
import type { FunctionDeclaration } from '../functions/declarations.ts';
import type { StorageStack } from './storage-stack.ts';

const readItems = ['dynamodb:GetItem', 'dynamodb:BatchGetItem', 'dynamodb:Query'];
const writeItems = ['dynamodb:PutItem', 'dynamodb:UpdateItem', 'dynamodb:DeleteItem', 'dynamodb:ConditionCheckItem'];

/** What a function's declaration lets it do, as policy statements. Nothing is granted that the declaration does not name. */
export function statementsOf(
  scope: Construct,
  { table = {}, secrets = {}, files = {} }: FunctionDeclaration,
  storage: StorageStack,
): PolicyStatement[] {
  const secretArns = (names: readonly string[]) => names.map((name) => secretArn(scope, name));
  const fileArns = (prefixes: readonly string[]) => prefixes.map((prefix) => `${storage.filesArn}/${prefix}*`);
  const { read = [], write = [], due = [] } = table;
  const { manage = [] } = secrets;
  return [
    itemStatement(readItems, storage.table.tableArn, [...read, ...write]),
    itemStatement(writeItems, storage.table.tableArn, write),
    itemStatement(
      ['dynamodb:Query'],
      `${storage.table.tableArn}/index/due`,
      due.map((kind) => `${kind}#*`),
    ),
    allow(['secretsmanager:GetSecretValue'], secretArns([...(secrets.read ?? []), ...manage])),
    allow(['secretsmanager:PutSecretValue'], secretArns([...(secrets.change ?? []), ...manage])),
    allow(['secretsmanager:CreateSecret', 'secretsmanager:RestoreSecret'], secretArns(manage)),
    allow(['secretsmanager:DeleteSecret'], secretArns([...(secrets.remove ?? []), ...manage])),
    // The keys that encrypt sessions are stored among the credentials; only a deployment creates them.
    new PolicyStatement({
      effect: Effect.DENY,
      actions: ['secretsmanager:CreateSecret', 'secretsmanager:PutSecretValue', 'secretsmanager:DeleteSecret'],
      resources: [...(secrets.change ?? []), ...(secrets.remove ?? []), ...manage].map((name) =>
        secretArn(scope, name.replace('*', '_session-key*')),
      ),
    }),
    allow(['s3:GetObject'], fileArns([...(files.read ?? []), ...(files.write ?? [])])),
    allow(['s3:PutObject', 's3:AbortMultipartUpload', 's3:DeleteObject'], fileArns(files.write ?? [])),
    keyStatement(storage),
  ].filter((statement) => statement.resources.length > 0);
}

/** The ARN of the secrets of a name; Secrets Manager appends six characters to each. */
export function secretArn(scope: Construct, name: string): string {
  return Arn.format(
    {
      service: 'secretsmanager',
      resource: 'secret',
      resourceName: name.endsWith('*') ? name : `${name}-??????`,
      arnFormat: ArnFormat.COLON_RESOURCE_NAME,
    },
    Stack.of(scope),
  );
}

export function allow(actions: string[], resources: string[]): PolicyStatement {
  return new PolicyStatement({ actions, resources });
}

function itemStatement(actions: string[], table: string, keys: readonly string[]): PolicyStatement {
  return new PolicyStatement({
    actions,
    resources: keys.length > 0 ? [table] : [],
    conditions: {
      'ForAllValues:StringLike': { 'dynamodb:LeadingKeys': keys },
      // Without it a request that names no key would match: every value of an empty set does.
      Null: { 'dynamodb:LeadingKeys': 'false' },
    },
  });
}

/** The key of table, bucket and generated secrets, only for what these services do with it. */
function keyStatement({ key }: StorageStack): PolicyStatement {
  return new PolicyStatement({
    actions: [
      'kms:Decrypt',
      'kms:DescribeKey',
      'kms:Encrypt',
      'kms:GenerateDataKey',
      'kms:ReEncryptFrom',
      'kms:ReEncryptTo',
    ],
    resources: [key.keyArn],
    conditions: {
      StringLike: {
        'kms:ViaService': ['dynamodb', 'secretsmanager', 's3'].map((service) => Fn.sub(`${service}.\${AWS::Region}.*`)),
      },
    },
  });
}

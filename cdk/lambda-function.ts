import { Duration, RemovalPolicy, Stack, Validations } from 'aws-cdk-lib';
import { Policy, type PolicyStatement, Role, ServicePrincipal } from 'aws-cdk-lib/aws-iam';
import {
  Alias,
  Architecture,
  Code,
  type IFunction,
  type IVersion,
  Function as Lambda,
  Runtime,
} from 'aws-cdk-lib/aws-lambda';
import { LogGroup, RetentionDays } from 'aws-cdk-lib/aws-logs';
import { flattenCfnReference } from 'cdk-nag/lib/utils/flatten-cfn-reference.js';
import { Construct } from 'constructs';
import type { FunctionDeclaration } from '../functions/declarations.ts';
import { vendorNames } from '../lib/vendors/index.ts';
import { allow, statementsOf } from './rights.ts';
import type { StorageStack } from './storage-stack.ts';

export interface LambdaFunctionProps {
  declaration: FunctionDeclaration;
  /** The folder with the built handler, `{name}.mjs`. */
  code: string;
  storage: StorageStack;
  /** The durable functions. */
  durable: readonly LambdaFunction[];
  reservedConcurrency?: number | undefined;
  /** Variables in addition to those that every function gets. */
  environment?: Record<string, string>;
}

/** What new executions start on; a function that starts itself knows it by this name (`lib/aws/settings.ts`). */
const aliasName = 'live';

/** The one way in which a Lambda is made: runtime, code, log, environment and rights. */
export class LambdaFunction extends Construct {
  readonly declaration: FunctionDeclaration;
  readonly lambda: Lambda;
  /** What starts the function: itself, or an alias where executions must end on the version they began on. */
  readonly target: IFunction;

  constructor(
    scope: Construct,
    { declaration, code, storage, durable, reservedConcurrency, environment }: LambdaFunctionProps,
  ) {
    super(scope, declaration.name);
    this.declaration = declaration;
    const { name, memory, timeout, trigger } = declaration;
    const named = (names: readonly string[] = []) => names.map((each) => durableNamed(each, durable));
    const started = named(declaration.starts);

    const logGroup = new LogGroup(this, 'Log', {
      retention: RetentionDays.ONE_MONTH,
      removalPolicy: RemovalPolicy.DESTROY,
      encryptionKey: storage.key,
    });
    const role = new Role(this, 'Role', { assumedBy: new ServicePrincipal('lambda.amazonaws.com') });
    const statements = [
      allow(['logs:CreateLogStream', 'logs:PutLogEvents'], [logGroup.logGroupArn]),
      ...statementsOf(this, declaration, storage),
      allow(
        ['lambda:InvokeFunction'],
        started.map(({ target }) => target.functionArn),
      ),
      allow(['lambda:SendDurableExecutionCallbackSuccess'], named(declaration.completes).map(executionsOf)),
    ];
    grant(role, statements, `What the declaration of ${name} allows: names of one kind, limited by prefix.`);

    this.lambda = new Lambda(this, 'Function', {
      description: `Trunkline: functions/${name}.ts`,
      runtime: Runtime.NODEJS_24_X,
      architecture: Architecture.ARM_64,
      code: Code.fromAsset(code),
      handler: `${name}.handler`,
      memorySize: memory,
      timeout: Duration.seconds(timeout),
      role,
      logGroup,
      environment: {
        TRUNKLINE_TABLE: storage.table.tableName,
        TRUNKLINE_VENDORS: vendorNames.join(','),
        TRUNKLINE_BUCKET: storage.bucket.bucketName,
        ...(declaration.secrets?.manage && { TRUNKLINE_KMS_KEY: storage.key.keyArn }),
        ...Object.fromEntries(started.map((each) => [variableOf(each), each.target.functionArn])),
        ...environment,
      },
      ...(reservedConcurrency !== undefined && { reservedConcurrentExecutions: reservedConcurrency }),
      // A failed or late tick is not repeated: the next one finds the same work.
      ...(trigger === 'clock' && { retryAttempts: 0, maxEventAge: Duration.minutes(1) }),
      ...(isDurable(declaration) && {
        durableConfig: { executionTimeout: Duration.days(31), retentionPeriod: Duration.days(30) },
        currentVersionOptions: { removalPolicy: RemovalPolicy.RETAIN },
      }),
    });
    if (trigger === 'clock') this.#mayInvokeItself(role);
    // The CDK's own types differ where an optional property may be undefined.
    this.target = (isDurable(declaration) ? this.#durableAlias(role) : this.lambda) as IFunction;
  }

  /** A tick invokes its own function as workers when more is due than one process can handle. */
  #mayInvokeItself(role: Role): void {
    // Apart from the role's own policy, which the function waits for while this one waits for the function.
    new Policy(this, 'Workers', {
      roles: [role],
      statements: [allow(['lambda:InvokeFunction'], [this.lambda.functionArn])],
    });
  }

  /** An alias of the current version. Old versions stay, so that a running execution ends on the code it began with. */
  #durableAlias(role: Role): Alias {
    const statement = allow(
      [
        'lambda:CheckpointDurableExecution',
        'lambda:GetDurableExecutionState',
        'lambda:SendDurableExecutionCallbackSuccess',
      ],
      [executionsOf(this)],
    );
    const statements = [statement];
    if (this.declaration.startsItself) {
      statements.push(allow(['lambda:InvokeFunction'], [`${this.lambda.functionArn}:${aliasName}`]));
    }
    // Apart from the role's own policy, which the function waits for while this one waits for the function.
    const policy = new Policy(this, 'Executions', { roles: [role], statements });
    acknowledgeWildcards(policy, [statement], 'Its own executions, on any of its versions.');
    // As above.
    return new Alias(this, 'Live', { aliasName, version: this.lambda.currentVersion as IVersion });
  }
}

/** Whether a function runs as durable executions. */
export function isDurable({ trigger }: FunctionDeclaration): boolean {
  return typeof trigger === 'object' && 'durable' in trigger;
}

function durableNamed(name: string, durable: readonly LambdaFunction[]): LambdaFunction {
  const found = durable.find(({ declaration }) => declaration.name === name);
  if (!found) throw new Error(`${name} is no durable function`);
  return found;
}

function variableOf({ declaration: { trigger } }: LambdaFunction): string {
  return typeof trigger === 'object' && 'durable' in trigger ? trigger.durable : '';
}

/** Every execution of every version. */
function executionsOf({ lambda }: LambdaFunction): string {
  return `${lambda.functionArn}:*`;
}

function grant(role: Role, statements: readonly PolicyStatement[], reason: string): void {
  const granted = statements.filter(({ resources }) => resources.length > 0);
  for (const statement of granted) role.addToPolicy(statement);
  acknowledgeWildcards(role, granted, reason);
}

/** Suppresses the rule check for wildcards in these resources, which are intended. */
function acknowledgeWildcards(scope: Construct, statements: readonly PolicyStatement[], reason: string): void {
  const resources = statements.flatMap((statement) => statement.resources);
  const flat = new Set(resources.map((each) => flattenCfnReference(Stack.of(scope).resolve(each))));
  for (const resource of flat) {
    if (!resource.includes('*')) continue;
    Validations.of(scope).acknowledge({ id: `AwsSolutions-IAM5[Resource::${resource}]`, reason });
  }
}

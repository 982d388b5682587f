import { CfnOutput, Duration, RemovalPolicy, Stack, type StackProps, Validations } from 'aws-cdk-lib';
import { AccessLogFormat } from 'aws-cdk-lib/aws-apigateway';
import {
  type CfnStage,
  HttpApi,
  HttpMethod,
  HttpRoute,
  HttpRouteKey,
  HttpStage,
  LogGroupLogDestination,
} from 'aws-cdk-lib/aws-apigatewayv2';
import { HttpLambdaIntegration } from 'aws-cdk-lib/aws-apigatewayv2-integrations';
import type { ITable } from 'aws-cdk-lib/aws-dynamodb';
import { Rule, Schedule } from 'aws-cdk-lib/aws-events';
import { LambdaFunction as LambdaTarget } from 'aws-cdk-lib/aws-events-targets';
import { FilterCriteria, FilterRule, StartingPosition } from 'aws-cdk-lib/aws-lambda';
import { DynamoEventSource, SqsDlq } from 'aws-cdk-lib/aws-lambda-event-sources';
import { LogGroup, RetentionDays } from 'aws-cdk-lib/aws-logs';
import { Queue, QueueEncryption } from 'aws-cdk-lib/aws-sqs';
import type { Construct } from 'constructs';
import type { FunctionDeclaration } from '../functions/declarations.ts';
import { brokenStatuses, statusChange } from '../lib/core/durable.ts';
import { isDurable, LambdaFunction } from './lambda-function.ts';
import type { Settings } from './settings.ts';
import type { StorageStack } from './storage-stack.ts';

export interface GatewayStackProps extends StackProps {
  storage: StorageStack;
  functions: readonly FunctionDeclaration[];
  /** The folder of a function's built code. */
  code: (name: string) => string | undefined;
  settings: Settings;
}

const hookPath = '/hooks/{proxy+}';

/** What can be deleted and recreated: the HTTP API, the functions and their triggers. */
export class GatewayStack extends Stack {
  readonly api: HttpApi;
  readonly functions: readonly LambdaFunction[];
  /** Events that could not be routed after every attempt. */
  readonly failedEvents: Queue | undefined;
  #stage: HttpStage | undefined;

  constructor(scope: Construct, id: string, props: GatewayStackProps) {
    super(scope, id, props);
    const { storage, settings } = props;
    this.api = this.#api(settings, storage);
    this.functions = this.#functions(props);

    const clock = this.functions.filter(({ declaration }) => declaration.trigger === 'clock');
    if (clock.length > 0) this.#startClock(clock);
    for (const each of this.functions) {
      const { name, trigger } = each.declaration;
      if (typeof trigger === 'object' && 'http' in trigger) this.#route(each, trigger.http);
      if (trigger === 'broken-executions') this.#watchExecutions(each);
      if (trigger === 'event-stream') {
        this.failedEvents ??= this.#failedEvents();
        this.#readEvents(each, name, storage, this.failedEvents);
      }
    }
    const sweep = this.functions.find(({ declaration }) => declaration.name === 'sweep-events');
    if (sweep && this.failedEvents) {
      new CfnOutput(this, 'RedriveCommand', {
        description: 'Routes every event that was not routed, and empties the queue of those that failed',
        value: `aws lambda invoke --function-name ${sweep.lambda.functionName} --payload '{"all":true}' --cli-binary-format raw-in-base64-out /dev/stdout && aws sqs purge-queue --queue-url ${this.failedEvents.queueUrl}`,
      });
    }
    new CfnOutput(this, 'ApiUrl', { description: 'Where the gateway answers', value: this.api.apiEndpoint });
  }

  /** Durable functions come first, in declaration order, because the functions that start them need their names. */
  #functions({ functions, code, storage, settings }: GatewayStackProps): LambdaFunction[] {
    const make = (declaration: FunctionDeclaration, durable: readonly LambdaFunction[]) => {
      const folder = code(declaration.name);
      if (folder === undefined) throw new Error(`There is no built code of ${declaration.name}`);
      const reservedConcurrency = settings.reservedConcurrency[declaration.name];
      const environment = {
        ...(declaration.startsItself && { TRUNKLINE_PUBLIC_URL: this.api.apiEndpoint }),
        ...(settings.privateNetworks.length > 0 && { TRUNKLINE_PRIVATE_NETWORKS: settings.privateNetworks.join(',') }),
        ...(typeof declaration.trigger === 'object' &&
          'http' in declaration.trigger &&
          settings.allowedOrigins && { TRUNKLINE_ALLOWED_ORIGINS: settings.allowedOrigins.join(',') }),
        ...(settings.paused === 'on' && { TRUNKLINE_PAUSED: 'on' }),
        ...(declaration.name === 'watch' && settings.heartbeat && { TRUNKLINE_HEARTBEAT_URL: settings.heartbeat }),
      };
      return new LambdaFunction(this, {
        declaration,
        code: folder,
        storage,
        durable,
        reservedConcurrency,
        environment,
      });
    };
    const durable: LambdaFunction[] = [];
    for (const each of functions.filter(isDurable)) durable.push(make(each, durable));
    const others = functions.filter((each) => !isDurable(each));
    return [...durable, ...others.map((each) => make(each, durable))];
  }

  #api({ throttle, hookThrottle }: Settings, { key }: StorageStack): HttpApi {
    const api = new HttpApi(this, 'Api', { apiName: 'trunkline', createDefaultStage: false });
    const destination = new LogGroup(this, 'AccessLog', {
      retention: RetentionDays.ONE_MONTH,
      removalPolicy: RemovalPolicy.DESTROY,
      encryptionKey: key,
    });
    const stage = new HttpStage(this, 'Stage', {
      httpApi: api,
      stageName: '$default',
      autoDeploy: true,
      throttle: { rateLimit: throttle.rate, burstLimit: throttle.burst },
      accessLogSettings: {
        destination: new LogGroupLogDestination(destination),
        // The route instead of the path: a hook's path is its secret.
        format: AccessLogFormat.custom(
          JSON.stringify({
            time: '$context.requestTime',
            requestId: '$context.requestId',
            route: '$context.routeKey',
            status: '$context.status',
            ms: '$context.responseLatency',
            bytes: '$context.responseLength',
            sourceIp: '$context.identity.sourceIp',
            integrationError: '$context.integrationErrorMessage',
          }),
        ),
      },
    });
    // The construct has no property for single routes. Paths under /hooks are open to everyone.
    (stage.node.defaultChild as CfnStage).routeSettings = {
      [`ANY ${hookPath}`]: { ThrottlingRateLimit: hookThrottle.rate, ThrottlingBurstLimit: hookThrottle.burst },
    };
    this.#stage = stage;
    return api;
  }

  #route({ declaration, target }: LambdaFunction, paths: readonly string[]): void {
    const integration = new HttpLambdaIntegration(declaration.name, target, { scopePermissionToRoute: false });
    for (const path of paths) {
      const route = new HttpRoute(this, `Route ${path}`, {
        httpApi: this.api,
        routeKey: path === '$default' ? HttpRouteKey.DEFAULT : HttpRouteKey.with(path, HttpMethod.ANY),
        integration,
      });
      // Its settings name the route, which must exist by then.
      if (path === hookPath) this.#stage?.node.addDependency(route);
      Validations.of(route).acknowledge({
        id: 'AwsSolutions-APIG4',
        reason: 'The functions check the key, or the secret of a hook, themselves, and answer with problem documents.',
      });
    }
  }

  #startClock(clock: readonly LambdaFunction[]): void {
    new Rule(this, 'Clock', {
      description: 'The one-minute tick of Trunkline',
      schedule: Schedule.rate(Duration.minutes(1)),
      targets: clock.map(
        ({ target }) => new LambdaTarget(target, { retryAttempts: 0, maxEventAge: Duration.minutes(1) }),
      ),
    });
  }

  /** Lambda reports the status of executions on the default bus. It delivers each report at least once, and tries for a day. */
  #watchExecutions({ target }: LambdaFunction): void {
    const durable = this.functions.filter(({ declaration }) => isDurable(declaration));
    new Rule(this, 'BrokenExecutions', {
      description: 'Durable executions of Trunkline that ended without finishing their work',
      eventPattern: {
        source: ['aws.lambda'],
        detailType: [statusChange],
        detail: {
          status: [...brokenStatuses],
          functionArn: durable.map(({ lambda }) => ({ prefix: `${lambda.functionArn}:` })),
        },
      },
      targets: [new LambdaTarget(target)],
    });
  }

  #failedEvents(): Queue {
    const queue = new Queue(this, 'FailedEvents', {
      encryption: QueueEncryption.SQS_MANAGED,
      enforceSSL: true,
      retentionPeriod: Duration.days(14),
    });
    Validations.of(queue).acknowledge({
      id: 'AwsSolutions-SQS3',
      reason: 'It is where the stream puts what failed; an alarm watches it.',
    });
    return queue;
  }

  #readEvents({ lambda }: LambdaFunction, name: string, storage: StorageStack, failed: Queue): void {
    lambda.addEventSource(
      // The CDK's own types differ where an optional property may be undefined.
      new DynamoEventSource(storage.table as ITable, {
        startingPosition: StartingPosition.TRIM_HORIZON,
        batchSize: 25,
        parallelizationFactor: 4,
        // As long as the stream keeps them: a table that throttles for minutes must lose nothing.
        maxRecordAge: Duration.hours(24),
        bisectBatchOnError: true,
        reportBatchItemFailures: true,
        onFailure: new SqsDlq(failed),
        filters: [
          FilterCriteria.filter({
            eventName: FilterRule.isEqual('INSERT'),
            dynamodb: { Keys: { pk: { S: FilterRule.beginsWith('event#') } } },
          }),
          // An event that another source has completed.
          FilterCriteria.filter({
            eventName: FilterRule.isEqual('MODIFY'),
            dynamodb: {
              Keys: { pk: { S: FilterRule.beginsWith('event#') } },
              NewImage: { completedAt: { N: FilterRule.exists() } },
            },
          }),
        ],
      }),
    );
    Validations.of(this.node.findChild(name)).acknowledge({
      id: 'AwsSolutions-IAM5[Resource::*]',
      reason: 'Lambda needs dynamodb:ListStreams to read a stream, and that action has no resource.',
    });
  }
}

import {
  Annotations,
  CfnOutput,
  CrossStackReferences,
  Duration,
  ReferenceStrength,
  Stack,
  type StackProps,
} from 'aws-cdk-lib';
import {
  Alarm,
  ComparisonOperator,
  Dashboard,
  GraphWidget,
  type IMetric,
  MathExpression,
  Metric,
  Stats,
  TreatMissingData,
} from 'aws-cdk-lib/aws-cloudwatch';
import { SnsAction } from 'aws-cdk-lib/aws-cloudwatch-actions';
import { PolicyStatement, ServicePrincipal } from 'aws-cdk-lib/aws-iam';
import { Topic } from 'aws-cdk-lib/aws-sns';
import { EmailSubscription } from 'aws-cdk-lib/aws-sns-subscriptions';
import type { Construct } from 'constructs';
import type { Signal } from '../functions/declarations.ts';
import type { GatewayStack } from './gateway-stack.ts';
import { isDurable, type LambdaFunction } from './lambda-function.ts';
import type { Settings } from './settings.ts';
import type { StorageStack } from './storage-stack.ts';

export interface WatchStackProps extends StackProps {
  gateway: GatewayStack;
  storage: StorageStack;
  settings: Settings;
}

const period = Duration.minutes(5);
/** What an operator must know: alarms, their topic, and one dashboard. */
export class WatchStack extends Stack {
  readonly #action: SnsAction;

  constructor(scope: Construct, id: string, props: WatchStackProps) {
    super(scope, id, props);
    // What is watched may go: a function that is taken out must not wait for its alarm to go first.
    CrossStackReferences.of(this).consume(ReferenceStrength.WEAK);
    const { gateway, settings, storage } = props;
    const topic = new Topic(this, 'Alarms', { displayName: 'Trunkline alarms', enforceSSL: true });
    // A topic with its own policy rejects alarms unless the policy allows them.
    topic.addToResourcePolicy(
      new PolicyStatement({
        principals: [new ServicePrincipal('cloudwatch.amazonaws.com')],
        actions: ['sns:Publish'],
        resources: [topic.topicArn],
        conditions: { StringEquals: { 'aws:SourceAccount': this.account } },
      }),
    );
    if (settings.alarmEmail !== undefined) topic.addSubscription(new EmailSubscription(settings.alarmEmail));
    else
      Annotations.of(this).addWarningV2(
        'trunkline:no-alarm-subscriber',
        'No one receives the alarms. Deploy with -c alarmEmail=ops@example.com, or subscribe to the topic of the output AlarmTopic.',
      );
    new CfnOutput(this, 'AlarmTopic', { description: 'Subscribe here to receive the alarms', value: topic.topicArn });
    this.#action = new SnsAction(topic);

    for (const each of gateway.functions) {
      const { name, signals = [] } = each.declaration;
      this.#alarm(`Function-${name}`, troubleOf(each), `The function ${name} fails, runs out of time or is throttled.`);
      if (isDurable(each.declaration)) {
        this.#alarm(`Executions-${name}`, failedExecutions(each), `An execution of ${name} failed or ran out of time.`);
      }
      if (each.declaration.trigger === 'event-stream') {
        const age = each.lambda.metric('IteratorAge', { period, statistic: Stats.MAXIMUM });
        this.#alarm('EventsLate', age, 'Events wait more than a minute to be routed.', 60_000);
      }
      this.#alarm(`Starts-${name}`, lostStarts(each), `Asynchronous starts of ${name} were dropped.`);
      for (const signal of signals) {
        const id = [signal.metric, ...Object.values(signal.dimensions ?? {})].join('-');
        this.#alarm(id, metricOf(signal), signal.meaning, signal.above, signal.steady);
      }
    }
    if (gateway.failedEvents) {
      const waiting = gateway.failedEvents.metricApproximateNumberOfMessagesVisible({
        period,
        statistic: Stats.MAXIMUM,
      });
      this.#alarm('EventsNotRouted', waiting, 'Events could not be routed; they wait in the failure queue.');
    }
    this.#alarm(
      'ServerErrors',
      gateway.api.metricServerError({ period, statistic: Stats.SUM }),
      'The HTTP API answered with 5xx.',
    );
    this.#alarm('TableThrottled', throttles(storage), 'The table or its index throttled requests.');
    this.#dashboard(gateway);
  }

  #alarm(id: string, metric: IMetric, alarmDescription: string, threshold = 0, steady = false): void {
    new Alarm(this, id, {
      alarmDescription,
      metric,
      threshold,
      comparisonOperator: ComparisonOperator.GREATER_THAN_THRESHOLD,
      evaluationPeriods: 1,
      treatMissingData: steady ? TreatMissingData.BREACHING : TreatMissingData.NOT_BREACHING,
    }).addAlarmAction(this.#action);
  }

  #dashboard({ api, functions }: GatewayStack): void {
    const graph = (title: string, left: IMetric[]) => new GraphWidget({ title, left, width: 12 });
    new Dashboard(this, 'Dashboard', {
      dashboardName: `Trunkline-${this.region}`,
      widgets: [
        [
          graph('Requests', [
            api.metricCount({ period }),
            api.metricClientError({ period }),
            api.metricServerError({ period }),
          ]),
          graph('Latency (ms)', [
            api.metricLatency({ period, statistic: Stats.p(50) }),
            api.metricLatency({ period, statistic: Stats.p(99) }),
          ]),
        ],
        [
          graph(
            'Signals',
            functions.flatMap(({ declaration }) => (declaration.signals ?? []).map(metricOf)),
          ),
          graph(
            'Failures and throttles',
            functions.map((each) => troubleOf(each)),
          ),
        ],
      ],
    });
  }
}

function metricOf({ metric, dimensions = {}, largest }: Signal): Metric {
  return new Metric({
    namespace: 'Trunkline',
    metricName: metric,
    dimensionsMap: { ...dimensions },
    statistic: largest ? Stats.MAXIMUM : Stats.SUM,
    period,
  });
}

/** Failures, timeouts included, and refusals for want of concurrency. */
function troubleOf({ declaration: { name }, lambda }: LambdaFunction): MathExpression {
  // A graph with several functions needs a distinct name for each.
  const id = name.replaceAll('-', '_');
  return new MathExpression({
    label: name,
    expression: `errors_${id} + throttles_${id}`,
    usingMetrics: { [`errors_${id}`]: lambda.metricErrors(), [`throttles_${id}`]: lambda.metricThrottles() },
    period,
  });
}

/** Executions that Lambda ended because of a failure or a timeout: their runs and deliveries did not record an end. */
function failedExecutions({ lambda }: LambdaFunction): MathExpression {
  const metric = (name: string) => lambda.metric(name, { period, statistic: Stats.SUM });
  return new MathExpression({
    expression: 'failed + timedOut',
    usingMetrics: { failed: metric('DurableExecutionFailed'), timedOut: metric('DurableExecutionTimedOut') },
    period,
  });
}

/** Starts that Lambda had accepted and gave up. */
function lostStarts({ lambda }: LambdaFunction): Metric {
  return lambda.metric('AsyncEventsDropped', { period, statistic: Stats.SUM });
}

/** Requests that the table or its index had no capacity for, of all operations. */
function throttles({ table }: StorageStack): MathExpression {
  const metric = (metricName: string, more: Record<string, string> = {}) =>
    new Metric({
      namespace: 'AWS/DynamoDB',
      metricName,
      dimensionsMap: { TableName: table.tableName, ...more },
      statistic: Stats.SUM,
      period,
    });
  const index = { GlobalSecondaryIndexName: 'due' };
  return new MathExpression({
    // Filled, because an alarm on sparse metrics of DynamoDB keeps its state once it has fired, however it treats missing data.
    expression: 'FILL(reads, 0) + FILL(writes, 0) + FILL(indexReads, 0) + FILL(indexWrites, 0)',
    usingMetrics: {
      reads: metric('ReadThrottleEvents'),
      writes: metric('WriteThrottleEvents'),
      indexReads: metric('ReadThrottleEvents', index),
      indexWrites: metric('WriteThrottleEvents', index),
    },
    period,
  });
}

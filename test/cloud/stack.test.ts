import { readdirSync, readFileSync } from 'node:fs';
import { CreateTableCommand, DynamoDBClient, UpdateTimeToLiveCommand } from '@aws-sdk/client-dynamodb';
import { type App, type Stack, Validations } from 'aws-cdk-lib';
import { Annotations, Match } from 'aws-cdk-lib/assertions';
import { Bucket } from 'aws-cdk-lib/aws-s3';
import { mockClient } from 'aws-sdk-client-mock';
import { AwsSolutionsChecks } from 'cdk-nag';
import { beforeAll, describe, expect, it } from 'vitest';
import { functions } from '../../functions/declarations.ts';
import { defaultPerMinute } from '../../lib/api/keys/key-check.ts';
import { bodyLimitBytes, bodyLimitWithFileBytes } from '../../lib/api/request.ts';
import { retentionDays } from '../../lib/core/files.ts';
import { sealingKeySecret, sessionKeySecret } from '../../lib/core/secrets.ts';
import { defaultPerMinute as hookPerMinute } from '../../lib/hooks/input.ts';
import { eventPrefix } from '../../lib/store/items.ts';
import { vendorNames, vendors } from '../../lib/vendors/index.ts';
import { createLocalCredentials } from '../../local/aws/aws-request.ts';
import { createTable } from '../../local/aws/table.ts';
import { clockFunctions, httpRoutes } from '../../local/runtime/functions.ts';
import { nameOf } from './access.ts';
import type { Templates } from './stack-template.ts';
import { makeApp, templatesOf } from './synthesize.ts';

/** The app with its defaults, and one with every option set. */
const app = makeApp();
let templates: Templates;
let chosen: Templates;
beforeAll(() => {
  templates = templatesOf(app);
  chosen = templatesOf(
    makeApp({
      alarmEmail: 'ops@example.com',
      allowedOrigins: '["https://desk.example"]',
      reservedConcurrency: '{"proptt2":20,"keep-sessions":1}',
      privateNetworks: '["10.1.0.0/16","fd00:1::/32"]',
    }),
  );
});

const only = <T>(all: T[]): T => {
  expect(all).toHaveLength(1);
  return all[0] as T;
};

describe('storage', () => {
  it('has the one table that also one machine has, with recovery, and keeps it', async () => {
    const { resource, properties } = only(templates.ofType('AWS::DynamoDB::Table'));
    const client = mockClient(DynamoDBClient);
    await createTable({ endpoint: 'http://127.0.0.1:9', credentials: createLocalCredentials() }, 'any');
    const {
      TableName: _,
      StreamSpecification: stream,
      ...local
    } = client.commandCalls(CreateTableCommand)[0]?.args[0].input ?? { TableName: '' };
    const { TimeToLiveSpecification } = client.commandCalls(UpdateTimeToLiveCommand)[0]?.args[0].input ?? {};
    client.restore();
    expect(properties).toMatchObject({
      ...local,
      TimeToLiveSpecification,
      StreamSpecification: { StreamViewType: stream?.StreamViewType },
      PointInTimeRecoverySpecification: { PointInTimeRecoveryEnabled: true },
      DeletionProtectionEnabled: true,
    });
    expect(resource.DeletionPolicy).toBe('Retain');
  });

  it('keeps files as long as the file store says, closed to the public', () => {
    const { properties } = only(templates.ofType('AWS::S3::Bucket'));
    const { Rules } = properties.LifecycleConfiguration as unknown as {
      Rules: { Prefix?: string; ExpirationInDays?: number }[];
    };
    const kept = Rules.flatMap(({ Prefix, ExpirationInDays }) => (Prefix ? [[Prefix, ExpirationInDays]] : []));
    expect(Object.fromEntries(kept)).toEqual(retentionDays);
    expect(Object.values(properties.PublicAccessBlockConfiguration ?? {})).toEqual([true, true, true, true]);
  });

  it('generates the admin key, the sealing key and a session key for each vendor, which the admin can see with one command', () => {
    const secrets = templates.ofType('AWS::SecretsManager::Secret').map(({ properties }) => properties);
    expect(secrets.map(({ Name }) => Name).sort()).toEqual(
      ['trunkline/admin-key', sealingKeySecret, ...vendorNames.map(sessionKeySecret)].sort(),
    );
    for (const { GenerateSecretString } of secrets) {
      expect(GenerateSecretString).toEqual({ PasswordLength: 43, ExcludePunctuation: true });
    }
    const command = templates.output('TrunklineStorage', 'AdminKeyCommand');
    expect(command).toBe(
      'echo "tl_$(aws secretsmanager get-secret-value --region eu-central-1 --secret-id trunkline/admin-key --query SecretString --output text)"',
    );
  });
});

describe('the HTTP API', () => {
  it('has one route for each vendor, and the same routes as one machine', () => {
    const routes = templates.ofType('AWS::ApiGatewayV2::Route').map(({ properties }) => String(properties.RouteKey));
    for (const name of Object.keys(vendors)) expect(routes).toContain(`ANY /v1/${name}/{proxy+}`);
    const target = (path: string): string => {
      const declared = functions.find(
        ({ trigger }) => typeof trigger === 'object' && 'http' in trigger && trigger.http.includes(path),
      );
      return declared?.name ?? target('$default');
    };
    for (const { path, functionName } of httpRoutes) expect([path, target(path)]).toEqual([path, functionName]);
    expect(routes).toHaveLength(
      functions.flatMap(({ trigger }) => (typeof trigger === 'object' && 'http' in trigger ? trigger.http : [])).length,
    );
  });

  it('logs each request without its path, and throttles', () => {
    const { properties } = only(templates.ofType('AWS::ApiGatewayV2::Stage'));
    const { Format } = properties.AccessLogSettings as { Format: string };
    expect(JSON.parse(Format)).toMatchObject({ route: '$context.routeKey', requestId: '$context.requestId' });
    expect(Format).not.toMatch(/context\.(path|rawPath)|http\.path/i);
    expect(properties.DefaultRouteSettings).toEqual({ ThrottlingRateLimit: 500, ThrottlingBurstLimit: 1000 });
    // Hooks are open to everybody: what is posted there must not use up what keys have.
    expect(properties.RouteSettings).toEqual({
      'ANY /hooks/{proxy+}': { ThrottlingRateLimit: 200, ThrottlingBurstLimit: 400 },
    });
    expect(only(templates.ofType('AWS::ApiGatewayV2::Api')).properties.CorsConfiguration).toBeUndefined();
  });

  it('accepts every request that Trunkline accepts', () => {
    // Besides the body there are at most 10 kB of headers and a path, which the event contains twice.
    const lambdaBytes = 6 * 1024 * 1024 - 50_000;
    expect(Math.ceil(bodyLimitWithFileBytes / 3) * 4).toBeLessThan(lambdaBytes);
    // In text, a character may be escaped.
    expect(2 * bodyLimitBytes).toBeLessThan(lambdaBytes);
    const { properties } = only(templates.ofType('AWS::ApiGatewayV2::Stage'));
    const { DefaultRouteSettings: all, RouteSettings: routes } = properties as Record<string, never>;
    expect(all).toHaveProperty(
      'ThrottlingRateLimit',
      expect.toSatisfy((rate) => rate >= (5 * defaultPerMinute) / 60),
    );
    const [hooks] = Object.values(routes ?? {});
    expect(hooks).toHaveProperty(
      'ThrottlingRateLimit',
      expect.toSatisfy((rate) => rate >= (5 * hookPerMinute) / 60),
    );
    const answering = functions.filter(({ trigger }) => typeof trigger === 'object' && 'http' in trigger);
    expect(Math.max(...answering.map(({ timeout }) => timeout))).toBeLessThan(30);
  });
});

describe('functions', () => {
  const lambdas = (from = templates) =>
    new Map(from.ofType('AWS::Lambda::Function').map(({ id, properties }) => [nameOf(properties), { id, properties }]));

  it('are all made alike', () => {
    expect([...lambdas().keys()].sort()).toEqual(functions.map(({ name }) => name).sort());
    for (const { properties } of lambdas().values()) {
      expect(properties).toMatchObject({ Runtime: 'nodejs24.x', Architectures: ['arm64'] });
      expect(properties.Environment).toMatchObject({
        Variables: {
          TRUNKLINE_TABLE: expect.stringContaining('Table'),
          TRUNKLINE_BUCKET: expect.stringContaining('Files'),
        },
      });
      expect(properties.ReservedConcurrentExecutions).toBeUndefined();
    }
    const key = only(templates.ofType('AWS::KMS::Key')).id;
    for (const { properties } of templates.ofType('AWS::Logs::LogGroup')) {
      expect(properties).toMatchObject({ RetentionInDays: 30, KmsKeyId: expect.stringContaining(key) });
    }
  });

  it('on the clock run every minute, and missed ticks are not repeated', () => {
    const { properties } = only(
      templates.ofType('AWS::Events::Rule').filter((rule) => rule.properties.ScheduleExpression !== undefined),
    );
    expect(properties.ScheduleExpression).toBe('rate(1 minute)');
    const targets = properties.Targets as { Arn: string; RetryPolicy: object }[];
    const named = new Map([...lambdas()].map(([name, { id }]) => [id, name]));
    expect(targets.map(({ Arn }) => named.get(Arn.replace(/.*:/, ''))).sort()).toEqual([...clockFunctions].sort());
    for (const { RetryPolicy } of targets) {
      expect(RetryPolicy).toEqual({ MaximumRetryAttempts: 0, MaximumEventAgeInSeconds: 60 });
    }
    for (const { properties } of templates.ofType('AWS::Lambda::EventInvokeConfig')) {
      expect(properties).toMatchObject({ MaximumRetryAttempts: 0, MaximumEventAgeInSeconds: 60 });
    }
  });

  it('reach the private networks that the context allows, and none without it', () => {
    const variables = ({ properties }: { properties: Record<string, unknown> }) =>
      (properties.Environment as { Variables: Record<string, string> }).Variables;
    for (const each of lambdas(chosen).values())
      expect(variables(each).TRUNKLINE_PRIVATE_NETWORKS).toBe('10.1.0.0/16,fd00:1::/32');
    for (const each of lambdas().values()) expect(variables(each)).not.toHaveProperty('TRUNKLINE_PRIVATE_NETWORKS');
  });

  it('that answer calls learn which web pages may call them', () => {
    const received = [...lambdas(chosen)].flatMap(([name, { properties }]) => {
      const { Variables } = properties.Environment as { Variables: Record<string, unknown> };
      return Variables.TRUNKLINE_ALLOWED_ORIGINS === 'https://desk.example' ? [name] : [];
    });
    expect(received.sort()).toEqual(['control', 'hooks', 'site', ...vendorNames].sort());
  });

  it('get the concurrency that the context sets apart for them', () => {
    const reserved = [...lambdas(chosen)].map(([name, { properties }]) => [
      name,
      properties.ReservedConcurrentExecutions,
    ]);
    expect(Object.fromEntries(reserved)).toMatchObject({ proptt2: 20, 'keep-sessions': 1, control: undefined });
    expect(() => makeApp({ reservedConcurrency: { proptt: 1 } })).toThrow('The context reservedConcurrency');
    expect(() => makeApp({ privateNetworks: '["10.1.0.0/16","office"]' })).toThrow(
      'The context privateNetworks.1 is not valid: "office" must be an IP address or a network',
    );
    expect(() => makeApp({ allowedOrigins: ['desk.example'] })).toThrow('The context allowedOrigins.0');
    expect(() => makeApp({ throttle: { rate: 0, burst: 1 } })).toThrow('The context throttle.rate');
    expect(() => makeApp({ alarmMail: 'ops@example.com' })).toThrow(
      /^The context alarmMail is not a setting\. Settings are alarmEmail, /,
    );
  });
});

describe('durable functions and the event stream', () => {
  const lambda = (name: string) =>
    templates.ofType('AWS::Lambda::Function').find(({ properties }) => nameOf(properties) === name);

  it.each([
    ['deliver-event', 'TRUNKLINE_DELIVER_FUNCTION'],
    ['run-automation', 'TRUNKLINE_RUN_FUNCTION'],
  ])('start %s for up to 31 days, through an alias of a version that stays', (name, variable) => {
    expect(lambda(name)?.properties.DurableConfig).toEqual({
      ExecutionTimeout: 31 * 86_400,
      RetentionPeriodInDays: 30,
    });
    expect(lambda(name)?.properties.FunctionName).toBeUndefined();
    const alias = templates
      .ofType('AWS::Lambda::Alias')
      .find(({ properties }) => properties.FunctionName === lambda(name)?.id);
    const version = templates
      .ofType('AWS::Lambda::Version')
      .find(({ id }) => alias?.properties.FunctionVersion === `${id}.Version`);
    expect(version?.resource.DeletionPolicy).toBe('Retain');
    expect(lambda('route-events')?.properties.Environment).toMatchObject({ Variables: { [variable]: alias?.id } });
  });

  it('are watched: `end-executions` is notified of any that ends without its code', () => {
    const { properties } = only(
      templates.ofType('AWS::Events::Rule').filter((rule) => rule.properties.EventPattern !== undefined),
    );
    const durable = ['deliver-event', 'run-automation'].map((name) => ({
      prefix: expect.stringMatching(new RegExp(`${lambda(name)?.id}:$`)),
    }));
    expect(properties.EventPattern).toEqual({
      source: ['aws.lambda'],
      'detail-type': ['Durable Execution Status Change'],
      detail: { status: ['FAILED', 'TIMED_OUT', 'STOPPED'], functionArn: durable },
    });
    const [target] = properties.Targets as { Arn: string; RetryPolicy?: object }[];
    expect(target?.Arn).toMatch(new RegExp(`${lambda('end-executions')?.id}$`));
    // Unlike a failed tick, a failed notification must be repeated.
    expect(target?.RetryPolicy).toBeUndefined();
  });

  it('reads inserted and completed events alone from the stream, with halving, partial failures and a queue for what fails', () => {
    const { properties } = only(templates.ofType('AWS::Lambda::EventSourceMapping'));
    expect(properties).toMatchObject({
      BisectBatchOnFunctionError: true,
      MaximumRecordAgeInSeconds: 86_400,
      FunctionResponseTypes: ['ReportBatchItemFailures'],
      DestinationConfig: { OnFailure: { Destination: expect.stringContaining('FailedEvents') } },
    });
    const { Filters } = properties.FilterCriteria as unknown as { Filters: { Pattern: string }[] };
    expect(Filters.map(({ Pattern }) => JSON.parse(Pattern))).toEqual([
      { eventName: ['INSERT'], dynamodb: { Keys: { pk: { S: [{ prefix: eventPrefix }] } } } },
      {
        eventName: ['MODIFY'],
        dynamodb: {
          Keys: { pk: { S: [{ prefix: eventPrefix }] } },
          NewImage: { completedAt: { N: [{ exists: true }] } },
        },
      },
    ]);
    const alarms = templates.ofType('AWS::CloudWatch::Alarm').map(({ id }) => id);
    expect(alarms).toContainEqual(expect.stringContaining('EventsNotRouted'));
  });
});

describe('alarms', () => {
  const alarms = (from = templates) => from.ofType('AWS::CloudWatch::Alarm').map(({ properties }) => properties);

  it('sound for a locked session of each vendor and for a late keepalive, a silent clock included', () => {
    for (const name of Object.keys(vendors)) {
      expect(alarms()).toContainEqual(
        expect.objectContaining({
          MetricName: 'SessionLocked',
          Namespace: 'Trunkline',
          Dimensions: [{ Name: 'vendor', Value: name }],
          Threshold: 0,
        }),
      );
    }
    expect(alarms()).toContainEqual(
      expect.objectContaining({
        MetricName: 'KeepAliveGap',
        Dimensions: [{ Name: 'clock', Value: 'keep-sessions' }],
        Statistic: 'Maximum',
        Threshold: 240_000,
        TreatMissingData: 'breaching',
      }),
    );
  });

  it('watch metrics that the code writes', () => {
    const sources = ['functions', 'lib/aws'].flatMap((folder) =>
      readdirSync(folder).map((name) => `${folder}/${name}`),
    );
    const written = sources
      .filter((path) => path.endsWith('.ts'))
      .map((path) => readFileSync(path, 'utf8'))
      .join('\n');
    const watched = functions.flatMap(({ signals = [] }) => signals.map(({ metric }) => metric));
    expect(watched.filter((metric) => !written.includes(`metric('${metric}'`))).toEqual([]);
  });

  it('sound for each function that fails or is throttled, and reach the topic and the given address', () => {
    const topic = only(chosen.ofType('AWS::SNS::Topic')).id;
    for (const { name } of functions) {
      expect(alarms(chosen).map(({ AlarmDescription }) => AlarmDescription)).toContainEqual(
        expect.stringContaining(`function ${name} `),
      );
    }
    for (const { AlarmActions } of alarms(chosen)) expect(AlarmActions).toEqual([topic]);
    const { PolicyDocument } = only(chosen.ofType('AWS::SNS::TopicPolicy')).properties;
    expect(PolicyDocument).toMatchObject({
      Statement: expect.arrayContaining([
        expect.objectContaining({
          Effect: 'Allow',
          Action: 'sns:Publish',
          Principal: { Service: 'cloudwatch.amazonaws.com' },
          Condition: { StringEquals: { 'aws:SourceAccount': '123456789012' } },
        }),
      ]),
    });
    expect(only(chosen.ofType('AWS::SNS::Subscription')).properties).toMatchObject({
      Protocol: 'email',
      Endpoint: 'ops@example.com',
    });
    expect(() => makeApp({ alarmEmail: 'nobody' })).toThrow('The context alarmEmail');
  });

  it('warn a deployment that nobody receives them, and say where to subscribe', () => {
    const warning = /No one receives the alarms/;
    const warningsOf = (from: App) =>
      Annotations.fromStack(from.node.findChild('TrunklineWatch') as Stack).findWarning(
        '*',
        Match.stringLikeRegexp(warning.source),
      );
    expect(warningsOf(app)).toHaveLength(1);
    expect(warningsOf(makeApp({ alarmEmail: 'ops@example.com' }))).toHaveLength(0);
    expect(templates.output('TrunklineWatch', 'AlarmTopic')).toBe(only(templates.ofType('AWS::SNS::Topic')).id);
  });

  it('end when the table no longer throttles: without data an alarm on metrics of DynamoDB would keep its state', () => {
    type Query = { Id: string; Expression?: string; MetricStat?: { Metric: { Namespace: string } } };
    const ofDynamodb = alarms()
      .map(({ Metrics }) => (Metrics ?? []) as Query[])
      .filter((queries) => queries.some(({ MetricStat }) => MetricStat?.Metric.Namespace === 'AWS/DynamoDB'));
    const queries = only(ofDynamodb);
    const terms = queries.flatMap(({ Expression }) => Expression?.split(' + ') ?? []);
    const metrics = queries.flatMap(({ Id, MetricStat }) => (MetricStat ? [Id] : []));
    expect(terms.sort()).toEqual(metrics.map((id) => `FILL(${id}, 0)`).sort());
  });

  it('fire for 5xx, late events, lost starts, ended executions and throttles of Lambda and API Gateway', () => {
    const metrics = alarms().flatMap(({ MetricName, Metrics }) => [
      ...(typeof MetricName === 'string' ? [MetricName] : []),
      ...((Metrics ?? []) as { MetricStat?: { Metric: { MetricName: string } } }[]).flatMap(({ MetricStat }) =>
        MetricStat ? [MetricStat.Metric.MetricName] : [],
      ),
    ]);
    for (const name of [
      '5xx',
      'IteratorAge',
      'AsyncEventsDropped',
      'DurableExecutionFailed',
      'DurableExecutionTimedOut',
      'ReadThrottleEvents',
      'WriteThrottleEvents',
    ]) {
      expect(metrics).toContain(name);
    }
  });
});

describe('the rule check', () => {
  it('reports nothing, and does report a violation', () => {
    const rules = new AwsSolutionsChecks();
    expect(rules.validateScope(app).violations).toEqual([]);
    const careless = makeApp();
    new Bucket(careless.node.findChild('TrunklineStorage'), 'Careless');
    expect(rules.validateScope(careless).violations.map(({ ruleName }) => ruleName)).toContain('AwsSolutions-S10');
    expect(() => careless.synth()).toThrow();
  });

  it('has a reason for every suppressed rule', () => {
    const reasons = app.node
      .findAll()
      .flatMap(({ node }) => node.metadata.filter(({ type }) => type === Validations.ACKNOWLEDGED_RULES_METADATA_KEY))
      .flatMap(({ data }) => Object.values(data as Record<string, string>));
    expect(reasons.length).toBeGreaterThan(0);
    for (const reason of reasons) expect(reason.length).toBeGreaterThan(30);
  });
});

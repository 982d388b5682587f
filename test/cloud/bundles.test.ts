import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { marshall } from '@aws-sdk/util-dynamodb';
import type { APIGatewayProxyStructuredResultV2 } from 'aws-lambda';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { functions } from '../../functions/declarations.ts';
import { keys } from '../../lib/store/items.ts';
import { vendors } from '../../lib/vendors/index.ts';
import { type Proptt2Sandbox, startProptt2Sandbox } from '../../sandbox/proptt2/index.ts';
import { eventOf, type TestRequest } from '../support/function-request.ts';
import { proptt2Settings } from '../support/proptt2-settings.ts';
import { type Deployment, startDeployment, tokenOf } from './deployment.ts';
import { startLambdaProcess } from './lambda-process.ts';

let deployment: Deployment;
let sandbox: Proptt2Sandbox;
beforeAll(async () => {
  [deployment, sandbox] = await Promise.all([startDeployment(), startProptt2Sandbox()]);
});
afterAll(async () => {
  await Promise.all([deployment?.stop(), sandbox?.close()]);
});

const tick = { version: '0', 'detail-type': 'Scheduled Event', source: 'aws.events', detail: {}, resources: [] };

const ask = (name: string, request: TestRequest) => deployment.ask(name, request);

/** A connection to the stand-in. */
function connection(name: string, interactionKey: string): object {
  const settings = proptt2Settings(sandbox.url);
  return { vendor: 'proptt2', name, settings, credentials: { interactionKey } };
}

describe('cdk synth, without a network, credentials or docker', () => {
  it('makes the three stacks, for any account and region', () => {
    const { assembly } = deployment;
    const templates = readdirSync(assembly).filter((name) => name.endsWith('.template.json'));
    expect(templates.sort()).toEqual(
      ['TrunklineGateway', 'TrunklineStorage', 'TrunklineWatch'].map((name) => `${name}.template.json`),
    );
    const manifest = JSON.parse(readFileSync(join(assembly, 'manifest.json'), 'utf8')) as {
      missing?: unknown[];
      artifacts: Record<string, { environment?: string }>;
    };
    expect(manifest.missing ?? []).toEqual([]);
    const environments = Object.values(manifest.artifacts).flatMap(({ environment }) => environment ?? []);
    expect(new Set(environments)).toEqual(new Set(['aws://unknown-account/unknown-region']));
  });

  it('takes along the code of every function', () => {
    for (const { name } of functions) {
      const { folder } = deployment.bundles.get(name) ?? { folder: '' };
      expect(readdirSync(folder)).toContain(`${name}.mjs`);
    }
  });
});

/** Every function gets a request that only it can answer, in the order in which a user would send them. */
describe('built functions', () => {
  it('control makes a connection for the admin key that the deployment generated', async () => {
    expect(await ask('control', { path: '/v1/me' })).toMatchObject({ status: 200, body: { id: 'admin' } });
    const made = await ask('control', { path: '/v1/connections', body: connection('dispatch', 'bb00cc') });
    expect(made).toMatchObject({ status: 201, body: { id: 'proptt2/dispatch', credentials: ['interactionKey'] } });
    const wrong = await ask('control', { path: '/v1/me', headers: { authorization: 'Bearer tl_wrong' } });
    expect(wrong).toMatchObject({ status: 401, body: { code: 'unauthorized' } });
  });

  it('proptt2 logs in once and carries out calls, by text and by Base64 bodies', async () => {
    const path = '/v1/proptt2/dispatch/sendSosToChannel';
    const body = { channelId: 1 };
    expect(await ask('proptt2', { path: '/v1/proptt2/dispatch/getChannel', query: 'channelId=1' })).toMatchObject({
      status: 200,
    });
    expect(await ask('proptt2', { path, body })).toMatchObject({ status: 200, body: { code: '200' } });
    const bytes = Buffer.from(JSON.stringify(body));
    const headers = { 'content-type': 'application/vnd.trunkline+json' };
    expect(await ask('proptt2', { path, body: bytes, headers })).toMatchObject({ status: 200, body: { code: '200' } });
    expect(sandbox.counts()).toMatchObject({ 'POST /openapi/1/auth': 1 });
  });

  it('proptt2 answers a repeated write from its record', async () => {
    const request = { path: '/v1/proptt2/dispatch/sendSosToChannel', body: { channelId: 1 } };
    const headers = { 'idempotency-key': 'once' };
    const before = sandbox.counts()['POST /openapi/1/channels/1/sendSOS'];
    expect(await ask('proptt2', { ...request, headers })).toMatchObject({ status: 200 });
    expect(await ask('proptt2', { ...request, headers })).toMatchObject({ headers: { 'idempotent-replayed': 'true' } });
    expect(sandbox.counts()['POST /openapi/1/channels/1/sendSOS']).toBe(Number(before) + 1);
  });

  it.each([
    ['talk', 'getRooms'],
    ['timetonic', 'getAllBooks'],
  ])('%s responds, and finds no unknown connection', async (name, operation) => {
    const answer = await ask(name, { path: `/v1/${name}/nowhere/${operation}` });
    expect(answer).toMatchObject({ status: 404, body: { code: 'not_found' } });
  });

  it('hooks stores what a third party posts to a hook that control made', async () => {
    const { body } = await ask('control', { path: '/v1/hooks', body: { name: 'alarms', verify: { kind: 'none' } } });
    const { url } = body as { url: string };
    const path = url.replace(/^https?:\/\/[^/]+/, '');
    const posted = await ask('hooks', { path, body: { alarm: 'fire' }, headers: { authorization: '' } });
    expect(posted).toMatchObject({ status: 202, body: { eventId: expect.stringMatching(/^evt_/) } });
    const unknown = await ask('hooks', { path: `${path}x`, body: {} });
    expect(unknown.status).toBe(404);
  });

  it('control signs a place in the bucket for an upload', async () => {
    const made = await ask('control', {
      path: '/v1/uploads',
      body: { name: 'a.pdf', type: 'application/pdf', size: 10 },
    });
    const { url } = made.body as { url: string };
    expect(url).toContain(deployment.environmentOf('control').TRUNKLINE_BUCKET);
    expect(new URL(url).searchParams.get('X-Amz-Security-Token')).toBe(tokenOf('control'));
  });

  it.each([
    ['keep-sessions', { failed: 0, unexpected: [] }],
    ['poll-events', { failed: 0, unexpected: [] }],
    ['start-schedules', { started: 0, unexpected: [] }],
    ['sweep-events', { found: 0 }],
    ['watch', {}],
  ])('%s answers a tick of the clock with its report', async (name, report) => {
    const lambda = await deployment.function(name);
    expect(await lambda.invoke(tick)).toMatchObject(report);
  });

  it('keep-sessions writes the metric that its alarm watches', async () => {
    const lines = (await deployment.function('keep-sessions'))
      .output()
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(lines).toContainEqual(
      expect.objectContaining({
        clock: 'keep-sessions',
        KeepAliveGap: expect.any(Number),
        _aws: {
          Timestamp: expect.any(Number),
          CloudWatchMetrics: [
            {
              Namespace: 'Trunkline',
              Dimensions: [['clock']],
              Metrics: [{ Name: 'KeepAliveGap', Unit: 'Milliseconds' }],
            },
          ],
        },
      }),
    );
  });

  it('proptt2 locks a connection whose credentials are refused, with an event and the metric of the alarm', async () => {
    await ask('control', { path: '/v1/connections', body: connection('broken', 'wrong') });
    const answer = await ask('proptt2', { path: '/v1/proptt2/broken/getChannelList' });
    expect(answer).toMatchObject({ status: 424, body: { code: 'connection_needs_attention' } });
    expect((await deployment.function('proptt2')).output()).toContain('"vendor":"proptt2","SessionLocked":1');
    const written = deployment.aws.requests.filter(({ sessionToken }) => sessionToken === tokenOf('proptt2'));
    expect(written.flatMap(({ needs }) => needs)).toContainEqual({
      action: 'dynamodb:PutItem',
      resource: expect.any(String),
      context: { 'dynamodb:LeadingKeys': [expect.stringMatching(/^event#/)] },
    });
  });

  it('site serves the document and the page with its files', async () => {
    // Nothing reads the table's stream here, and `watch` has seen that.
    expect(await ask('site', { path: '/health' })).toMatchObject({ status: 503, body: { status: 'failing' } });
    expect(await ask('site', { path: '/openapi.json' })).toMatchObject({
      status: 200,
      body: { openapi: expect.stringMatching(/^3\.1/) },
    });
    expect(await ask('site', { path: '/docs/swagger-ui.css' })).toMatchObject({
      status: 200,
      body: expect.stringContaining('.swagger-ui'),
    });
    expect(await ask('site', { path: '/docs/swagger-ui-bundle.js' })).toMatchObject({ status: 200 });
    expect(await ask('site', { path: '/no/such/path' })).toMatchObject({ status: 404, body: { code: 'not_found' } });
  });

  it('route-events takes inserted events from the stream', async () => {
    const now = Date.now();
    const event = {
      ...keys.event('evt_1'),
      id: 'evt_1',
      type: 'proptt2.user.created',
      timestamp: new Date(now).toISOString(),
      vendor: 'proptt2',
      connection: 'dispatch',
      data: { userId: 1 },
      appendedAt: now,
      order: 0,
      expiresAt: now,
    };
    const record = {
      eventName: 'INSERT',
      dynamodb: { SequenceNumber: '1', Keys: marshall(keys.event('evt_1')), NewImage: marshall(event) },
    };
    const lambda = await deployment.function('route-events');
    expect(await lambda.invoke({ Records: [record] })).toEqual({ batchItemFailures: [] });
  });

  it.each([
    ['deliver-event', { deliveryId: 'dlv_none' }, { state: 'cancelled' }],
    ['run-automation', { runId: 'run_calls_1_000000000000' }, { state: 'failed' }],
  ])('%s carries out an execution with checkpoints', async (name, payload, result) => {
    const output = await deployment.execute(name, payload);
    expect(output.Status).toBe('SUCCEEDED');
    expect(JSON.parse(output.Result)).toMatchObject(result);
  });

  it('end-executions ends the run whose execution Lambda ended, and reports it', async () => {
    const headers = { prefer: 'respond-async' };
    const path = '/v1/proptt2/dispatch/sendSosToChannel';
    const started = await ask('proptt2', { path, body: { channelId: 1 }, headers });
    expect(started.status).toBe(202);
    const { id } = started.body as { id: string };
    const lambda = await deployment.function('end-executions');
    const arn = `arn:aws:lambda:eu-central-1:123456789012:function:run-automation:3`;
    const detail = {
      durableExecutionArn: `${arn}/durable-execution/${id}/9f7d84c9`,
      durableExecutionName: id,
      functionArn: arn,
      status: 'TIMED_OUT',
      startTimestamp: '2026-01-05T02:11:09.345Z',
      endTimestamp: '2026-01-05T02:26:09.345Z',
    };
    const event = { version: '0', 'detail-type': 'Durable Execution Status Change', source: 'aws.lambda', detail };
    // EventBridge delivers at least once.
    for (let times = 0; times < 2; times++) expect(await lambda.invoke(event)).toBeNull();
    expect(await ask('control', { path: `/v1/runs/${id}` })).toMatchObject({
      body: { state: 'failed', reason: 'Its execution ran out of time.' },
    });
    const written = deployment.aws.requests.filter(({ sessionToken }) => sessionToken === tokenOf('end-executions'));
    const events = written.flatMap(({ needs }) => needs).filter(({ action }) => action === 'dynamodb:PutItem');
    expect(events.map(({ context }) => context)).toEqual([
      { 'dynamodb:LeadingKeys': [expect.stringMatching(/^event#/)] },
    ]);
  });

  it('were all invoked', () => {
    expect(deployment.started().sort()).toEqual(functions.map(({ name }) => name).sort());
  });
});

describe('the requests of the functions to AWS', () => {
  it('are signed with the credentials of the environment', () => {
    const asking = new Set(deployment.aws.requests.map(({ sessionToken }) => sessionToken));
    expect([...asking].sort()).toEqual(functions.map(({ name }) => tokenOf(name)).sort());
    for (const { accessKeyId } of deployment.aws.requests) expect(accessKeyId).toBe(deployment.credentials.accessKeyId);
  });

  it('are allowed by the policies of the role of each function', () => {
    for (const { name } of functions) {
      const access = deployment.access(name);
      const asked = deployment.aws.requests.filter(({ sessionToken }) => sessionToken === tokenOf(name));
      expect([name, asked.flatMap(({ needs }) => needs).filter((need) => !access.allows(need))]).toEqual([name, []]);
    }
  });

  it('fail with a clear error without them', async () => {
    const { AWS_ACCESS_KEY_ID: _, ...environment } = deployment.environmentOf('site');
    const lambda = await startLambdaProcess(deployment.bundles.get('site')?.entry ?? '', environment);
    const answer = await lambda.invoke<APIGatewayProxyStructuredResultV2>(eventOf({ path: '/health' }));
    expect(answer.statusCode).toBe(503);
    await lambda.stop();
  });
});

/** Packages that are imported on use, and those that a Lambda never needs. */
const onUse =
  /^(@aws-sdk\/(client-(s3|lambda|secrets-manager)|s3-request-presigner|credential-provider-(?!env$).*|middleware-endpoint-discovery)|jsonata|tus-js-client|ws|undici|bowser)$/;

describe('a bundle', () => {
  it.each(Object.keys(vendors))('%s loads one file at the start', (name) => {
    const { entry } = deployment.bundles.get(name) ?? { entry: '' };
    expect(readFileSync(entry, 'utf8')).not.toMatch(/\bimport\s*(\{|"|\*|\w+\s+from)/);
  });

  it('loads at the start nothing that most first requests do not need', () => {
    expect([...deployment.bundles.keys()].sort()).toEqual(functions.map(({ name }) => name).sort());
    for (const [name, { entry }] of deployment.bundles) {
      const { sources } = JSON.parse(readFileSync(`${entry}.map`, 'utf8')) as { sources: string[] };
      const packages = sources.flatMap((source) => /.*node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(source)?.[1] ?? []);
      expect([name, packages.filter((each) => onUse.test(each))]).toEqual([name, []]);
      const zod = sources.filter((source) => source.includes('node_modules/zod/'));
      expect([name, zod.length > 0]).toEqual([name, true]);
      // The rest of it is larger than all of this, such as its words in fifty languages.
      expect([name, zod.filter((source) => !/\/zod\/v4\/(core|mini)\//.test(source))]).toEqual([name, []]);
    }
  });

  it('takes what it needs of Node from the process, so that nothing is loaded with it', () => {
    for (const { folder } of deployment.bundles.values()) {
      for (const file of readdirSync(folder).filter((name) => name.endsWith('.mjs'))) {
        expect(readFileSync(join(folder, file), 'utf8')).not.toMatch(/from\s*"(node:|https?")/);
      }
    }
  });

  it.each(functions)('$name can load everything that it may load on use', ({ name }) => {
    const folder = deployment.bundles.get(name)?.folder ?? '';
    // The worker's file is a separate program.
    const files = readdirSync(folder).filter((file) => file.endsWith('.mjs') && file !== 'expression-worker.mjs');
    const load = files.map((file) => `await import(${JSON.stringify(join(folder, file))});`).join('\n');
    const { status, stderr } = spawnSync(process.execPath, ['--input-type=module', '--eval', load], {
      encoding: 'utf8',
    });
    expect([status, stderr]).toEqual([0, '']);
  });

  it('has maps that lead the stacks of its log back to the source', async () => {
    const { TRUNKLINE_TABLE: _, ...environment } = deployment.environmentOf('keep-sessions');
    const lambda = await startLambdaProcess(deployment.bundles.get('keep-sessions')?.entry ?? '', environment);
    await expect(lambda.invoke(tick)).rejects.toThrow();
    expect(JSON.parse(lambda.output()).stack).toMatch(/at async \S+ \(lib\/store\/table\.ts:\d+:\d+\)/);
    await lambda.stop();
  });
});

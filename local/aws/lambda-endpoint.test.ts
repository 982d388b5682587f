import { InvokeCommand, type InvokeCommandInput, LambdaClient, ListFunctionsCommand } from '@aws-sdk/client-lambda';
import type { Context } from 'aws-lambda';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { until } from '../../test/support/until.ts';
import { ServiceError } from './aws-request.ts';
import {
  type DurableFunction,
  type LambdaEndpoint,
  type LambdaEndpointOptions,
  type LambdaHandler,
  startLambdaEndpoint,
} from './lambda-endpoint.ts';

let endpoint: LambdaEndpoint;
let client: LambdaClient;
let functions: LambdaEndpointOptions['functions'];
const onAsyncFailure = vi.fn();

async function start(timeout: number): Promise<void> {
  endpoint = await startLambdaEndpoint({ functions, timeout, retryDelays: [1, 2], onAsyncFailure });
  const { endpoint: url, credentials } = endpoint;
  client = new LambdaClient({ endpoint: url, credentials, region: 'us-east-1', maxAttempts: 1 });
}

beforeEach(async () => {
  functions = {};
  onAsyncFailure.mockReset();
  await start(60_000);
});
afterEach(() => endpoint.stop());

const invoke = (FunctionName: string, payload: unknown = {}, more: Partial<InvokeCommandInput> = {}) =>
  client.send(new InvokeCommand({ FunctionName, InvocationType: 'Event', Payload: JSON.stringify(payload), ...more }));

describe('a call that does not wait', () => {
  test('is answered with 202 before the function has ended, which gets the event', async () => {
    const { promise, resolve } = Promise.withResolvers<void>();
    const seen: unknown[] = [];
    functions.slow = async (event) => {
      await promise;
      seen.push(event);
    };
    expect(await invoke('slow', { text: 'grüß dich' })).toMatchObject({ StatusCode: 202 });
    expect(seen).toEqual([]);
    resolve();
    await vi.waitFor(() => expect(seen).toEqual([{ text: 'grüß dich' }]), { timeout: 120_000 });
  });

  test('without a payload has an empty event', async () => {
    functions.silent = vi.fn<LambdaHandler>(async () => undefined);
    await client.send(new InvokeCommand({ FunctionName: 'silent', InvocationType: 'Event' }));
    await endpoint.stop();
    expect(functions.silent).toHaveBeenCalledWith({}, expect.anything());
  });

  test('has the context that Lambda gives, its clock running', async () => {
    const { promise, resolve } = Promise.withResolvers<Context>();
    functions.look = async (_, context) => resolve(context);
    await invoke('look');
    const context = await promise;
    const before = context.getRemainingTimeInMillis();
    expect(before).toBeLessThanOrEqual(60_000);
    await until(() => context.getRemainingTimeInMillis() < before);
    expect(context).toMatchObject({
      functionName: 'look',
      functionVersion: '$LATEST',
      invokedFunctionArn: 'arn:aws:lambda:us-east-1:000000000000:function:look',
      logGroupName: '/aws/lambda/look',
      awsRequestId: expect.stringMatching(/^[0-9a-f-]{36}$/),
    });
  });

  test('that exceeds its time limit fails', async () => {
    await endpoint.stop();
    await start(200);
    functions.hang = () => new Promise(() => {});
    await invoke('hang');
    await vi.waitFor(() => expect(onAsyncFailure).toHaveBeenCalledOnce(), { timeout: 120_000 });
    expect(onAsyncFailure.mock.calls[0]).toEqual([
      'hang',
      expect.objectContaining({ message: expect.stringContaining('Task timed out after 0.20 seconds') }),
    ]);
  });

  test('is tried three times with the same request id and payload, then given up', async () => {
    const seen: unknown[] = [];
    functions.fail = async (payload, { awsRequestId }) => {
      seen.push({ payload: structuredClone(payload), awsRequestId });
      (payload as { n: number }).n = 99;
      throw new Error('no');
    };
    await invoke('fail', { n: 1 });
    await vi.waitFor(() => expect(onAsyncFailure).toHaveBeenCalledOnce(), { timeout: 120_000 });
    expect(seen).toHaveLength(3);
    expect(new Set(seen.map((each) => JSON.stringify(each))).size).toBe(1);
    expect(seen[0]).toMatchObject({ payload: { n: 1 } });
  });

  test('stop waits for it', async () => {
    const { promise, resolve } = Promise.withResolvers<void>();
    const order: string[] = [];
    functions.slow = async () => {
      await promise;
      for (let turn = 0; turn < 100; turn++) await new Promise((next) => setImmediate(next));
      order.push('done');
    };
    await invoke('slow');
    const stopping = endpoint.stop().then(() => order.push('stopped'));
    resolve();
    await stopping;
    expect(order).toEqual(['done', 'stopped']);
  });
});

describe('a durable function', () => {
  const started: { event: unknown; name: string }[] = [];
  const durable: DurableFunction = {
    async start(event, name) {
      const before = started.find((execution) => execution.name === name);
      if (before !== undefined && JSON.stringify(before.event) !== JSON.stringify(event)) {
        throw new ServiceError(
          'DurableExecutionAlreadyStartedException',
          `${name} was started with another payload`,
          409,
        );
      }
      if (before === undefined) started.push({ event, name });
      return `arn:run/durable-execution/${name}/1`;
    },
  };
  beforeEach(() => {
    started.length = 0;
    functions.run = durable;
  });
  const name = 'n4bQgYhMfWWaL-qgxVrQFaO_TxsrC4Is0V1sFbDwCgg';

  test('is stored under its execution name before the caller is answered', async () => {
    const more = { DurableExecutionName: name };
    const answer = await invoke('run', { run: 1 }, more);
    expect(answer).toMatchObject({ StatusCode: 202, DurableExecutionArn: `arn:run/durable-execution/${name}/1` });
    expect(started).toEqual([{ event: { run: 1 }, name }]);
    expect((await invoke('run', { run: 1 }, more)).DurableExecutionArn).toBe(answer.DurableExecutionArn);
    expect(started).toHaveLength(1);
  });

  test('whose name is used with another payload is refused', async () => {
    await invoke('run', { run: 1 }, { DurableExecutionName: name });
    await expect(invoke('run', { run: 2 }, { DurableExecutionName: name })).rejects.toMatchObject({
      name: 'DurableExecutionAlreadyStartedException',
      $metadata: { httpStatusCode: 409 },
    });
  });

  test('with a malformed name is refused', async () => {
    await expect(invoke('run', {}, { DurableExecutionName: 'a.b' })).rejects.toMatchObject({
      name: 'InvalidParameterValueException',
    });
  });
});

describe('refusals carry the class that the SDK throws', () => {
  test.each([
    ['a function that is not there', { FunctionName: 'missing' }, 'ResourceNotFoundException'],
    ['a name from the prototype', { FunctionName: 'constructor' }, 'ResourceNotFoundException'],
    ['a payload that is not JSON', { FunctionName: 'echo', Payload: '{' }, 'InvalidRequestContentException'],
    [
      'an asynchronous payload beyond 1 MB',
      { FunctionName: 'echo', Payload: `"${'x'.repeat(1024 * 1024)}"` },
      'RequestTooLargeException',
    ],
  ])('%s', async (_, input, name) => {
    functions.echo = async (event) => event;
    await expect(client.send(new InvokeCommand({ InvocationType: 'Event', ...input }))).rejects.toMatchObject({ name });
  });

  test('a caller without the credentials, and another call than an asynchronous Invoke', async () => {
    functions.echo = vi.fn<LambdaHandler>();
    const stranger = new LambdaClient({
      endpoint: endpoint.endpoint,
      region: 'us-east-1',
      credentials: { accessKeyId: 'guess', secretAccessKey: 'guess' },
    });
    await expect(
      stranger.send(new InvokeCommand({ FunctionName: 'echo', InvocationType: 'Event' })),
    ).rejects.toMatchObject({
      name: 'UnrecognizedClientException',
    });
    expect(functions.echo).not.toHaveBeenCalled();
    for (const command of [new ListFunctionsCommand({}), new InvokeCommand({ FunctionName: 'echo' })]) {
      await expect(client.send(command as InvokeCommand)).rejects.toMatchObject({ name: 'UnknownOperationException' });
    }
  });
});

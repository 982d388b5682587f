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

beforeEach(async () => {
  functions = {};
  onAsyncFailure.mockReset();
  endpoint = await startLambdaEndpoint({ functions, timeout: 200, retryDelays: [1, 2], onAsyncFailure });
  const { endpoint: url, credentials } = endpoint;
  client = new LambdaClient({ endpoint: url, credentials, region: 'us-east-1', maxAttempts: 1 });
});
afterEach(() => endpoint.stop());

const invoke = async (FunctionName: string, payload: unknown = {}, more: Partial<InvokeCommandInput> = {}) => {
  const answer = await client.send(new InvokeCommand({ FunctionName, Payload: JSON.stringify(payload), ...more }));
  const text = Buffer.from(answer.Payload ?? []).toString();
  return { ...answer, payload: text === '' ? undefined : JSON.parse(text) };
};

describe('a call that waits', () => {
  test('hands the event over and brings the result back', async () => {
    functions.echo = async (event) => ({ got: event });
    const answer = await invoke('echo', { text: 'grüß dich' });
    expect(answer).toMatchObject({
      StatusCode: 200,
      ExecutedVersion: '$LATEST',
      payload: { got: { text: 'grüß dich' } },
    });
    expect(answer.FunctionError).toBeUndefined();
  });

  test('nothing returned is null, nothing sent is an empty event', async () => {
    functions.silent = vi.fn<LambdaHandler>(async () => undefined);
    expect((await client.send(new InvokeCommand({ FunctionName: 'silent' }))).Payload?.transformToString()).toBe(
      'null',
    );
    expect(functions.silent).toHaveBeenCalledWith({}, expect.anything());
  });

  test.each([
    ['deliver', undefined],
    ['deliver:live', 'live'],
    ['000000000000:function:deliver:live', 'live'],
    ['arn:aws:lambda:us-east-1:000000000000:function:deliver', undefined],
    ['arn:aws:lambda:us-east-1:000000000000:function:deliver:live', 'live'],
  ])('finds the function as %s', async (name, alias) => {
    functions.deliver = async (_, context) => context.invokedFunctionArn;
    const arn = 'arn:aws:lambda:us-east-1:000000000000:function:deliver';
    expect((await invoke(name)).payload).toBe(alias === undefined ? arn : `${arn}:${alias}`);
  });

  test('the alias may stand in the query', async () => {
    functions.deliver = async (_, context) => context.invokedFunctionArn;
    expect((await invoke('deliver', {}, { Qualifier: 'live' })).payload).toMatch(/:deliver:live$/);
  });

  test('the context is what Lambda gives, its clock running', async () => {
    let seen: Context | undefined;
    functions.look = async (_, context) => {
      seen = context;
      const before = context.getRemainingTimeInMillis();
      await until(() => context.getRemainingTimeInMillis() < before);
      return before;
    };
    expect((await invoke('look')).payload).toBeLessThanOrEqual(200);
    expect(seen).toMatchObject({
      functionName: 'look',
      functionVersion: '$LATEST',
      logGroupName: '/aws/lambda/look',
      awsRequestId: expect.stringMatching(/^[0-9a-f-]{36}$/),
    });
  });

  test('what the function throws comes back as a function error', async () => {
    functions.fail = async () => {
      throw new RangeError('too far');
    };
    const answer = await invoke('fail');
    expect(answer).toMatchObject({ StatusCode: 200, FunctionError: 'Unhandled' });
    expect(answer.payload).toMatchObject({ errorType: 'RangeError', errorMessage: 'too far' });
    expect(answer.payload.trace[0]).toBe('RangeError: too far');
  });

  test('a function that overstays its time is a function error', async () => {
    functions.hang = () => new Promise(() => {});
    const { FunctionError, payload } = await invoke('hang');
    expect(FunctionError).toBe('Unhandled');
    expect(payload).toMatchObject({ errorType: 'Sandbox.Timedout' });
    expect(payload.errorMessage).toContain('Task timed out after 0.20 seconds');
  });

  test('an answer beyond 6 MB is a function error', async () => {
    functions.much = async () => 'x'.repeat(6 * 1024 * 1024);
    expect((await invoke('much')).payload).toMatchObject({ errorType: 'Function.ResponseSizeTooLarge' });
  });
});

describe('a call that does not wait', () => {
  const event = (name: string, payload?: unknown) => invoke(name, payload, { InvocationType: 'Event' });

  test('is answered 202 before the function is through', async () => {
    const { promise, resolve } = Promise.withResolvers<void>();
    let done = false;
    functions.slow = async () => {
      await promise;
      done = true;
    };
    expect(await event('slow')).toMatchObject({ StatusCode: 202, payload: undefined });
    expect(done).toBe(false);
    resolve();
    await vi.waitFor(() => expect(done).toBe(true), { timeout: 60_000 });
  });

  test('is tried three times with the same request id and payload, then given up', async () => {
    const seen: unknown[] = [];
    functions.fail = async (payload, { awsRequestId }) => {
      seen.push({ payload: structuredClone(payload), awsRequestId });
      (payload as { n: number }).n = 99;
      throw new Error('no');
    };
    await event('fail', { n: 1 });
    await vi.waitFor(() => expect(onAsyncFailure).toHaveBeenCalledOnce(), { timeout: 60_000 });
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
    await event('slow');
    const stopping = endpoint.stop().then(() => order.push('stopped'));
    resolve();
    await stopping;
    expect(order).toEqual(['done', 'stopped']);
  });
});

describe('a durable function', () => {
  const started: { event: unknown; name: string; functionArn: string }[] = [];
  const durable: DurableFunction = {
    async start(event, { name, functionArn }) {
      const before = started.find((execution) => execution.name === name);
      if (before !== undefined && JSON.stringify(before.event) !== JSON.stringify(event)) {
        throw new ServiceError(
          'DurableExecutionAlreadyStartedException',
          `${name} was started with another payload`,
          409,
        );
      }
      if (before === undefined) started.push({ event, name, functionArn });
      return { executionArn: `${functionArn}/durable-execution/${name}/1`, result: Promise.resolve('through') };
    },
  };
  beforeEach(() => {
    started.length = 0;
    functions.run = durable;
  });
  const name = 'n4bQgYhMfWWaL-qgxVrQFaO_TxsrC4Is0V1sFbDwCgg';

  test('is stored under its execution name before the caller is answered', async () => {
    const more = { InvocationType: 'Event', DurableExecutionName: name } as const;
    const answer = await invoke('run:live', { run: 1 }, more);
    expect(answer.StatusCode).toBe(202);
    expect(answer.DurableExecutionArn).toMatch(new RegExp(`:function:run:live/durable-execution/${name}/1$`));
    expect(started).toEqual([{ event: { run: 1 }, name, functionArn: expect.stringMatching(/:run:live$/) }]);
    expect((await invoke('run:live', { run: 1 }, more)).DurableExecutionArn).toBe(answer.DurableExecutionArn);
    expect(started).toHaveLength(1);
  });

  test('whose name is taken by another payload is refused', async () => {
    await invoke('run', { run: 1 }, { DurableExecutionName: name });
    await expect(
      invoke('run', { run: 2 }, { InvocationType: 'Event', DurableExecutionName: name }),
    ).rejects.toMatchObject({ name: 'DurableExecutionAlreadyStartedException', $metadata: { httpStatusCode: 409 } });
  });

  test('gives its result to a caller who waits, and has a name when the caller gave none', async () => {
    expect((await invoke('run')).payload).toBe('through');
    expect(started[0]?.name).toMatch(/^[A-Za-z0-9_-]{1,64}$/);
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
      { FunctionName: 'echo', InvocationType: 'Event' as const, Payload: `"${'x'.repeat(1024 * 1024)}"` },
      'RequestTooLargeException',
    ],
  ])('%s', async (_, input, name) => {
    functions.echo = async (event) => event;
    await expect(client.send(new InvokeCommand(input))).rejects.toMatchObject({ name });
  });

  test('a caller without the credentials, and another call than Invoke', async () => {
    functions.echo = vi.fn<LambdaHandler>();
    const stranger = new LambdaClient({
      endpoint: endpoint.endpoint,
      region: 'us-east-1',
      credentials: { accessKeyId: 'guess', secretAccessKey: 'guess' },
    });
    await expect(stranger.send(new InvokeCommand({ FunctionName: 'echo' }))).rejects.toMatchObject({
      name: 'UnrecognizedClientException',
    });
    expect(functions.echo).not.toHaveBeenCalled();
    await expect(client.send(new ListFunctionsCommand({}))).rejects.toMatchObject({
      name: 'UnknownOperationException',
    });
  });
});

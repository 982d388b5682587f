import { randomBytes, randomUUID } from 'node:crypto';
import type { Context } from 'aws-lambda';

/** The identity of a function. */
export interface FunctionIdentity {
  name: string;
  /** Milliseconds after which Lambda would stop it. */
  timeout: number;
}

const logStream = `local/[$LATEST]${randomBytes(16).toString('hex')}`;

/** The ARN that a function of this machine is known by. */
export function functionArn(name: string): string {
  return `arn:aws:lambda:us-east-1:000000000000:function:${name}`;
}

/** The context object of one invocation; its clock runs from now. */
export function createLambdaContext(identity: FunctionIdentity, requestId?: string): Context {
  return lambdaContexts(identity)(requestId);
}

/**
 * Makes the context objects of one function's invocations; each one's clock runs from the call. A repeated invocation keeps its
 * `requestId`.
 */
export function lambdaContexts(identity: FunctionIdentity): (requestId?: string) => Context {
  const { name, timeout } = identity;
  const invokedFunctionArn = functionArn(name);
  const logGroupName = `/aws/lambda/${name}`;
  return (awsRequestId = nextRequestId()) => {
    const deadline = Date.now() + timeout;
    return {
      callbackWaitsForEmptyEventLoop: true,
      functionName: name,
      functionVersion: '$LATEST',
      invokedFunctionArn,
      memoryLimitInMB: '1024',
      awsRequestId,
      logGroupName,
      logStreamName: logStream,
      getRemainingTimeInMillis: () => Math.max(0, deadline - Date.now()),
      done: ignore,
      fail: ignore,
      succeed: ignore,
    };
  };
}

let requestIdPrefix = '';
let requestCount = 0;

/** Formed like a UUID. The last four digits count up, and the rest is regenerated when they are used up. */
function nextRequestId(): string {
  if (requestCount % 9000 === 0) requestIdPrefix = randomUUID().slice(0, 32);
  requestCount += 1;
  return requestIdPrefix + (1000 + (requestCount % 9000));
}

// The methods with which Node 0.10 ended an invocation. Lambda still has them; nothing here uses them.
function ignore(): void {}

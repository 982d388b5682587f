import type { DurableLambdaHandler } from '@aws/durable-execution-sdk-js';
import type { Context, DynamoDBBatchResponse, DynamoDBStreamEvent } from 'aws-lambda';
import { type FunctionDeclaration, functions } from '../../functions/declarations.ts';

/** A Lambda handler as this machine calls it. */
export type LocalHandler = (event: unknown, context: Context) => Promise<unknown>;

/** The functions behind HTTP, with the paths that API Gateway gives them. */
export const httpRoutes = functions.flatMap(({ name, trigger }) =>
  typeof trigger === 'object' && 'http' in trigger ? trigger.http.map((path) => ({ path, functionName: name })) : [],
);

/** The functions that the clock starts every minute. */
export const clockFunctions = functions.flatMap(({ name, trigger }) => (trigger === 'clock' ? [name] : []));

/** The functions of this process: by HTTP and clock, durable ones, and the one on the table's stream. */
export interface Functions {
  plain: Readonly<Record<string, LocalHandler>>;
  durable: Readonly<Record<string, DurableLambdaHandler>>;
  stream: (event: DynamoDBStreamEvent) => Promise<DynamoDBBatchResponse>;
}

/**
 * The same functions that run on AWS, loaded into this process. They read the environment when they are first called, so it
 * must be set before.
 */
export async function loadFunctions(wrap?: InvocationWrapper): Promise<Functions> {
  const loaded = await Promise.all(
    functions.map(async (each) => {
      const handler = await handlerOf(each);
      if (!wrap) return { ...each, handler };
      return { ...each, handler: (...given: unknown[]) => wrap(each.name, () => handler(...given)) };
    }),
  );
  const handlers = <Handler>(matches: (declaration: FunctionDeclaration) => boolean) =>
    // A function's trigger says which events its handler takes; each handler checks its own.
    Object.fromEntries(loaded.filter(matches).map(({ name, handler }) => [name, handler as Handler]));
  const isDurable = ({ trigger }: FunctionDeclaration) => typeof trigger === 'object' && 'durable' in trigger;
  const readsStream = ({ trigger }: FunctionDeclaration) => trigger === 'event-stream';
  const [stream] = Object.values(handlers<Functions['stream']>(readsStream));
  if (!stream) throw new Error('No function reads the stream of the table');
  return {
    plain: handlers<LocalHandler>((each) => !isDurable(each) && !readsStream(each)),
    durable: handlers<DurableLambdaHandler>(isDurable),
    stream,
  };
}

/** Runs each invocation of a function. Tests use it to enforce the function's rights. */
export type InvocationWrapper = <T>(functionName: string, run: () => T) => T;

/** The handler of a function. The bundler reads this pattern and includes every function. */
async function handlerOf({ name }: FunctionDeclaration): Promise<(...given: unknown[]) => unknown> {
  const module: { handler: (...given: unknown[]) => unknown } = await import(`../../functions/${name}.ts`);
  return module.handler;
}

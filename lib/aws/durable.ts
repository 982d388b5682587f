import {
  CallbackSubmitterError,
  CallbackTimeoutError,
  type DurableLambdaHandler,
  NestingType,
  type DurableContext as SdkContext,
  StepError,
  StepSemantics,
  withDurableExecution,
} from '@aws/durable-execution-sdk-js';
import { type DurableContext, StepInterrupted, type StepOptions } from '../core/durable.ts';
import { type ErrorCode, type ErrorOptions, GatewayError } from '../core/errors.ts';
import { defined } from '../core/record.ts';
import { Checkpoints } from './checkpoints.ts';
import { log } from './log.ts';
import { type Services, services } from './services.ts';

/** The maximum number of attempts of a repeatable step that fails by an unexpected error: about an hour, with the delays below. */
const faultAttempts = 18;

/** How a step or an item ended, as stored. It includes errors, because the SDK stores only their message. */
type Outcome<T> = { value?: T } | { error: RememberedError };

interface RememberedError {
  name: string;
  message: string;
  code?: ErrorCode;
  options?: ErrorOptions;
}

/** A Lambda handler whose work survives waits of days and the death of its process; `run` gets the payload it was started with. */
export function durableFunction<Payload>(
  name: string,
  run: (services: Services, context: DurableContext, payload: Payload) => Promise<object>,
): DurableLambdaHandler {
  return withDurableExecution<Payload, object>(async (payload, context) => {
    const provided = services();
    try {
      return await run(provided, wrap(context, new Checkpoints(provided.files)), payload);
    } catch (error) {
      const { message, stack } = error instanceof Error ? error : new Error(String(error));
      log({ level: 'error', durable: name, execution: context.executionContext.durableExecutionArn, message, stack });
      throw error;
    }
  });
}

function wrap(context: SdkContext, checkpoints: Checkpoints): DurableContext {
  return {
    async step<T>(name: string, run: (attempt: number) => Promise<T>, options: StepOptions = {}) {
      const outcome = await context
        .step<Outcome<T>>(
          name,
          async ({ attempt }) => {
            try {
              return { value: await run(attempt) };
            } catch (error) {
              if (secondsUntilNext(error, attempt, options) !== undefined) throw error;
              return { error: remember(error) };
            }
          },
          {
            semantics: options.atMostOnce ? StepSemantics.AtMostOncePerRetry : StepSemantics.AtLeastOncePerRetry,
            retryStrategy: (error, attempt) => {
              const seconds = isInterruption(error) ? undefined : secondsUntilNext(error, attempt, options);
              return seconds === undefined ? { shouldRetry: false } : { shouldRetry: true, delay: { seconds } };
            },
            serdes: checkpoints.serdes<Outcome<T>>(),
          },
        )
        .catch((error: unknown) => {
          throw error instanceof StepError && isInterruption(error.cause) ? new StepInterrupted(name) : error;
        });
      return unwrap(outcome);
    },

    wait: (name, seconds) => context.wait(name, { seconds: Math.max(1, Math.ceil(seconds)) }),

    async waitFor<T>(name: string, register: (callbackId: string) => Promise<void>, seconds: number) {
      try {
        const result = await context.waitForCallback(name, (callbackId) => register(callbackId), {
          timeout: { seconds: Math.max(1, Math.ceil(seconds)) },
          retryStrategy: (error, attempt) => {
            const delay = secondsUntilNext(error, attempt, {});
            return delay === undefined ? { shouldRetry: false } : { shouldRetry: true, delay: { seconds: delay } };
          },
        });
        // Only `Starter.complete` ends such a wait, and it sends JSON.
        return { done: true, value: JSON.parse(result) as T } as const;
      } catch (error) {
        if (error instanceof CallbackTimeoutError) return { done: false } as const;
        if (error instanceof CallbackSubmitterError) throw new Error(`${name}: ${error.message}`, { cause: error });
        throw error;
      }
    },

    async branch<T>(name: string, run: (context: DurableContext) => Promise<T>): Promise<T> {
      // The SDK keeps only the message of an error, so the error itself is returned outside of the promise.
      let outcome: { value: T } | { thrown: unknown } | undefined;
      const branch = context.runInChildContext<null>(
        name,
        async (inner) => {
          try {
            outcome = { value: await run(wrap(inner, checkpoints)) };
          } catch (thrown) {
            outcome = { thrown };
          }
          return null;
        },
        { virtualContext: true },
      );
      await branch;
      if (outcome && 'value' in outcome) return outcome.value;
      throw outcome ? outcome.thrown : new Error(`The branch ${name} ended without running`);
    },

    async map<Item, T>(
      name: string,
      items: readonly Item[],
      run: (context: DurableContext, item: Item, index: number) => Promise<T>,
      { concurrency }: { concurrency: number },
    ) {
      const batch = await context.map<Item, Outcome<T>>(
        name,
        [...items],
        async (inner, item, index) => {
          try {
            return { value: await run(wrap(inner, checkpoints), item, index) };
          } catch (error) {
            return { error: remember(error) };
          }
        },
        { maxConcurrency: concurrency, nesting: NestingType.FLAT },
      );
      return batch.getResults().map((outcome) => {
        try {
          return { done: true as const, value: unwrap(outcome) };
        } catch (error) {
          return { done: false as const, error: error instanceof Error ? error : new Error(String(error)) };
        }
      });
    },
  };
}

/** The SDK names the error so, and does not export its class under the name it comes back with. */
function isInterruption(error: unknown): boolean {
  return error instanceof Error && error.name === 'StepInterruptedError';
}

function secondsUntilNext(error: unknown, attempt: number, options: StepOptions): number | undefined {
  if (options.retry) return wholeSeconds(options.retry(error, attempt));
  if (options.atMostOnce || error instanceof GatewayError || attempt >= faultAttempts) return undefined;
  return Math.min(300, 2 ** (attempt - 1));
}

function wholeSeconds(seconds: number | undefined): number | undefined {
  return seconds === undefined ? undefined : Math.max(1, Math.ceil(seconds));
}

function unwrap<T>(outcome: Outcome<T>): T {
  if ('error' in outcome) throw recall(outcome.error);
  // JSON drops `undefined`, so its absence is the value.
  return outcome.value as T;
}

function remember(error: unknown): RememberedError {
  if (error instanceof GatewayError) {
    const { name, message, code, status, retryable, retryAfter, vendor, vendorCode, errors, outcome } = error;
    const options: ErrorOptions = {
      status,
      retryable,
      outcome,
      ...defined({ retryAfter, vendor, vendorCode, errors }),
    };
    return { name, message, code, options };
  }
  if (error instanceof StepInterrupted) return { name: error.name, message: error.step };
  return error instanceof Error
    ? { name: error.name, message: error.message }
    : { name: 'Error', message: String(error) };
}

function recall({ name, message, code, options }: RememberedError): Error {
  if (code !== undefined) return new GatewayError(code, message, options);
  if (name === 'StepInterrupted') return new StepInterrupted(message);
  return Object.assign(new Error(message), { name });
}

import type { DurableContext } from '../../core/durable.ts';
import { GatewayError } from '../../core/errors.ts';
import { maxItems } from '../definition.ts';
import { isExpressionFailure } from './retry.ts';
import type { RunContext } from './run-context.ts';
import type { StepError } from './runs.ts';
import type { StepPlace } from './step-records.ts';

/** The items of a `forEach`, evaluated once, or why there are none. */
export type Items = { list: unknown[] } | { error: StepError };

/** Evaluates a `forEach` as a durable step. A value that is not a list becomes a list of one, and nothing becomes an empty list. */
export function itemsOf(
  run: RunContext,
  context: DurableContext,
  name: string,
  place: StepPlace,
  forEach: string,
): Promise<Items> {
  return context.step(`${name} items`, async (): Promise<Items> => {
    try {
      const value = await run.render(forEach, place, run.services.clock.now());
      const list = value === undefined || value === null ? [] : Array.isArray(value) ? value : [value];
      if (list.length <= maxItems) return { list };
      throw new GatewayError('invalid_input', `forEach gave ${list.length} items; at most ${maxItems} are allowed.`);
    } catch (cause) {
      if (!isExpressionFailure(cause) && !(cause instanceof GatewayError)) throw cause;
      const { message } = cause as Error;
      const words = isExpressionFailure(cause) ? `An expression failed: ${message}` : message;
      const error: StepError = { code: 'invalid_input', message: words };
      await run.records.write(place, { state: 'failed', error, ended: true });
      return { error };
    }
  });
}

/**
 * Processes a list in batches. The next batch starts when all items of the current one have ended, so that every replay starts
 * the same ones. Ends early if `isEnough` returns true; returns the results so far.
 */
export async function eachItem<T>(
  run: RunContext,
  context: DurableContext,
  name: string,
  list: readonly unknown[],
  concurrency: number,
  work: (context: DurableContext, item: unknown, index: number) => Promise<T>,
  isEnough: (ends: readonly T[]) => boolean,
): Promise<T[]> {
  const ends: T[] = [];
  for (let from = 0; from < list.length && !isEnough(ends); from += concurrency) {
    const part = list.slice(from, from + concurrency);
    if (run.sequential) {
      const settled = await context.map(`${name} ${from}`, part, (inner, item, at) => work(inner, item, from + at), {
        concurrency,
      });
      for (const each of settled) {
        if (!each.done) throw each.error;
        ends.push(each.value);
      }
    } else {
      const branches = part.map((item, at) =>
        context.branch(`${name}[${from + at}]`, (inner) => work(inner, item, from + at)),
      );
      ends.push(...(await Promise.all(branches)));
    }
  }
  return ends;
}

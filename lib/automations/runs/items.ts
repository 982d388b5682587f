import type { DurableContext } from '../../core/durable.ts';
import { GatewayError } from '../../core/errors.ts';
import { maxItems } from '../definition.ts';
import { isExpressionFailure } from './retry.ts';
import type { RunContext } from './run-context.ts';
import type { StepError } from './runs.ts';
import type { StepPlace } from './step-records.ts';

/** The items that a `forEach` gives, worked out once, or why it gives none. */
export type Items = { list: unknown[] } | { error: StepError };

/** Works out a `forEach` as a durable step; what is no list is a list of one, and nothing is an empty list. */
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
 * Works through a list, so many items at a time: the next ones begin when all of these have ended, so that every replay begins the
 * same ones. Ends early where `isEnough` says so; answers what there is.
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

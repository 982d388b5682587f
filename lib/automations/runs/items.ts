import type { DurableContext } from '../../core/durable.ts';
import { GatewayError } from '../../core/errors.ts';
import { maxItems } from '../definition.ts';
import { isExpressionFailure } from './retry.ts';
import type { RunContext } from './run-context.ts';
import type { StepError } from './runs.ts';
import type { StepPlace } from './step-records.ts';

/** The items of a `forEach`, evaluated once, or why there are none. */
export type Items = { list: unknown[] } | { error: StepError };

/**
 * Evaluates a `forEach` as a durable step. A value that is not a list becomes a list of one, and nothing becomes an empty list. A
 * list that is too long for the execution is refused before any item begins.
 */
export async function itemsOf(
  run: RunContext,
  context: DurableContext,
  name: string,
  place: StepPlace,
  forEach: string,
  perItem: number,
): Promise<Items> {
  const items = await context.step(`${name} items`, async (): Promise<Items> => {
    try {
      const value = await run.render(forEach, place, run.services.clock.now());
      const list = value === undefined || value === null ? [] : Array.isArray(value) ? value : [value];
      if (list.length > maxItems)
        throw new GatewayError('invalid_input', `forEach gave ${list.length} items; at most ${maxItems} are allowed.`);
      const most = Math.floor(run.operationsLeft / perItem);
      if (list.length <= most) return { list };
      throw new GatewayError(
        'invalid_input',
        `forEach gave ${list.length} items, and with ${perItem} operations for each this run has capacity for ${Math.max(0, most)}. Start another automation for each item instead.`,
      );
    } catch (cause) {
      if (!isExpressionFailure(cause) && !(cause instanceof GatewayError)) throw cause;
      const { message } = cause as Error;
      const words = isExpressionFailure(cause) ? `An expression failed: ${message}` : message;
      const error: StepError = { code: 'invalid_input', message: words };
      await run.records.write(place, { state: 'failed', error, ended: true });
      return { error };
    }
  });
  if ('list' in items) run.spendOperations(items.list.length * perItem);
  return items;
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

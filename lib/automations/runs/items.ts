import type { DurableContext } from '../../core/durable.ts';
import { GatewayError } from '../../core/errors.ts';
import { maxItems } from '../definition.ts';
import type { PlacedStep } from '../steps.ts';
import { operationsPerItem, operationsPerPart, operationsPerWait } from './durable-operations.ts';
import { carryOutElsewhere } from './part-files.ts';
import { isExpressionFailure } from './retry.ts';
import type { RunContext } from './run-context.ts';
import type { StepError } from './runs.ts';
import type { StepPlace } from './step-records.ts';

/** The items of a `forEach`, evaluated once, or why there are none. */
export type Items = ItemList | { error: StepError };

export interface ItemList {
  list: unknown[];
  /**
   * How many durable operations they may take in this execution; the rest are carried out in separate executions. Absent in
   * runs of earlier versions, whose lists always fit.
   */
  budget?: number;
}

/** How the items of a step are carried out. What `work` returns is plain JSON. */
export interface ItemWork<T> {
  concurrency: number;
  /** The most durable operations that one item takes, its retries included. */
  maxOperationsPerItem: number;
  work(context: DurableContext, item: unknown, index: number): Promise<T>;
  /** Whether no further item starts. */
  isEnough(ends: readonly T[]): boolean;
}

/**
 * Evaluates a `forEach` as a durable step. A value that is not a list becomes a list of one, and nothing becomes an empty list. A
 * list that this run cannot carry out, not even in parts, is refused before any item starts.
 */
export async function itemsOf(
  run: RunContext,
  context: DurableContext,
  placed: PlacedStep,
  place: StepPlace,
  forEach: string,
): Promise<Items> {
  const items = await context.step(`${placed.name} items`, async (): Promise<Items> => {
    try {
      const value = await run.render(forEach, place, run.services.clock.now());
      const list = value === undefined || value === null ? [] : Array.isArray(value) ? value : [value];
      if (list.length > maxItems)
        throw new GatewayError('invalid_input', `forEach gave ${list.length} items; at most ${maxItems} are allowed.`);
      const needed = list.length * operationsPerItem(placed);
      const left = run.operationsPerList();
      if (needed > left && operationsPerPart > left)
        throw new GatewayError(
          'invalid_input',
          `forEach gave ${list.length} items, and the other steps leave this run no capacity for them. Start another automation instead.`,
        );
      // Only what is certain to fit is carried out here: other calls may take all of their attempts.
      return { list, budget: run.operationsPerList(run.maxPerCall) };
    } catch (cause) {
      if (!isExpressionFailure(cause) && !(cause instanceof GatewayError)) throw cause;
      const { message } = cause as Error;
      const words = isExpressionFailure(cause) ? `An expression failed: ${message}` : message;
      const error: StepError = { code: 'invalid_input', message: words };
      await run.records.write(place, { state: 'failed', error });
      return { error };
    }
  });
  return items;
}

/**
 * Processes a list in batches, and hands what exceeds the capacity of this execution over to others. Ends early if `isEnough`
 * returns true; returns the results so far.
 */
export async function eachItem<T>(
  run: RunContext,
  context: DurableContext,
  placed: PlacedStep,
  { list, budget = Number.POSITIVE_INFINITY }: ItemList,
  items: ItemWork<T>,
  onPart: () => void = () => undefined,
): Promise<T[]> {
  if (run.sequential) return eachInSequence(context, placed.name, list, items);
  const ends = await withinBudget(run, context, placed.name, list, 0, items, budget);
  while (ends.length < list.length && !items.isEnough(ends)) {
    onPart();
    ends.push(...(await carryOutElsewhere<T>(run, context, placed, list, ends.length)));
  }
  return ends;
}

/**
 * Processes a list from an item on, as long as the next batch is certain to fit into a number of durable operations. The next batch
 * starts when all items of the current one have ended, so that every replay starts the same ones.
 */
export async function withinBudget<T>(
  run: RunContext,
  context: DurableContext,
  name: string,
  list: readonly unknown[],
  start: number,
  { concurrency, maxOperationsPerItem, work, isEnough }: ItemWork<T>,
  budget: number,
): Promise<T[]> {
  const ends: T[] = [];
  const size = Math.max(1, Math.min(concurrency, Math.floor(run.capacity / maxOperationsPerItem)));
  let used = 0;
  for (let from = start; from < list.length && !isEnough(ends); from += size) {
    const batch = list.slice(from, from + size);
    if (used + batch.length * maxOperationsPerItem > budget) break;
    const counted = { operations: 0 };
    const branches = batch.map((item, at) =>
      context.branch(`${name}[${from + at}]`, (inner) => work(counting(inner, counted), item, from + at)),
    );
    ends.push(...(await Promise.all(branches)));
    used += counted.operations;
  }
  return ends;
}

/** The batches of a run that an earlier version started. */
async function eachInSequence<T>(
  context: DurableContext,
  name: string,
  list: readonly unknown[],
  { concurrency, work, isEnough }: ItemWork<T>,
): Promise<T[]> {
  const ends: T[] = [];
  for (let from = 0; from < list.length && !isEnough(ends); from += concurrency) {
    const batch = list.slice(from, from + concurrency);
    const settled = await context.map(`${name} ${from}`, batch, (inner, item, at) => work(inner, item, from + at), {
      concurrency,
    });
    for (const each of settled) {
      if (!each.done) throw each.error;
      ends.push(each.value);
    }
  }
  return ends;
}

/** The same context; counts the durable operations that are asked for, as AWS counts them. */
function counting(context: DurableContext, counted: { operations: number }): DurableContext {
  return {
    step: (...step) => {
      counted.operations++;
      return context.step(...step);
    },
    wait: (...wait) => {
      counted.operations++;
      return context.wait(...wait);
    },
    waitFor: (...wait) => {
      counted.operations += operationsPerWait;
      return context.waitFor(...wait);
    },
    map: (name, items, work, options) =>
      context.map(name, items, (inner, item, index) => work(counting(inner, counted), item, index), options),
    branch: (name, work) => context.branch(name, (inner) => work(counting(inner, counted))),
  };
}

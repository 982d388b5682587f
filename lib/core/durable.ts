/**
 * What a durable execution may do. Its code is run again from the top after every wait and every crash, and each call below
 * answers what it answered before: so between the calls there must be no clock, no random numbers and no I/O, and names and order of
 * the calls must depend on nothing else. Everything handed in and out is plain JSON.
 */
export interface DurableContext {
  /** Does something once and remembers what came out, an error included. */
  step<T>(name: string, run: (attempt: number) => Promise<T>, options?: StepOptions): Promise<T>;
  /** Lets time pass without a process running; whole seconds, at least 1, at most a year. */
  wait(name: string, seconds: number): Promise<void>;
  /**
   * Waits until somebody completes the callback (`Starter.complete`) or the seconds are over. `register` stores the id
   * where it will be found; it runs at least once.
   */
  waitFor<T>(name: string, register: (callbackId: string) => Promise<void>, seconds: number): Promise<Waited<T>>;
  /** Runs each item, at most `concurrency` at a time; one that fails stops no other. Answers in the order of the items. */
  map<Item, T>(
    name: string,
    items: readonly Item[],
    run: (context: DurableContext, item: Item, index: number) => Promise<T>,
    options: { concurrency: number },
  ): Promise<Settled<T>[]>;
  /**
   * Runs a branch concurrently, with its own context, and returns its result. Branches must be asked for in
   * the same order every time; when each of them ends makes no difference. It runs again from the top with everything else.
   */
  branch<T>(name: string, run: (context: DurableContext) => Promise<T>): Promise<T>;
}

export interface StepOptions {
  /** For writes: a step that started and did not finish is never restarted. It fails with `StepInterrupted`. */
  atMostOnce?: boolean;
  /**
   * Seconds until the next attempt after an error, or undefined to give up; `attempt` is the one that failed, from 1.
   * Without it an error of the step is final at once, but for errors that are no `GatewayError` on a step that may be
   * repeated: those are our own faults, and are tried again for about an hour.
   */
  retry?: (error: unknown, attempt: number) => number | undefined;
}

/** How a wait for something ended. */
export type Waited<T> = { done: true; value: T } | { done: false };

/** How one item of a `map` ended; the error is what the item's own code threw, a `GatewayError` as such. */
export type Settled<T> = { done: true; value: T } | { done: false; error: Error };

/** A step that must not be repeated was interrupted. Its outcome is unknown. */
export class StepInterrupted extends Error {
  override name = 'StepInterrupted';
  readonly step: string;

  constructor(step: string) {
    super(`The step ${step} was interrupted; whether it was carried out is not known.`);
    this.step = step;
  }
}

/** What a delivery's execution is started with: ids only. */
export interface DeliveryStart {
  deliveryId: string;
}

/** What a run's execution is started with: ids only. */
export interface RunStart {
  runId: string;
  /** Set where the execution carries out items of one of the run's lists: its name, under which they are stored. */
  part?: string;
  /** Set where a step raises an alarm: the run then waits behind no other. */
  alarm?: true;
}

/**
 * Starts durable executions and completes their waits. A name is 1 to 64 of `[A-Za-z0-9_-]`, and what the execution carries out:
 * the handler that is notified of its end knows nothing else about it. Starting the same name again starts nothing, so that every
 * start may be repeated.
 */
export interface Starter {
  startDelivery(name: string, payload: DeliveryStart): Promise<void>;
  startRun(name: string, payload: RunStart): Promise<void>;
  /** Ends a `waitFor`; false when it is over already. */
  complete(callbackId: string, value: unknown): Promise<boolean>;
}

/** The EventBridge detail type of status changes of durable executions. */
export const statusChange = 'Durable Execution Status Change';

/** The statuses of executions that ended without finishing their work. */
export const brokenStatuses = ['FAILED', 'TIMED_OUT', 'STOPPED'] as const;
export type BrokenStatus = (typeof brokenStatuses)[number];

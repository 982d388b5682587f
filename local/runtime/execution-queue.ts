import type { Clock } from '../../lib/core/clock.ts';

export interface ExecutionQueueOptions {
  clock: Clock;
  functionNames: readonly string[];
  /**
   * The maximum number of executions of one function at a time, in each of its two lanes. One that takes longer than `placeMs` is
   * no longer counted.
   */
  concurrency: number;
  /**
   * How long an execution counts as busy, in milliseconds. One that takes longer waits for a response and must not occupy a place.
   */
  placeMs: number;
  /** Executions of one function at a time in each lane, those that wait for an answer included. */
  maxOpen: number;
  /** Executions of one group at a time; those of alarms are not held to it. */
  perGroup: number;
  /** Where an execution waits for its turn. */
  laneOf(pk: string): Lane;
  /** One invocation; when it throws, the execution is invoked again a second later. */
  run(pk: string, functionName: string): Promise<void>;
  onFault(functionName: string, pk: string, error: unknown): void;
}

/** The group of an execution: an automation, or a target. Alarms have a separate lane. */
export interface Lane {
  group: string;
  isAlarm: boolean;
}

/** How many executions of a lane run: all of them, and those that are counted as busy. */
interface Running {
  open: number;
  busy: number;
}

/** The executions of one function at a moment. */
export interface QueueState {
  running: number;
  waiting: number;
  /** Waiting for a time or a callback. */
  resting: number;
  /** How long the oldest waiting execution has waited for a place, in milliseconds; 0 if none waits. */
  oldestWaitingMs: number;
}

/** The executions of one function that wait, and how many run. */
interface FunctionQueue {
  alarms: string[];
  /** By group, the next one first. */
  groups: Map<string, { waiting: string[]; running: number }>;
  running: { alarms: Running; others: Running };
}

/** A timer measures how long the machine runs, so the clock is checked at least this often: it may be set forward, or the machine sleep. */
const maxTimerMs = 60_000;
const stopTimeoutMs = 3_000;
/** Timers this close together share one waking, in milliseconds. */
const timerGrainMs = 10;

/**
 * Holds which executions run, wait for their turn, or rest until a time. Groups take turns, so that slow executions of one do not
 * delay the others. This state is only in memory; what must persist is in the table.
 */
export class ExecutionQueue {
  readonly #options: ExecutionQueueOptions;
  readonly #queues: Map<string, FunctionQueue>;
  readonly #busy = new Set<string>();
  /** Since when each waiting execution has waited for a place, in epoch milliseconds. */
  readonly #waitingSince = new Map<string, number>();
  /** Enqueued while they ran: they run once more. */
  readonly #again = new Set<string>();
  readonly #resting = new Map<string, { functionName: string; until: number }>();
  #idlers: (() => void)[] = [];
  #timer: NodeJS.Timeout | undefined;
  #wakeAt = Number.POSITIVE_INFINITY;
  #stopping = false;

  constructor(options: ExecutionQueueOptions) {
    this.#options = options;
    this.#queues = new Map(
      options.functionNames.map((name) => {
        const running = { alarms: { open: 0, busy: 0 }, others: { open: 0, busy: 0 } };
        return [name, { alarms: [], groups: new Map(), running }];
      }),
    );
  }

  get stopping(): boolean {
    return this.#stopping;
  }

  /** Runs an execution as soon as there is room; one that runs already runs once more. */
  enqueue(pk: string, functionName: string): void {
    this.#resting.delete(pk);
    const queue = this.#queues.get(functionName);
    if (!queue) return;
    if (this.#busy.has(pk)) {
      this.#again.add(pk);
      return;
    }
    this.#busy.add(pk);
    this.#waitingSince.set(pk, this.#options.clock.now());
    const { group, isAlarm } = this.#options.laneOf(pk);
    if (isAlarm) queue.alarms.push(pk);
    else {
      const known = queue.groups.get(group) ?? { waiting: [], running: 0 };
      known.waiting.push(pk);
      queue.groups.set(group, known);
    }
    this.#drain(functionName);
  }

  /** Runs an execution at a time, in epoch milliseconds. */
  rest(pk: string, functionName: string, until: number): void {
    this.#resting.set(pk, { functionName, until });
    if (until < this.#wakeAt) this.#setTimer(until);
  }

  /** Whether an execution runs, waits or rests here. */
  knows(pk: string): boolean {
    return this.#busy.has(pk) || this.#resting.has(pk);
  }

  /** How the queues are now, by function name. */
  states(): Record<string, QueueState> {
    const now = this.#options.clock.now();
    return Object.fromEntries(
      [...this.#queues].map(([name, { alarms, groups, running }]) => {
        const waiting = [...alarms, ...[...groups.values()].flatMap((group) => group.waiting)];
        const since = Math.min(now, ...waiting.map((pk) => this.#waitingSince.get(pk) ?? now));
        const resting = [...this.#resting.values()].filter(({ functionName }) => functionName === name).length;
        const state = {
          running: running.alarms.open + running.others.open,
          waiting: waiting.length,
          resting,
          oldestWaitingMs: now - since,
        };
        return [name, state];
      }),
    );
  }

  restingFunction(pk: string): string | undefined {
    return this.#resting.get(pk)?.functionName;
  }

  /** Runs what is due; timers call it. */
  wake(): void {
    const now = this.#options.clock.now();
    let next = Number.POSITIVE_INFINITY;
    for (const [pk, { functionName, until }] of this.#resting) {
      if (until > now) next = Math.min(next, until);
      else this.enqueue(pk, functionName);
    }
    this.#setTimer(next === Number.POSITIVE_INFINITY ? next : Math.max(next, now + timerGrainMs));
  }

  /** Resolves when nothing runs and nothing waits for its turn. */
  idle(): Promise<void> {
    return new Promise((resolve) => {
      this.#idlers.push(resolve);
      this.#settleIdlers();
    });
  }

  /** Starts nothing more, and waits a moment for running executions. */
  async stop(): Promise<void> {
    this.#stopping = true;
    clearTimeout(this.#timer);
    for (const queue of this.#queues.values()) {
      queue.alarms = [];
      for (const group of queue.groups.values()) group.waiting = [];
    }
    // What takes longer continues at the next start, as after a crash.
    const limit = AbortSignal.timeout(stopTimeoutMs);
    await Promise.race([this.idle(), new Promise((resolve) => limit.addEventListener('abort', resolve))]);
  }

  #drain(functionName: string): void {
    const queue = this.#queues.get(functionName);
    if (!queue) return;
    const { alarms, others } = queue.running;
    while (this.#hasRoom(alarms)) {
      const pk = queue.alarms.shift();
      if (pk === undefined) break;
      this.#run(pk, functionName, alarms);
    }
    while (this.#hasRoom(others)) {
      const next = this.#nextGroup(queue);
      const pk = next?.waiting.shift();
      if (!next || pk === undefined) break;
      next.running++;
      this.#run(pk, functionName, others, () => next.running--);
    }
  }

  #hasRoom({ open, busy }: Running): boolean {
    return !this.#stopping && busy < this.#options.concurrency && open < this.#options.maxOpen;
  }

  /** The group whose turn it is; it is moved to the end. */
  #nextGroup(queue: FunctionQueue): { waiting: string[]; running: number } | undefined {
    for (const [name, group] of queue.groups) {
      if (group.waiting.length === 0) {
        if (group.running === 0) queue.groups.delete(name);
      } else if (group.running < this.#options.perGroup) {
        queue.groups.delete(name);
        queue.groups.set(name, group);
        return group;
      }
    }
    return undefined;
  }

  #run(pk: string, functionName: string, lane: Running, leave: () => void = () => undefined): void {
    this.#again.delete(pk);
    this.#waitingSince.delete(pk);
    lane.open++;
    lane.busy++;
    let isBusy = true;
    const givePlace = () => {
      if (isBusy) lane.busy--;
      isBusy = false;
    };
    const timer = setTimeout(() => {
      givePlace();
      this.#drain(functionName);
    }, this.#options.placeMs);
    this.#options
      .run(pk, functionName)
      .then(
        () => undefined,
        (error: unknown) => {
          if (this.#stopping) return;
          this.#options.onFault(functionName, pk, error);
          this.rest(pk, functionName, this.#options.clock.now() + 1000);
        },
      )
      .finally(() => {
        clearTimeout(timer);
        givePlace();
        lane.open--;
        leave();
        this.#busy.delete(pk);
        const { until = Number.POSITIVE_INFINITY } = this.#resting.get(pk) ?? {};
        if (this.#again.delete(pk) || until <= this.#options.clock.now()) this.enqueue(pk, functionName);
        this.#drain(functionName);
        this.#settleIdlers();
      });
  }

  #setTimer(at: number): void {
    clearTimeout(this.#timer);
    this.#wakeAt = at;
    if (this.#stopping || at === Number.POSITIVE_INFINITY) return;
    const delay = Math.min(Math.max(0, at - this.#options.clock.now()), maxTimerMs);
    this.#timer = setTimeout(() => this.wake(), delay);
  }

  #settleIdlers(): void {
    for (const { alarms, groups, running } of this.#queues.values()) {
      if (running.alarms.open + running.others.open > 0 || alarms.length > 0) return;
      for (const { waiting } of groups.values()) if (waiting.length > 0) return;
    }
    for (const done of this.#idlers) done();
    this.#idlers = [];
  }
}

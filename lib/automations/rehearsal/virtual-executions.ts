import type { DurableContext, RunStart, Starter, Waited } from '../../core/durable.ts';
import { copy } from '../../store/scratch-table.ts';
import type { VirtualClock } from './virtual-clock.ts';

/** Ends a wait that may still be open. */
type End = (waited: Waited<unknown>) => void;

/**
 * Durable executions that live in this process alone, on a virtual clock: no step is ever repeated, and a wait takes no time. They
 * start and are completed like any others, so the code that they run cannot tell the difference.
 */
export class VirtualExecutions implements Starter {
  readonly #clock: VirtualClock;
  readonly #carryOut: (context: DurableContext, start: RunStart) => Promise<unknown>;
  /** Until when a wait has to last because what ends it happens only then; epoch milliseconds. */
  readonly #happensAt: (value: unknown) => Promise<number>;
  readonly #waits = new Map<string, End>();
  readonly #started = new Map<string, { runId?: string; isOver: boolean }>();
  #waitCount = 0;

  constructor(
    clock: VirtualClock,
    carryOut: (context: DurableContext, start: RunStart) => Promise<unknown>,
    happensAt: (value: unknown) => Promise<number>,
  ) {
    this.#clock = clock;
    this.#carryOut = carryOut;
    this.#happensAt = happensAt;
  }

  /** The runs that were started, in their order. */
  get runIds(): string[] {
    return [...this.#started.values()].flatMap(({ runId }) => runId ?? []);
  }

  /** Whether every run that was started is over. */
  get areOver(): boolean {
    return [...this.#started.values()].every(({ isOver }) => isOver);
  }

  async startRun(name: string, start: RunStart): Promise<void> {
    if (this.#started.has(name)) return;
    const execution = { isOver: false, ...(start.part === undefined && { runId: start.runId }) };
    this.#started.set(name, execution);
    const over = () => {
      execution.isOver = true;
    };
    // A run that fails has recorded it.
    void this.#carryOut(this.#context, start).then(over, over);
  }

  /** Nothing in a run starts a delivery. */
  async startDelivery(): Promise<void> {}

  async complete(callbackId: string, value: unknown): Promise<boolean> {
    const end = this.#waits.get(callbackId);
    if (!end) return false;
    const done = () => end({ done: true, value: copy(value) });
    const at = await this.#happensAt(value);
    if (at <= this.#clock.now()) done();
    else this.#clock.at(at, done);
    return true;
  }

  get #context(): DurableContext {
    const clock = this.#clock;
    const context: DurableContext = {
      step: async (_name, run) => copy(await clock.during(() => run(1))),
      wait: (_name, seconds) => clock.sleep(seconds * 1000),
      waitFor: async <T>(name: string, register: (callbackId: string) => Promise<void>, seconds: number) => {
        const callbackId = `${name}/${++this.#waitCount}`;
        const { promise, resolve } = Promise.withResolvers<Waited<T>>();
        const cancel = clock.at(clock.now() + seconds * 1000, () => end({ done: false }));
        const end: End = (waited) => {
          cancel();
          this.#waits.delete(callbackId);
          // Only `complete` ends it with a value, and its caller knows the type of that value.
          resolve(waited as Waited<T>);
        };
        this.#waits.set(callbackId, end);
        await clock.during(() => register(callbackId));
        return promise;
      },
      map: (_name, items, run) =>
        Promise.all(
          items.map((item, index) =>
            run(context, item, index).then(
              (value) => ({ done: true as const, value }),
              (error: Error) => ({ done: false as const, error }),
            ),
          ),
        ),
      branch: (_name, run) => run(context),
    };
    return context;
  }
}

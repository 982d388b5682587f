import {
  type DurableContext,
  type Settled,
  StepInterrupted,
  type StepOptions,
  type Waited,
} from '../../lib/core/durable.ts';
import { GatewayError } from '../../lib/core/errors.ts';
import type { TestClock } from './harness.ts';

type Outcome = { value: unknown } | { error: unknown };

interface Operation {
  name: string;
  kind: 'step' | 'wait' | 'callback';
  outcome?: Outcome;
  /** Started and not seen to end. */
  started?: boolean;
  attempt: number;
  /** When it continues by itself, in epoch milliseconds. */
  dueAt?: number;
}

type Handler<T> = (context: DurableContext) => Promise<T>;

/** Nothing is stored for an invocation after it was interrupted. */
interface Invocation {
  isCut: boolean;
  /** The bodies of steps that run now. */
  bodies: Set<Promise<unknown>>;
}

/** How many executions there were in this process. */
let made = 0;

const never = <T>() => new Promise<T>(() => undefined);
const copy = <T>(value: T): T => (value === undefined ? value : JSON.parse(JSON.stringify(value)));

/**
 * One durable execution in memory: it keeps what its steps gave, runs its code again from the top after every wait, moves a clock
 * that stands still, and can be cut off at any boundary of a step, as by a crash.
 */
export class FakeExecution {
  /** Callbacks of different executions have different ids. */
  readonly #id = `execution${++made}`;
  readonly #clock: TestClock;
  readonly #operations = new Map<string, Operation>();
  readonly #woken = new Map<string, (outcome: Outcome) => void>();
  /** The boundaries that have been passed: before and after each step's body. */
  boundaries = 0;
  /** Cut the invocation off at this boundary, once. */
  cutAt: number | undefined;
  invocations = 0;

  constructor(clock: TestClock) {
    this.#clock = clock;
  }

  /** All that it keeps, as JSON. */
  get kept(): string {
    return JSON.stringify([...this.#operations.values()]);
  }

  /** The names of the operations, in the order in which they were first asked for. */
  get names(): string[] {
    return [...this.#operations.values()].map(({ name }) => name);
  }

  /** Completes a callback; false when it is over. */
  complete(callbackId: string, value: unknown): boolean {
    const [execution, id = ''] = callbackId.split('/');
    const operation = execution === this.#id ? this.#operations.get(id) : undefined;
    if (!operation || operation.outcome || (operation.dueAt ?? 0) <= this.#clock.now()) return false;
    operation.outcome = { value: copy(value) };
    this.#woken.get(id)?.(operation.outcome);
    return true;
  }

  /** Runs to the end, through all waits; time passes at once. `onRest` is called before each wait that is skipped. */
  async run<T>(handler: Handler<T>, onRest?: (nextAt: number) => Promise<unknown>): Promise<T> {
    for (;;) {
      const end = await this.invoke(handler);
      if (end.done) return end.value;
      const next = this.nextAt();
      if (next === undefined) throw new Error(`The execution waits for nothing: ${this.names.join(', ')}`);
      if (next <= this.#clock.now()) continue;
      await onRest?.(next);
      if ([...this.#operations.values()].some((each) => each.kind === 'callback' && each.outcome && each.started)) {
        for (const each of this.#operations.values()) each.started = false;
        continue;
      }
      this.#clock.time = Math.max(this.#clock.now(), next);
    }
  }

  /** The earliest time at which something continues by itself. */
  nextAt(): number | undefined {
    const open = [...this.#operations.values()].filter((each) => !each.outcome && each.dueAt !== undefined);
    return open.length === 0 ? undefined : Math.min(...open.map((each) => each.dueAt ?? 0));
  }

  /** One invocation: until the code ends, or nothing is left to do but to wait, or it is cut off. */
  async invoke<T>(handler: Handler<T>): Promise<{ done: true; value: T } | { done: false }> {
    this.invocations++;
    this.#woken.clear();
    const invocation: Invocation = { isCut: false, bodies: new Set() };
    let ended: Outcome | undefined;
    const settled = handler(this.#context('', invocation)).then(
      (value) => {
        ended ??= { value };
      },
      (error: unknown) => {
        ended ??= { error };
      },
    );
    for (let idle = 0; idle < 20; ) {
      if (invocation.bodies.size > 0) await Promise.race([...invocation.bodies, settled]);
      await new Promise((resolve) => setImmediate(resolve));
      if (ended && !invocation.isCut) break;
      const isWaiting = invocation.isCut || this.nextAt() !== undefined;
      idle = invocation.bodies.size === 0 && isWaiting ? idle + 1 : 0;
    }
    this.#woken.clear();
    if (!ended || invocation.isCut) {
      invocation.isCut = true;
      return { done: false };
    }
    if ('error' in ended) throw ended.error;
    // The handler's own result.
    return { done: true, value: ended.value as T };
  }

  /** True where the invocation dies at this very moment. */
  #isCutHere(invocation: Invocation): boolean {
    if (invocation.isCut) return true;
    invocation.isCut = ++this.boundaries === this.cutAt;
    return invocation.isCut;
  }

  #context(prefix: string, invocation: Invocation): DurableContext {
    let count = 0;
    const claim = (name: string, kind: Operation['kind']): [string, Operation] => {
      const id = `${prefix}${++count}`;
      const operation = this.#operations.get(id) ?? { name, kind, attempt: 1 };
      if (operation.name !== name || operation.kind !== kind)
        throw new Error(`Not deterministic: ${id} was ${operation.kind} ${operation.name}, now ${kind} ${name}`);
      this.#operations.set(id, operation);
      return [id, operation];
    };
    return {
      step: async <T>(name: string, run: (attempt: number) => Promise<T>, options: StepOptions = {}): Promise<T> => {
        const [, operation] = claim(name, 'step');
        for (;;) {
          if (operation.outcome) return unwrap(operation.outcome) as T;
          if (operation.dueAt !== undefined && operation.dueAt > this.#clock.now()) return never();
          if (operation.started && options.atMostOnce) operation.outcome = { error: new StepInterrupted(name) };
          else await this.#attempt(operation, run, options, invocation);
        }
      },
      wait: async (name, seconds) => {
        const [, operation] = claim(name, 'wait');
        operation.dueAt ??= this.#clock.now() + seconds * 1000;
        if (operation.dueAt > this.#clock.now()) return never();
        operation.outcome = { value: null };
      },
      waitFor: async <T>(name: string, register: (id: string) => Promise<void>, seconds: number) => {
        const [id, operation] = claim(name, 'callback');
        if (operation.dueAt === undefined) {
          operation.dueAt = this.#clock.now() + seconds * 1000;
          await during(invocation, register(`${this.#id}/${id}`));
        }
        if (!operation.outcome && operation.dueAt > this.#clock.now()) {
          operation.started = true;
          await new Promise<void>((resolve) => this.#woken.set(id, () => resolve()));
        }
        operation.started = false;
        const { outcome } = operation;
        // What `complete` was given.
        if (outcome && 'value' in outcome) return { done: true, value: outcome.value as T } satisfies Waited<T>;
        operation.outcome = { error: 'over' };
        return { done: false };
      },
      map: async (_name, items, run, { concurrency }) => {
        const id = `${prefix}${++count}`;
        const results: Settled<never>[] = [];
        const left = [...items.entries()];
        const worker = async () => {
          for (let next = left.shift(); next !== undefined; next = left.shift()) {
            const [index, item] = next;
            results[index] = await run(this.#context(`${id}-${index}-`, invocation), item, index).then(
              (value): Settled<never> => ({ done: true, value: value as never }),
              (error: Error): Settled<never> => ({ done: false, error }),
            );
          }
        };
        await Promise.all(Array.from({ length: concurrency }, worker));
        return results;
      },
      branch: (_name, run) => run(this.#context(`${prefix}${++count}-`, invocation)),
    };
  }

  async #attempt<T>(
    operation: Operation,
    run: (attempt: number) => Promise<T>,
    options: StepOptions,
    invocation: Invocation,
  ): Promise<void> {
    operation.started = true;
    if (this.#isCutHere(invocation)) return never();
    const outcome = await during(
      invocation,
      run(operation.attempt).then(
        (value): Outcome => ({ value: copy(value) }),
        (error: unknown): Outcome => ({ error }),
      ),
    );
    if (this.#isCutHere(invocation)) return never();
    operation.started = false;
    const seconds = 'error' in outcome ? pauseAfter(outcome.error, operation.attempt, options) : undefined;
    if (seconds === undefined) operation.outcome = outcome;
    else {
      operation.attempt++;
      operation.dueAt = this.#clock.now() + seconds * 1000;
    }
  }
}

/** Counts a body among those that run until it has settled. */
async function during<T>({ bodies }: Invocation, body: Promise<T>): Promise<T> {
  bodies.add(body);
  try {
    return await body;
  } finally {
    bodies.delete(body);
  }
}

function pauseAfter(error: unknown, attempt: number, options: StepOptions): number | undefined {
  if (options.retry) return options.retry(error, attempt);
  if (options.atMostOnce || error instanceof GatewayError || attempt >= 18) return undefined;
  return Math.min(300, 2 ** (attempt - 1));
}

function unwrap(outcome: Outcome): unknown {
  if ('error' in outcome) throw outcome.error;
  return outcome.value;
}

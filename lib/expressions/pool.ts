import { type ChildProcess, fork } from 'node:child_process';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { ExpressionFailureKind, ExpressionJob, ExpressionProblem, ExpressionReply } from './job.ts';

/** An expression that gave no result. */
export class ExpressionFailure extends Error {
  override name = 'ExpressionFailure';
  readonly kind: ExpressionFailureKind;
  readonly pointer: string;
  readonly code: string | undefined;
  readonly position: number | undefined;

  constructor(kind: ExpressionFailureKind, problem: ExpressionProblem) {
    super(problem.message);
    this.kind = kind;
    this.pointer = problem.pointer;
    this.code = problem.code;
    this.position = problem.position;
  }
}

/** Settings of a pool; all have defaults. */
export interface ExpressionPoolOptions {
  /** Processes at a time, 2 when absent. */
  size?: number;
  /** Heap of one process in MB, 64 when absent. */
  memoryMb?: number;
  /** Milliseconds after which an unused process ends, a minute when absent. */
  idleMs?: number;
  /** The file that evaluates: `expression-worker.ts` beside this one, or `expression-worker.mjs` beside the bundle. */
  entry?: URL;
}

interface Waiting {
  job: ExpressionJob;
  timeMs: number;
  /** An evaluation changes nothing outside, so one that a dying process took with it is simply done again, once. */
  again: boolean;
  resolve: (reply: ExpressionReply) => void;
  reject: (failure: unknown) => void;
}

type Reason = 'start' | 'time' | 'idle' | 'close' | 'error';

interface Evaluator {
  process: ChildProcess;
  state: 'starting' | 'ready' | 'dying';
  /** Why we killed it. */
  killedFor: Reason | undefined;
  current: Waiting | undefined;
  timer: NodeJS.Timeout | undefined;
}

const bootMs = 15_000;
/** JSONata's own deadline comes first and knows which expression it was; this much later the process is killed. */
const killAfterMs = 150;

/**
 * Processes that evaluate one expression job at a time, kept and reused, killed and replaced when one takes too long. Processes
 * and not threads: one allocation beyond a thread's heap limit ends the whole process, and with it everybody's requests.
 */
export class ExpressionPool {
  readonly #size: number;
  readonly #memoryMb: number;
  readonly #idleMs: number;
  readonly #entry: URL;
  readonly #evaluators = new Set<Evaluator>();
  readonly #queue: Waiting[] = [];

  constructor(options: ExpressionPoolOptions = {}) {
    this.#size = options.size ?? 2;
    this.#memoryMb = options.memoryMb ?? 64;
    this.#idleMs = options.idleMs ?? 60_000;
    this.#entry = options.entry ?? defaultEntry();
  }

  /** Processes that live at the moment. */
  get alive(): number {
    return this.#evaluators.size;
  }

  /** Runs a job in the next free process. Waiting and the start of a process do not count as its time. */
  run(job: ExpressionJob, timeMs: number): Promise<ExpressionReply> {
    return new Promise((resolve, reject) => {
      this.#queue.push({ job, timeMs, again: true, resolve, reject });
      this.#next();
    });
  }

  /** Ends all processes; jobs that run or wait fail. */
  close(): void {
    for (const waiting of this.#queue.splice(0)) waiting.reject(crashed('the pool was closed'));
    for (const evaluator of this.#evaluators) kill(evaluator, 'close');
  }

  #next(): void {
    let starting = 0;
    for (const evaluator of this.#evaluators) {
      if (evaluator.state === 'starting') starting++;
      else if (evaluator.state === 'ready' && evaluator.current === undefined) this.#hand(evaluator);
    }
    if (this.#queue.length > starting && this.#evaluators.size < this.#size) this.#start();
  }

  #start(): void {
    const child = fork(this.#entry, [], {
      env: {},
      execArgv: this.#flags(),
      stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
    });
    const evaluator: Evaluator = {
      process: child,
      state: 'starting',
      killedFor: undefined,
      current: undefined,
      timer: undefined,
    };
    this.#evaluators.add(evaluator);
    killAfter(evaluator, bootMs, 'start');
    child.on('message', (reply: ExpressionReply) => this.#take(evaluator, reply));
    child.on('exit', (code, signal) => this.#bury(evaluator, code, signal));
    child.on('error', () => kill(evaluator, 'error'));
  }

  /** No code from texts, a linear engine for regular expressions that run away, no files but its own, no processes, no threads. */
  #flags(): string[] {
    const file = fileURLToPath(this.#entry);
    const readable = file.endsWith('.ts') ? fileURLToPath(new URL('../..', this.#entry)) : dirname(file);
    return [
      `--max-old-space-size=${this.#memoryMb}`,
      '--max-semi-space-size=4',
      '--disallow-code-generation-from-strings',
      '--enable-experimental-regexp-engine-on-excessive-backtracks',
      '--permission',
      `--allow-fs-read=${readable}`,
    ];
  }

  #hand(evaluator: Evaluator): void {
    const next = this.#queue.shift();
    if (next === undefined) return;
    evaluator.current = next;
    evaluator.process.ref();
    evaluator.process.channel?.ref();
    killAfter(evaluator, next.timeMs + killAfterMs, 'time');
    try {
      evaluator.process.send(next.job);
    } catch (error) {
      // Bindings that are not JSON.
      next.reject(error);
      this.#release(evaluator);
    }
  }

  #take(evaluator: Evaluator, reply: ExpressionReply): void {
    if ('ready' in reply) evaluator.state = 'ready';
    else if ('failure' in reply) evaluator.current?.reject(new ExpressionFailure(reply.failure.kind, reply.failure));
    else evaluator.current?.resolve(reply);
    this.#release(evaluator);
  }

  #release(evaluator: Evaluator): void {
    evaluator.current = undefined;
    evaluator.process.unref();
    evaluator.process.channel?.unref();
    killAfter(evaluator, this.#idleMs, 'idle').unref();
    this.#next();
  }

  #bury(evaluator: Evaluator, code: number | null, signal: string | null): void {
    clearTimeout(evaluator.timer);
    this.#evaluators.delete(evaluator);
    const { current, state, killedFor } = evaluator;
    if (current !== undefined) {
      const failure = causeOfDeath(killedFor, current.timeMs, code, signal);
      if (failure.kind === 'crashed' && current.again && killedFor !== 'close')
        this.#queue.unshift({ ...current, again: false });
      else current.reject(failure);
    } else if (state === 'starting') {
      // What cannot even start would be started for ever.
      const failure = crashed(`${fileURLToPath(this.#entry)} did not start`);
      for (const waiting of this.#queue.splice(0)) waiting.reject(failure);
    }
    this.#next();
  }
}

function kill(evaluator: Evaluator, reason: Reason): void {
  evaluator.killedFor = reason;
  if (evaluator.state === 'ready') evaluator.state = 'dying';
  evaluator.process.kill('SIGKILL');
}

function killAfter(evaluator: Evaluator, ms: number, reason: Reason): NodeJS.Timeout {
  clearTimeout(evaluator.timer);
  evaluator.timer = setTimeout(() => kill(evaluator, reason), ms);
  return evaluator.timer;
}

function causeOfDeath(reason: Reason | undefined, timeMs: number, code: number | null, signal: string | null) {
  const pointer = '';
  if (reason === 'time')
    return new ExpressionFailure('timeout', { pointer, message: `It took longer than ${timeMs} ms` });
  if (signal === 'SIGABRT' || signal === 'SIGTRAP' || signal === 'SIGILL' || code === 134) {
    return new ExpressionFailure('memory', { pointer, message: 'It needs more memory than an expression may have' });
  }
  return crashed(reason === 'close' ? 'the pool was closed' : `the evaluation ended unexpectedly (${signal ?? code})`);
}

function crashed(reason: string): ExpressionFailure {
  return new ExpressionFailure('crashed', { pointer: '', message: `Expressions cannot be evaluated: ${reason}` });
}

/** In a bundle `import.meta.url` is the bundle's own, and the second file of that name lies beside it. */
function defaultEntry(): URL {
  const here = import.meta.url;
  return new URL(here.endsWith('.ts') ? './worker.ts' : './expression-worker.mjs', here);
}

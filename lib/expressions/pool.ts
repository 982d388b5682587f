import { type ChildProcess, fork } from 'node:child_process';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { cpuTimeOf } from './cpu-time.ts';
import type { ExpressionFailureKind, ExpressionJob, ExpressionProblem, ExpressionReply } from './job.ts';

/** The error of an expression without a result. */
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

  /** False if no process could evaluate the expression: another attempt may. */
  get isFinal(): boolean {
    return this.kind !== 'crashed';
  }
}

/** Settings of a pool; all have defaults. */
export interface ExpressionPoolOptions {
  /** The maximum number of processes; defaults to 2. */
  size?: number;
  /** The heap of one process in MB; defaults to 64. */
  memoryMb?: number;
  /** The idle timeout of a process in milliseconds; defaults to one minute. */
  idleMs?: number;
  /** The file that evaluates: `expression-worker.ts` beside this one, or `expression-worker.mjs` beside the bundle. */
  entry?: URL;
}

/** Whose job it is, and how urgent. */
export interface JobOptions {
  /** Different shares take turns. */
  share?: string | undefined;
  /** True for a job whose result is only shown to somebody. Such jobs never occupy the last process, so they delay no run. */
  isBackground?: boolean | undefined;
  /** Ends the job while it waits. */
  signal?: AbortSignal | undefined;
  /** Called with the milliseconds for which it has occupied a process. */
  spent?: (ms: number) => void;
}

interface Waiting {
  share: string;
  isBackground: boolean;
  job: ExpressionJob;
  timeMs: number;
  /** An evaluation has no side effects, so one that was lost with its process is repeated once. */
  again: boolean;
  /** Called with the milliseconds for which it has occupied a process. */
  spent: (ms: number) => void;
  resolve: (reply: ExpressionReply) => void;
  reject: (failure: unknown) => void;
}

type Reason = 'start' | 'time' | 'idle' | 'close' | 'error';

interface Evaluator {
  process: ChildProcess;
  state: 'starting' | 'ready' | 'dying';
  /** Why the pool killed it. */
  killedFor: Reason | undefined;
  current: Waiting | undefined;
  /** When it was given the current job, in milliseconds of the process's clock. */
  since: number;
  timer: NodeJS.Timeout | undefined;
}

const bootMs = 15_000;
/** The delays before a process is restarted, in milliseconds. */
const startPausesMs = [100, 400, 1_500];
/** JSONata's own deadline comes first and identifies the expression; this much later the process is killed. */
const killAfterMs = 150;
/** A busy machine may let a process wait. Only the CPU time that it uses counts as the time of its job, up to this many times the limit. */
const maxStarvation = 20;

/**
 * Processes that evaluate one expression job at a time; they are reused, and killed and replaced when a job takes too long. The
 * pool uses processes instead of threads: one allocation beyond a thread's heap limit ends the whole process, and with it all
 * requests.
 */
export class ExpressionPool {
  readonly #size: number;
  readonly #memoryMb: number;
  readonly #idleMs: number;
  readonly #entry: URL;
  readonly #evaluators = new Set<Evaluator>();
  /** Waiting jobs by share; the share whose turn is next comes first. */
  readonly #shares = new Map<string, Waiting[]>();
  /** The number of consecutive failures to start a process. */
  #failedStarts = 0;
  #restart: NodeJS.Timeout | undefined;

  constructor(options: ExpressionPoolOptions = {}) {
    this.#size = options.size ?? 2;
    this.#memoryMb = options.memoryMb ?? 64;
    this.#idleMs = options.idleMs ?? 60_000;
    this.#entry = options.entry ?? defaultEntry();
  }

  /** The number of live processes. */
  get alive(): number {
    return this.#evaluators.size;
  }

  /**
   * Runs a job in the next free process. Waiting and the start of a process do not count towards its time limit. Shares take
   * turns: a share with a thousand waiting jobs delays the jobs of others by no more than the one that is running. Background jobs
   * together leave one process free for the others.
   */
  run(job: ExpressionJob, timeMs: number, options: JobOptions = {}): Promise<ExpressionReply> {
    const { share = '', isBackground = false, signal, spent = () => undefined } = options;
    if (signal?.aborted) return Promise.reject(abandoned());
    return new Promise<ExpressionReply>((resolve, reject) => {
      const settled = { resolve: done(resolve), reject: done(reject) };
      const waiting: Waiting = { share, isBackground, job, timeMs, again: true, spent, ...settled };
      const abandon = () => this.#drop(waiting);
      signal?.addEventListener('abort', abandon);
      this.#add(waiting);
      this.#next();

      function done<Result>(settle: (result: Result) => void) {
        return (result: Result) => {
          signal?.removeEventListener('abort', abandon);
          settle(result);
        };
      }
    });
  }

  /** Ends all processes; running and waiting jobs fail. */
  close(): void {
    clearTimeout(this.#restart);
    this.#rejectAll(crashed('the pool was closed'));
    for (const evaluator of this.#evaluators) kill(evaluator, 'close');
  }

  get #waiting(): number {
    let count = 0;
    for (const jobs of this.#shares.values()) count += jobs.length;
    return count;
  }

  #add(waiting: Waiting, first = false): void {
    const share = queueOf(waiting);
    const jobs = this.#shares.get(share) ?? [];
    if (first) jobs.unshift(waiting);
    else jobs.push(waiting);
    this.#shares.set(share, jobs);
  }

  /** Whether another background job would leave no process for the others. */
  get #isBackgroundFull(): boolean {
    let busy = 0;
    for (const { current } of this.#evaluators) if (current?.isBackground) busy++;
    return busy >= Math.max(1, this.#size - 1);
  }

  /** Ends a job that still waits; one that is running ends by its time limit. */
  #drop(waiting: Waiting): void {
    const share = queueOf(waiting);
    const jobs = this.#shares.get(share) ?? [];
    const left = jobs.filter((each) => each !== waiting);
    if (left.length === jobs.length) return;
    if (left.length > 0) this.#shares.set(share, left);
    else this.#shares.delete(share);
    waiting.reject(abandoned());
  }

  /** The next job of the share whose turn it is; the share then moves to the end. */
  #take(): Waiting | undefined {
    const isFull = this.#isBackgroundFull;
    const next = [...this.#shares].find(([, [first]]) => !(isFull && first?.isBackground));
    if (!next) return undefined;
    const [share, jobs] = next;
    const waiting = jobs.shift();
    this.#shares.delete(share);
    if (jobs.length > 0) this.#shares.set(share, jobs);
    return waiting;
  }

  #rejectAll(failure: ExpressionFailure): void {
    const all = [...this.#shares.values()].flat();
    this.#shares.clear();
    for (const waiting of all) waiting.reject(failure);
  }

  #next(): void {
    let starting = 0;
    for (const evaluator of this.#evaluators) {
      if (evaluator.state === 'starting') starting++;
      else if (evaluator.state === 'ready' && evaluator.current === undefined) this.#hand(evaluator);
    }
    if (this.#waiting > starting && this.#evaluators.size < this.#size && this.#restart === undefined) this.#start();
  }

  #start(): void {
    const child = this.#fork();
    if (child === undefined) {
      this.#afterFailedStart();
      return;
    }
    const evaluator: Evaluator = {
      process: child,
      state: 'starting',
      killedFor: undefined,
      current: undefined,
      since: 0,
      timer: undefined,
    };
    this.#evaluators.add(evaluator);
    killAfter(evaluator, bootMs, 'start');
    child.on('message', (reply: ExpressionReply) => this.#settle(evaluator, reply));
    child.on('exit', (code, signal) => this.#bury(evaluator, code, signal));
    child.on('error', () => {
      // A process that could not be started never exits.
      if (child.pid === undefined) this.#bury(evaluator, null, null);
      else kill(evaluator, 'error');
    });
  }

  #fork(): ChildProcess | undefined {
    try {
      return fork(this.#entry, [], {
        env: {},
        execArgv: this.#flags(),
        stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
      });
    } catch {
      // Node emits some failures and throws others, such as ENOMEM.
      return undefined;
    }
  }

  /** No code from strings, a linear engine for runaway regular expressions, no files but its own, no processes, no threads. */
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
    const next = this.#take();
    if (next === undefined) return;
    evaluator.current = next;
    evaluator.since = performance.now();
    evaluator.process.ref();
    evaluator.process.channel?.ref();
    killAfterCpuTime(evaluator, next.timeMs);
    try {
      evaluator.process.send(next.job);
    } catch (error) {
      // Bindings that are not JSON.
      next.reject(error);
      this.#release(evaluator);
    }
  }

  #settle(evaluator: Evaluator, reply: ExpressionReply): void {
    evaluator.current?.spent(performance.now() - evaluator.since);
    if ('ready' in reply) {
      evaluator.state = 'ready';
      this.#failedStarts = 0;
    } else if ('failure' in reply) evaluator.current?.reject(new ExpressionFailure(reply.failure.kind, reply.failure));
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
    if (!this.#evaluators.delete(evaluator)) return;
    const { current, state, killedFor } = evaluator;
    if (current !== undefined) {
      current.spent(performance.now() - evaluator.since);
      const failure = causeOfDeath(killedFor, current.timeMs, code, signal);
      if (failure.kind === 'crashed' && current.again && killedFor !== 'close')
        this.#add({ ...current, again: false }, true);
      else current.reject(failure);
    } else if (state === 'starting') {
      this.#afterFailedStart();
    }
    this.#next();
  }

  /** A machine without free processes may have one a moment later; a process that never starts must not be retried forever. */
  #afterFailedStart(): void {
    const pause = startPausesMs[this.#failedStarts++];
    if (pause === undefined) {
      this.#failedStarts = 0;
      this.#rejectAll(crashed(`${fileURLToPath(this.#entry)} did not start`));
      return;
    }
    this.#restart ??= setTimeout(() => {
      this.#restart = undefined;
      this.#next();
    }, pause);
  }
}

function queueOf({ share, isBackground }: Waiting): string {
  return `${isBackground ? 'background' : 'urgent'} ${share}`;
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

/** Ends the current job when it has used its time. Where CPU time cannot be read, all of the time counts. */
function killAfterCpuTime(evaluator: Evaluator, timeMs: number): void {
  const { pid } = evaluator.process;
  const usedBefore = cpuTimeOf(pid);
  const limitMs = timeMs + killAfterMs;
  const waitFor = (ms: number) => {
    clearTimeout(evaluator.timer);
    evaluator.timer = setTimeout(() => {
      const used = cpuTimeOf(pid);
      const leftMs = usedBefore === undefined || used === undefined ? 0 : limitMs - (used - usedBefore);
      const isStarved = leftMs > 0 && performance.now() - evaluator.since < limitMs * maxStarvation;
      if (isStarved) waitFor(leftMs);
      else kill(evaluator, 'time');
    }, ms);
  };
  waitFor(limitMs);
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

function abandoned(): ExpressionFailure {
  return new ExpressionFailure('crashed', { pointer: '', message: 'Nobody waits for the result any more' });
}

/** In a bundle `import.meta.url` is the URL of the bundle; the worker is the file with that name beside it. */
function defaultEntry(): URL {
  const here = import.meta.url;
  return new URL(here.endsWith('.ts') ? './worker.ts' : './expression-worker.mjs', here);
}

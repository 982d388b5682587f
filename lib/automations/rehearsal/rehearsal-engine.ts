import type { Principal } from '../../api/keys/key-check.ts';
import { invoke, prepare } from '../../connections/invoke.ts';
import { GatewayError } from '../../core/errors.ts';
import { redact } from '../../core/redaction/redact.ts';
import type { Catalogue } from '../../core/vendor.ts';
import { findEvent } from '../../events/log.ts';
import { evaluate, inspect } from '../../expressions/expression.ts';
import { ScratchTable } from '../../store/scratch-table.ts';
import type { Step } from '../definition.ts';
import { isCall, target } from '../definition.ts';
import { referencedSteps } from '../runs/dependencies.ts';
import { operationIn } from '../runs/operations.ts';
import type { RunOverrides, StepCall } from '../runs/overrides.ts';
import { type AutomationServices, runAutomation } from '../runs/run.ts';
import { definitionOfRun, findRun, withDefinition } from '../runs/runs.ts';
import { everyStep } from '../steps.ts';
import { scratchFiles } from './scratch-files.ts';
import { VirtualClock } from './virtual-clock.ts';
import { VirtualExecutions } from './virtual-executions.ts';

export interface RehearsalEngineOptions {
  /** When it begins, in epoch milliseconds. */
  now: number;
  /** The caller: reads need its scopes, and expressions count towards its key's share. */
  principal: Principal;
  /** Sends operations whose effect is a read to the vendor. */
  reads?: boolean;
  /** The automation that is rehearsed. */
  owner: string;
  /** The outputs of its calls, by name; for a call with `forEach`, one for each item. */
  outputs?: Readonly<Record<string, unknown>>;
  /** Partitions of the table that appear empty. */
  hidden?: (pk: string) => boolean;
  /** Aborting it ends the rehearsal. */
  signal: AbortSignal;
}

/** What the overrides recorded about a step, in addition to its stored record. */
export interface StepNotes {
  /** Why its request could not be built from the known values. */
  problem?: string;
  /** Set when its request was sent to the vendor. */
  performed?: true;
  /** Set when its output is not known. */
  isUnknown?: true;
  /** Earlier steps that it reads and whose output is not known. */
  unknown?: string[];
  /** If its condition did not hold: the values that the condition read, by path. */
  saw?: Record<string, unknown>;
}

/** What one rehearsal or backtest may use. */
const limits = { evaluations: 5_000, reads: 100, realMs: 20_000, virtualMs: 32 * 86_400_000 };
const maxPaths = 20;
const maxSeenBytes = 2_000;
const readTimeoutMs = 10_000;

/**
 * Carries out runs without side effects, with the same code as real runs. Writes stay in a scratch table, waits on a
 * virtual clock take no time, and overrides record calls instead of making them.
 */
export class RehearsalEngine {
  readonly services: AutomationServices;
  readonly #vendors: Catalogue;
  readonly #real: AutomationServices;
  readonly #options: RehearsalEngineOptions;
  readonly #clock: VirtualClock;
  readonly #executions: VirtualExecutions;
  readonly #notes = new Map<string, StepNotes>();
  readonly #endsAt: number;
  readonly #unknown = new Map<string, Promise<ReadonlySet<string>>>();
  #evaluations = 0;
  #reads = 0;
  #isSpent = false;

  constructor(real: AutomationServices, vendors: Catalogue, options: RehearsalEngineOptions) {
    this.#real = real;
    this.#vendors = vendors;
    this.#options = options;
    this.#endsAt = real.clock.now() + limits.realMs;
    const clock = new VirtualClock(options.now);
    this.#clock = clock;
    this.#executions = new VirtualExecutions(
      clock,
      (context, start) => runAutomation(this.services, vendors, context, start),
      (value) => this.#happensAt(value),
    );
    const { log: _, pollNow: __, ...shared } = real;
    this.services = {
      ...shared,
      table: new ScratchTable(real.table, options.hidden),
      files: scratchFiles(real.files),
      clock,
      starter: this.#executions,
      overrides: this.#overrides(),
    };
  }

  /** Every run that was started, in order: the requested ones, and those that they started. */
  get runIds(): string[] {
    return this.#executions.runIds;
  }

  /** False where a limit ended the rehearsal before its runs. */
  get isComplete(): boolean {
    return !this.#isSpent && this.#executions.areOver;
  }

  /** The notes on a step, or on a run as a whole. */
  notesOf(runId: string, place?: { at: number; index: number }): StepNotes {
    const name = place ? `${runId}/${place.at}/${place.index}` : runId;
    const known = this.#notes.get(name) ?? {};
    this.#notes.set(name, known);
    return known;
  }

  /** Starts runs, each at its time, and lets time pass until all of them have ended. */
  async run(starts: readonly { at: number; start: () => Promise<unknown> }[]): Promise<void> {
    let left = starts.length;
    let failure: unknown;
    const failed = (error: unknown) => {
      failure ??= error;
    };
    for (const { at, start } of starts) {
      this.#clock.at(at, () => {
        void this.#clock
          .during(start)
          .catch(failed)
          .finally(() => left--);
      });
    }
    const until = Math.max(this.#options.now, ...starts.map(({ at }) => at)) + limits.virtualMs;
    await this.#clock.run((nextAt) => {
      if (nextAt > until || this.#options.signal.aborted) this.#isSpent = true;
      return this.#isSpent || (left === 0 && this.#executions.areOver);
    });
    if (failure !== undefined) throw failure;
  }

  #spend(): void {
    this.#evaluations++;
    if (this.#evaluations > limits.evaluations || this.#real.clock.now() > this.#endsAt) this.#isSpent = true;
    if (this.#isSpent) throw new Error('The rehearsal has reached its limits.');
  }

  #overrides(): RunOverrides {
    const evaluateNow: RunOverrides['evaluate'] = (template, bindings, options) => {
      this.#spend();
      const share = this.#options.principal.keyId;
      return evaluate(template, bindings, { ...options, share, isBackground: true });
    };
    return {
      scopes: this.#options.principal.scopes,
      evaluate: evaluateNow,
      invoke: (_services, vendor, invocation, scope, stepCall) => this.#invoke(vendor, invocation, scope, stepCall),
      conditionNotMet: async ({ runId, place, condition, bindings }) => {
        const { paths } = await inspect(condition);
        const options = { now: this.#clock.now(), seed: runId, maxBytes: maxSeenBytes };
        const seen = paths.slice(0, maxPaths).map(async (path) => {
          const value = await evaluateNow(`{% ${path} %}`, bindings, options).catch(() => '(too long to be shown)');
          return [path, redact(value ?? null)] as const;
        });
        this.notesOf(runId, place).saw = Object.fromEntries(await Promise.all(seen));
      },
    };
  }

  async #invoke(...[vendor, invocation, scope, stepCall]: Tail<Parameters<RunOverrides['invoke']>>) {
    const { outputs = {}, reads = false, principal, signal } = this.#options;
    const notes = this.notesOf(stepCall.runId, stepCall);
    const { step } = stepCall;
    const unknown = await this.#unknownIn(stepCall);
    if (unknown.length > 0) notes.unknown = unknown;
    try {
      await prepare(this.#real, vendor, invocation);
    } catch (error) {
      // The missing value may come from an output that is not known.
      if (unknown.length === 0 || !(error instanceof GatewayError) || error.code !== 'invalid_input') throw error;
      notes.problem = error.message;
      notes.isUnknown = true;
      return { status: 200, body: undefined };
    }
    if (this.#isOwn(stepCall.runId) && Object.hasOwn(outputs, step.name)) {
      const given = outputs[step.name];
      return { status: 200, body: step.forEach !== undefined && Array.isArray(given) ? given[stepCall.index] : given };
    }
    const operation = operationIn(this.#vendors, vendor.name, invocation.operation);
    if (!reads || operation?.effect !== 'read') {
      notes.isUnknown = true;
      return { status: 200, body: undefined };
    }
    if (++this.#reads > limits.reads)
      throw new GatewayError('invalid_request', `A rehearsal makes at most ${limits.reads} reads.`);
    notes.performed = true;
    // A slow read would become a separate run.
    const { startRun: _, ...shared } = this.#real;
    const ends = AbortSignal.any([signal, AbortSignal.timeout(readTimeoutMs)]);
    try {
      const answer = await invoke(
        shared,
        vendor,
        { ...invocation, principal },
        { requestId: scope.requestId, signal: ends },
      );
      if (!('file' in answer)) return answer;
      const { stream, type, name } = answer.file;
      stream.destroy();
      return { status: 200, body: { type, ...(name !== undefined && { name }) } };
    } catch (error) {
      if (!(error instanceof GatewayError)) throw error;
      // A run would try again later; a rehearsal is over by then.
      const { code, message, status, outcome } = error;
      throw new GatewayError(code, message, { status, outcome, retryable: false, cause: error });
    }
  }

  /** Whether a run is one of the automation that is rehearsed, and not of one that it starts. */
  #isOwn(runId: string): boolean {
    return runId.startsWith(`run_${this.#options.owner}_`);
  }

  /** The earlier steps that a step reads, directly or through others, and whose output is not known. */
  async #unknownIn({ runId, step }: StepCall): Promise<string[]> {
    let known = this.#unknown.get(runId);
    if (!known) {
      known = this.#unknownStepsOf(runId);
      this.#unknown.set(runId, known);
    }
    const read = referencedSteps(step);
    return [...(await known)].filter((name) => read === 'all' || read.has(name));
  }

  async #unknownStepsOf(runId: string): Promise<ReadonlySet<string>> {
    const run = await findRun(this.services.table, runId);
    const steps = run ? definitionOfRun(await withDefinition(this.services.files, run)).do : [];
    const { outputs = {}, reads = false } = this.#options;
    const given = this.#isOwn(runId) ? outputs : {};
    const unknown = new Set<string>();
    for (const { step, name } of everyStep(steps)) {
      if (Object.hasOwn(given, name)) continue;
      const read = referencedSteps(step);
      const isDerived = read === 'all' ? unknown.size > 0 : [...read].some((each) => unknown.has(each));
      if (isDerived || this.#isUnread(step, reads)) unknown.add(name);
    }
    return unknown;
  }

  #isUnread(step: Step, reads: boolean): boolean {
    if (!isCall(step)) return false;
    const { vendor, operation } = target(step);
    return !reads || operationIn(this.#vendors, vendor, operation)?.effect !== 'read';
  }

  /** A wait for an event that is in the log already lasts until that event happened. */
  async #happensAt(value: unknown): Promise<number> {
    const eventId = typeof value === 'object' && value !== null && 'eventId' in value ? value.eventId : undefined;
    if (typeof eventId !== 'string') return 0;
    return (await findEvent(this.services, eventId))?.appendedAt ?? 0;
  }
}

type Tail<List extends unknown[]> = List extends [unknown, ...infer Rest] ? Rest : never;

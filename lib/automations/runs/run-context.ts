import type { GatewayServices } from '../../connections/invoke.ts';
import type { TrunklineEvent } from '../../core/event-type.ts';
import { once } from '../../core/once.ts';
import type { Catalogue } from '../../core/vendor.ts';
import { type EvaluateOptions, evaluate } from '../../expressions/expression.ts';
import { target } from '../definition.ts';
import { everyStep, type PlacedStep } from '../steps.ts';
import { mentions, referencedSteps } from './dependencies.ts';
import {
  maxOperations,
  maxOperationsOf,
  type OperationsPerCall,
  operationsOf,
  operationsPerItem,
  reservedOperations,
} from './durable-operations.ts';
import { type LinkServices, linksFor } from './links.ts';
import { memoryOf } from './memory.ts';
import { operationIn } from './operations.ts';
import { quotasOf } from './quotas.ts';
import { definitionOfRun, findRun, outputOf, type RunItem, type RunServices, type StepError, stepsOf } from './runs.ts';
import { type StepPlace, StepRecords } from './step-records.ts';

export interface AutomationServices extends RunServices, GatewayServices, LinkServices {
  vendorNames: readonly string[];
  /** Polls the source of an event type now, if it is polled at all, so that a wait does not end with unread events. */
  pollNow?(type: string, connection: string | undefined): Promise<void>;
  /** How many durable operations one execution may have; Lambda's limit if absent. */
  maxOperations?: number;
}

/** What expressions see of a step that has ended. */
export interface StepResult {
  output: unknown;
  error?: StepError;
  /** For a list: the error of each item, or null. */
  errors?: (StepError | null)[];
}

/** How a step ended, as it affects the whole run. */
export interface StepEnd {
  name: string;
  /** Whether the run was cancelled in the meantime. */
  cancelled?: boolean;
  /** The number of calls that succeeded: one, or one for each item. */
  succeeded: number;
  /** Whether a vendor has carried out a write. */
  wrote: boolean;
  /** Whether an alarm, or a part of one, was not raised. */
  silent?: boolean;
  /** Why it failed. */
  reason?: string;
  /** The code of the error that it failed with. */
  code?: string;
  /** Set if the run must stop here. */
  stop?: string;
}

/** The result of a run's first durable step; plain JSON. */
export interface RunFacts {
  run: RunItem;
  event: TrunklineEvent | null;
  /** The time of the run's cause, in epoch milliseconds: its waits count events from then on. */
  startedAt: number;
  ref: string;
}

/** The list item or the round of a repetition for which steps run. */
interface Round {
  index: number;
  item: unknown;
}

/** The shared state of one run's steps. Every replay recreates it from the results of the durable steps. */
export class RunContext {
  readonly services: AutomationServices;
  readonly vendors: Catalogue;
  readonly facts: RunFacts;
  readonly records: StepRecords;
  /** A run that an earlier version started: its operations are numbered without branches. */
  readonly sequential: boolean;
  /** The iteration of the enclosing steps, if they run more than once. */
  readonly index: number;
  readonly item: unknown;
  readonly ends: StepEnd[] = [];
  #hasWaited = false;
  readonly #outer: RunContext | undefined;
  /** The names of the steps of this round. */
  readonly #own: ReadonlySet<string> | undefined;
  readonly #results = new Map<string, StepResult>();
  readonly #ended = new Map<string, PromiseWithResolvers<void>>();
  readonly #replayed = once(() => stepsOf(this.services.table, this.run.replayOf ?? ''));

  constructor(
    services: AutomationServices,
    vendors: Catalogue,
    facts: RunFacts,
    sequential: boolean,
    inside?: { outer: RunContext; round: Round; steps: readonly PlacedStep[] },
  ) {
    this.services = services;
    this.vendors = vendors;
    this.facts = facts;
    this.sequential = sequential;
    this.#outer = inside?.outer;
    this.#own = inside && new Set(inside.steps.map(({ name }) => name));
    this.index = inside?.round.index ?? 0;
    this.item = inside?.round.item ?? null;
    this.records = inside?.outer.records ?? new StepRecords(services, facts.run.id);
  }

  /**
   * How many durable operations the items of each list may take in this execution: all lists get the same share of what the other
   * steps leave, with as many operations for each call as `perCall` says.
   */
  operationsPerList(perCall?: OperationsPerCall): number {
    const definition = definitionOfRun(this.run);
    const lists = everyStep(definition.do).filter((each) => operationsPerItem(each) > 0).length;
    return Math.max(0, Math.floor((this.capacity - operationsOf(definition, perCall)) / Math.max(1, lists)));
  }

  /** The most durable operations of a call, every attempt included. */
  readonly maxPerCall: OperationsPerCall = (step) => {
    const { vendor, operation } = target(step);
    return maxOperationsOf(step, operationIn(this.vendors, vendor, operation));
  };

  /** How many durable operations an execution may take before further attempts of calls. */
  get capacity(): number {
    return (this.services.maxOperations ?? maxOperations) - reservedOperations;
  }

  /** Whether the run has waited for anything that cancelling it would end. */
  get hasWaited(): boolean {
    return this.#hasWaited;
  }

  noteWait(): void {
    this.#hasWaited = true;
    this.#outer?.noteWait();
  }

  /** Takes over the results of steps that another execution of the run has carried out. */
  restore(results: Readonly<Record<string, StepResult>>): void {
    for (const [name, result] of Object.entries(results)) this.#results.set(name, result);
  }

  get run(): RunItem {
    return this.facts.run;
  }

  /** The same run for one item or round: its steps see each other's results, and those of earlier steps. */
  inside(round: Round, steps: readonly PlacedStep[]): RunContext {
    return new RunContext(this.services, this.vendors, this.facts, this.sequential, { outer: this, round, steps });
  }

  place({ at, name }: PlacedStep, call: string): StepPlace {
    return { at, index: this.index, name, call };
  }

  /** The name of a step's durable operation; each round has its own. */
  nameOf({ name }: PlacedStep): string {
    return this.#outer ? `${name}[${this.index}]` : name;
  }

  /** Stores how a step ended, for the expressions of later steps and for the end of the run. Counts that are absent are zero. */
  finishStep(end: Partial<StepEnd> & Pick<StepEnd, 'name'>, result: StepResult): StepEnd {
    const whole: StepEnd = { succeeded: 0, wrote: false, ...end };
    this.ends.push(whole);
    this.#results.set(end.name, result);
    this.#endOf(end.name).resolve();
    return whole;
  }

  /** The outputs of the steps of this context, by name. */
  get results(): Record<string, StepResult> {
    return Object.fromEntries(this.#results);
  }

  /** Resolves when a step of this or an enclosing round has ended, or will never run. */
  ended(name: string): Promise<void> {
    return this.#outer && !this.#own?.has(name) ? this.#outer.ended(name) : this.#endOf(name).promise;
  }

  /** Marks a skipped step, so that nothing waits for it. */
  skip(placed: PlacedStep): void {
    this.#endOf(placed.name).resolve();
    for (const list of placed.inside) for (const each of list) this.skip(each);
  }

  /**
   * Renders a template. `now` is the time at which the step first ran: it advances from step to step, not from attempt to
   * attempt.
   */
  async render(template: unknown, place: StepPlace, now: number, item: unknown = this.item): Promise<unknown> {
    // The inputs of an undo were rendered from vendor responses, so strings in them are not expressions.
    if (this.run.isLiteral) return template;
    const options: EvaluateOptions = {
      now,
      seed: `${this.run.id}/${place.name}/${place.index}`,
      share: this.run.owner,
      links: await linksFor(this.services, this.run, template),
    };
    return this.#evaluate(template, { ...(await this.bindings(template)), item: item ?? null }, options);
  }

  /** Why a condition keeps a step from being carried out; undefined where it does not, or where there is none. */
  async refusal(
    condition: string | undefined,
    place: StepPlace,
    now: number,
    item: unknown = this.item,
  ): Promise<string | undefined> {
    if (condition === undefined) return undefined;
    const refusal = refusalOf(await this.render(condition, place, now, item));
    if (refusal !== undefined) await this.tellRefusal(condition, place, { item: item ?? null });
    return refusal;
  }

  /** Passes a condition that does not hold, with its bindings, to a rehearsal. */
  async tellRefusal(condition: string, { at, index }: StepPlace, more: Record<string, unknown>): Promise<void> {
    const { overrides } = this.services;
    if (!overrides) return;
    const bindings = { ...(await this.bindings(condition)), ...more };
    await overrides.conditionNotMet({ runId: this.run.id, place: { at, index }, condition, bindings });
  }

  /**
   * The bindings of an expression. Outputs of steps that it does not read are omitted: they can be long, and are copied for each
   * evaluation.
   */
  async bindings(template: unknown): Promise<Record<string, unknown>> {
    const { run, event, startedAt, ref } = this.facts;
    const read = referencedSteps(template);
    const steps = [...this.#visible()].filter(([name]) => read === 'all' || read.has(name));
    return {
      event,
      steps: Object.fromEntries(steps),
      run: { id: run.id, ref, startedAt: new Date(startedAt).toISOString(), event },
      ...(mentions(template, 'memo') && { memo: await memoryOf(this.services, run.owner) }),
      ...(mentions(template, 'quota') && { quota: await quotasOf(this.services, run) }),
    };
  }

  /** The output that the requester of a replay supplied for a step; the step is not carried out. */
  givenOutput(name: string): { output: unknown } | undefined {
    if (this.#outer) return undefined;
    // Written by `startRun` from an object.
    const given = JSON.parse(this.run.outputs ?? '{}') as Record<string, unknown>;
    return Object.hasOwn(given, name) ? { output: given[name] } : undefined;
  }

  /** Whether the run has been asked to end. */
  async isCancelled(): Promise<boolean> {
    return (await findRun(this.services.table, this.run.id))?.cancelRequested === true;
  }

  /** The replayed run's result for a step or item with this exact input; undefined if it must be carried out. */
  async keptOutput(place: StepPlace, hash: string, shown: string): Promise<{ output: unknown } | undefined> {
    if (!this.run.reuse || this.run.replayOf === undefined) return undefined;
    if (this.#outer) return this.#outer.keptOutput(place, hash, shown);
    const alike = (await this.#replayed()).filter(
      // Records of an earlier version have no hash; their recorded input is compared instead.
      (record) => record.name === place.name && (record.inputHash ? record.inputHash === hash : record.input === shown),
    );
    const same = alike.find(({ index }) => index === place.index);
    // An item may have moved in its list; two items with the same input are distinguished by position.
    const kept = same ?? (alike.every(({ state }) => state === 'succeeded') ? alike[0] : undefined);
    if (kept?.state !== 'succeeded' || kept.withheld) return undefined;
    return { output: (await outputOf(this.services.files, kept)) ?? null };
  }

  get #evaluate() {
    return this.services.overrides?.evaluate ?? evaluate;
  }

  #visible(): Map<string, StepResult> {
    return new Map([...(this.#outer ? this.#outer.#visible() : []), ...this.#results]);
  }

  #endOf(name: string): PromiseWithResolvers<void> {
    const known = this.#ended.get(name);
    if (known) return known;
    const made = Promise.withResolvers<void>();
    this.#ended.set(name, made);
    return made;
  }
}

/** Explains why a condition does not hold; undefined when it does. A secret value is not quoted. */
export function refusalOf(value: unknown, isSecret = false): string | undefined {
  if (value === true) return undefined;
  if (value === false || (isSecret && value !== undefined)) return 'Its condition does not hold.';
  const gave = value === undefined ? 'found nothing' : `gave ${JSON.stringify(value)?.slice(0, 100)}`;
  return `Its condition does not hold: it ${gave}, and only true counts.`;
}

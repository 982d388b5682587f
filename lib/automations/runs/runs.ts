import { createHash } from 'node:crypto';
import type { Clock } from '../../core/clock.ts';
import type { Starter } from '../../core/durable.ts';
import { GatewayError } from '../../core/errors.ts';
import type { TrunklineEvent } from '../../core/event-type.ts';
import type { FileStore } from '../../core/files.ts';
import { packText, readFileText, unpackText } from '../../store/blobs.ts';
import { due } from '../../store/due.ts';
import { callsPrefix, expiry, keys } from '../../store/items.ts';
import type { Key, Table, Written } from '../../store/table.ts';
import type { Definition } from '../definition.ts';
import { countSuppressed } from './flood.ts';
import { linkNames, newLinkSecret } from './links.ts';
import type { RunOverrides } from './overrides.ts';

export const runStates = ['running', 'succeeded', 'partial', 'failed', 'skipped', 'suppressed', 'cancelled'] as const;
export type RunState = (typeof runStates)[number];

/**
 * One execution of an automation, or of one long-running call. Times are epoch milliseconds. Functions that start runs can write
 * any of it, so what a run may do is read elsewhere (`rights.ts`).
 */
export interface RunItem extends Key {
  id: string;
  /** The automation's id, or that of a vendor's single calls (`callsOwner`). */
  owner: string;
  name: string;
  /** The version of the automation that it carries out; absent for a single call and for a run that somebody with a key requested. */
  version?: number;
  state: RunState;
  /** Why it was suppressed, skipped, failed or cancelled. */
  reason?: string;
  /** What was run: a snapshot of the automation, as packed JSON. */
  definition: string;
  /** Where the definition is stored if it does not fit into the item: that of a call with a large input. */
  definitionFile?: string;
  scopes: string[];
  /** Who caused it: the key of a call, or `automation_{id}`. */
  keyId: string;
  eventId?: string;
  /** The event at the start of the chain of runs that started this one. */
  originId?: string;
  /** The scopes without which a key may not see what the run got from its event or, once it has failed, from anywhere. */
  reads?: readonly string[];
  /** The event itself if it is not in the log (a schedule, an edited replay), as packed JSON. */
  event?: string;
  replayOf?: string;
  /** For a replay of failed steps: results of steps that succeeded with the same input are taken from the replayed run. */
  reuse?: boolean;
  /** For a replay: the outputs of steps that were carried out by other means, by name, as JSON. */
  outputs?: string;
  /** Whether any of its steps raises an alarm. */
  alarm?: boolean;
  /** The origin of its event, for the log. */
  source?: RunSource;
  /** While it waits for its turn, until when it does; epoch milliseconds. */
  restsUntil?: number;
  /** The key whose turn passes to the next run that waits for it when this one ends. Set where it waits or another run waits for it. */
  turnKey?: string;
  /** When its execution started; absent while it waits for a place, and in runs of an earlier version. */
  executionStartedAt?: number;
  /** When it was restarted because there was no sign that it was being carried out. */
  startedAgainAt?: number;
  /** The secret that signs the links its steps issue. */
  linkSecret?: string;
  /** The length of the chain of runs that started one another before this one. */
  depth?: number;
  /** For an undo: its inputs are values, not templates. */
  isLiteral?: boolean;
  /** A drill: a run against simulated vendors, whose failure is not reported. */
  isDrill?: boolean;
  undoOf?: string;
  /** The last replay of this run. */
  replayedBy?: string;
  dedupeKey?: string;
  cancelRequested?: boolean;
  /** When a step last found that sending was paused or that the rest of a quota is reserved. */
  pausedAt?: number;
  /** What a step waits for, and until when. */
  waiting?: { reason: string; until: number };
  createdAt: number;
  endedAt?: number;
  /** The progress of a long transfer, in bytes. */
  progress?: { done: number; total: number };
  expiresAt: number;
  /** Its position in the list of runs in its state. */
  duePk?: string;
  dueAt?: number;
}

/** The origin of a run's event. */
export interface RunSource {
  /** The id of a hook. */
  hook?: string;
  /** `vendor/connection`. */
  connection?: string;
}

export interface StepError {
  code: string;
  message: string;
  status?: number;
  retryable?: boolean;
}

export const stepStates = ['running', 'succeeded', 'failed', 'unknown', 'skipped'] as const;
export type StepState = (typeof stepStates)[number];

/** One step of a run, or one item of a step with `forEach`. */
export interface StepItem extends Key {
  runId: string;
  at: number;
  index: number;
  name: string;
  call?: string;
  state: StepState;
  attempts: number;
  /** Set while another attempt follows. */
  nextAttemptAt?: number;
  /** For a wait: until when it lasts, epoch milliseconds. */
  restsUntil?: number;
  /** Why it was skipped. */
  reason?: string;
  /** Redacted, as JSON. */
  input?: string;
  /** Distinguishes the rendered input from any other. */
  inputHash?: string;
  /** As JSON, in the table or, if it is long, in a file. */
  output?: string;
  outputFile?: string;
  /** For the event that a wait got: the scopes that a key needs to see it. */
  reads?: readonly string[];
  error?: StepError;
  /** True if the output is kept out of the record, so that a replay must carry the step out again. */
  withheld?: boolean;
  /** True if the result was taken from the replayed run. */
  kept?: boolean;
  startedAt: number;
  endedAt?: number;
  expiresAt: number;
}

export interface RunServices {
  table: Table;
  files: FileStore;
  clock: Clock;
  starter: Starter;
  /** What a rehearsal does in place of a run's own evaluations and calls. */
  overrides?: RunOverrides;
  /** Writes one line of the log. */
  log?(line: Record<string, unknown>): void;
}

/** The name of single calls in the API, for all vendors. */
export const calls = 'calls';

/** The owner of the single calls of a vendor: its function can store runs of no other owner. */
export const callsOwner = (vendor: string): string => callsPrefix + vendor;

/** The vendor of an owner of single calls; undefined for an automation. */
export function vendorOfCalls(owner: string): string | undefined {
  return owner.startsWith(callsPrefix) ? owner.slice(callsPrefix.length) : undefined;
}
/** How long runs are kept, in milliseconds. */
export const retentionMs = 30 * 24 * 60 * 60_000;

/** The part of an automation that its run carries out. */
export type RunDefinition = Pick<Definition, 'do'> &
  Partial<Pick<Definition, 'if' | 'dedupe' | 'mode' | 'cancelOn' | 'maxPerMinute'>>;

/** The input from which a run is created. The same cause gives the same id, so that it starts once. */
export interface RunCause {
  owner: string;
  name: string;
  /** The version of the automation that defines what it does and may do; without one, the cause itself is the definition. */
  version?: number;
  definition: RunDefinition;
  scopes: readonly string[];
  keyId: string;
  /** Distinguishes this run from every other of its owner: event id, firing, replay number. */
  cause: string;
  createdAt: number;
  eventId?: string;
  originId?: string;
  reads?: readonly string[];
  event?: TrunklineEvent;
  replayOf?: string;
  reuse?: boolean;
  /** For a replay: the outputs of steps that were carried out by other means, by name. */
  outputs?: Record<string, unknown>;
  /** Whether any of its steps raises an alarm: such runs have their own lane, and no flood cap unless they set one. */
  alarm?: boolean;
  source?: RunSource;
  depth?: number;
  isLiteral?: boolean;
  isDrill?: boolean;
  undoOf?: string;
}

/** `run_{owner}_{time}_{hash}`: the id determines where the run is stored, and is the name of its execution. */
export function runId(owner: string, createdAt: number, cause: string): string {
  const hash = createHash('sha256')
    .update(JSON.stringify([owner, cause]))
    .digest('hex')
    .slice(0, 12);
  return `run_${owner}_${createdAt.toString(36)}_${hash}`;
}

/** The key of a run by its id; undefined if it is not a run id. */
export function runKey(id: string): Key | undefined {
  const parts = partsOf(id);
  return parts && keys.run(parts.owner, parts.createdAt, parts.hash);
}

function partsOf(id: string): { owner: string; createdAt: number; hash: string } | undefined {
  const [, owner, time, hash] = id.match(/^run_([a-z0-9]{1,36})_([a-z0-9]{1,10})_([0-9a-f]{12})$/) ?? [];
  if (owner === undefined || time === undefined || hash === undefined) return undefined;
  return { owner, createdAt: Number.parseInt(time, 36), hash };
}

/**
 * Stores and starts a run; a cause that already has a run starts nothing new. The item is written before the execution, so a
 * repeat after a crash in between starts the stored run. `admit` is called for new runs only: if it returns a reason, the run is
 * not started.
 */
export async function startRun(
  services: RunServices,
  cause: RunCause,
  admit: () => Promise<string | undefined> = async () => undefined,
): Promise<string> {
  const item = newRun(services, cause);
  if (item.definitionFile !== undefined)
    await services.files.put(item.definitionFile, Buffer.from(JSON.stringify(cause.definition)), 'application/json');
  // Only functions that may decide what a run does can write this.
  if (isRequested(cause)) {
    const { duePk: _, dueAt: __, ...request } = item;
    await services.table.put<RunItem>({ ...request, ...keys.requestedRun(item.id) }, 'attribute_not_exists(#pk)');
  }
  const written = await services.table.put<RunItem>(item, 'attribute_not_exists(#pk)');
  const refusal = written.done ? await admit() : undefined;
  if (refusal !== undefined) {
    await endRun(services, item, 'suppressed', refusal);
    await countSuppressed(services, item);
  } else if (written.done || written.item?.state === 'running') {
    const { id, alarm } = written.done ? item : (written.item ?? item);
    await services.starter.startRun(id, { runId: id, ...(alarm && { alarm: true as const }) });
  }
  return item.id;
}

/** Starts the execution of a stored run; a run that already has an execution gets no second one. */
export async function startRunAgain(services: RunServices, run: RunItem): Promise<void> {
  const { pk, sk, id, alarm } = run;
  await services.starter.startRun(id, { runId: id, ...(alarm && { alarm: true as const }) });
  await services.table.update({ pk, sk }, 'SET #startedAgainAt = :now', { now: services.clock.now() });
}

/** Records how a run ended, once; refused when it has already ended differently. `reads` are the scopes that a key needs to see why. */
export async function endRun(
  services: RunServices,
  run: Key,
  state: RunState,
  reason?: string,
  { dedupeKey, reads }: { dedupeKey?: string | undefined; reads?: readonly string[] | undefined } = {},
): Promise<Written<RunItem>> {
  const endedAt = services.clock.now();
  const set = (values: Record<string, unknown>) =>
    Object.entries(values).flatMap(([name, value]) => (value === undefined ? [] : [`#${name} = :${name}`]));
  const values = {
    state,
    duePk: due(`run-${state}`, run.sk, 0).duePk,
    endedAt,
    reason,
    dedupeKey,
    reads: reads && [...reads],
  };
  const ended = await services.table.update<RunItem>(
    { pk: run.pk, sk: run.sk },
    `SET ${set(values).join(', ')}`,
    { ...values, running: 'running' },
    // A repeat after a crash finds the state that it wrote itself.
    '#state = :running OR #state = :state',
  );
  if (!ended.done || state === 'skipped' || vendorOfCalls(ended.item.owner) !== undefined) return ended;
  const { id: runId, owner, createdAt } = ended.item;
  const status = { runId, state, createdAt, endedAt, reason, reads: ended.item.reads };
  const absent = (['reason', 'reads'] as const).filter((name) => status[name] === undefined).map((name) => `#${name}`);
  await services.table.update(
    keys.automationStatus(owner),
    `SET ${set(status).join(', ')}${absent.length > 0 ? ` REMOVE ${absent.join(', ')}` : ''}`,
    status,
    'attribute_not_exists(#pk) OR #createdAt <= :createdAt',
  );
  return ended;
}

/** The most recent run of an automation. */
export async function newestRun(table: Table, owner: string): Promise<RunItem | undefined> {
  const { items } = await table.query<RunItem>({ pk: keys.runs(owner), forward: false, limit: 1 });
  return items[0];
}

/** Whether what the run does is defined by its cause, and not by an automation or the key of a call. */
function isRequested({ owner, version }: RunCause): boolean {
  return version === undefined && vendorOfCalls(owner) === undefined;
}

function newRun(services: RunServices, cause: RunCause): RunItem {
  const id = runId(cause.owner, cause.createdAt, cause.cause);
  const key = runKey(id);
  if (!key) throw new Error(`A run cannot be named after ${cause.owner}`);
  return {
    ...key,
    id,
    owner: cause.owner,
    name: cause.name,
    ...(cause.version !== undefined && { version: cause.version }),
    state: 'running',
    ...storedDefinition(cause, id),
    scopes: [...cause.scopes],
    keyId: cause.keyId,
    ...(cause.eventId !== undefined && { eventId: cause.eventId }),
    ...(cause.originId !== undefined && { originId: cause.originId }),
    ...(cause.reads && { reads: [...cause.reads] }),
    ...(cause.event && { event: packed(cause.event, 'event') }),
    ...(cause.replayOf !== undefined && { replayOf: cause.replayOf }),
    ...(cause.reuse !== undefined && { reuse: cause.reuse }),
    ...(cause.outputs !== undefined && { outputs: JSON.stringify(cause.outputs) }),
    ...(cause.alarm !== undefined && { alarm: cause.alarm }),
    ...(cause.source && { source: cause.source }),
    ...(linkNames(cause.definition.do).length > 0 && { linkSecret: newLinkSecret() }),
    ...(cause.depth !== undefined && { depth: cause.depth }),
    ...(cause.isLiteral && { isLiteral: true }),
    ...(cause.isDrill && { isDrill: true }),
    ...(cause.undoOf !== undefined && { undoOf: cause.undoOf }),
    createdAt: cause.createdAt,
    ...due('run-running', key.sk, cause.createdAt),
    expiresAt: expiry(services.clock.now() + retentionMs),
  };
}

function storedDefinition({ owner, definition }: RunCause, id: string) {
  // A call includes its input, which may be a file.
  const vendor = vendorOfCalls(owner);
  if (vendor === undefined) return { definition: packed(definition, 'automation') };
  const text = packText(JSON.stringify(definition));
  return text === undefined ? { definition: '', definitionFile: callFile(vendor, id) } : { definition: text };
}

/** Where the definition of a call is stored that does not fit into its item; the function of its vendor can write no other. */
const callFile = (vendor: string, id: string): string => `calls/${vendor}/${id}`;

function packed(value: object, what: string): string {
  const text = packText(JSON.stringify(value));
  if (text !== undefined) return text;
  throw new GatewayError('payload_too_large', `The ${what} is too large for a run.`);
}

/** The event that started a run, or the first of the runs that started one another before it. */
export function originOf({ eventId, originId }: RunItem): string | undefined {
  return eventId ?? originId;
}

/** What a run carries out, once its definition is plain JSON. */
export function definitionOfRun(run: RunItem): RunDefinition {
  // Written when the run was created, from a definition that its schema had accepted.
  return JSON.parse(run.definition) as RunDefinition;
}

/** The run with its definition as plain JSON, wherever it is stored. */
export async function withDefinition(files: FileStore, run: RunItem): Promise<RunItem> {
  const vendor = vendorOfCalls(run.owner);
  const isInFile = run.definitionFile !== undefined && vendor !== undefined;
  const definition = isInFile ? await readFileText(files, callFile(vendor, run.id)) : unpackText(run.definition);
  return { ...run, definition };
}

/** A run by its id, which alone determines whose it is: a function can only write under the ids that its permissions cover. */
export async function findRun(table: Table, id: string): Promise<RunItem | undefined> {
  const key = runKey(id);
  const parts = partsOf(id);
  const item = key && (await table.get<RunItem>(key, true));
  return item && parts && { ...item, id, owner: parts.owner, createdAt: parts.createdAt };
}

export async function stepsOf(table: Table, id: string): Promise<StepItem[]> {
  return table.queryAll<StepItem>({ pk: keys.runSteps(id), consistent: true });
}

/** The output of a step, from the table or from its file. */
export async function outputOf(files: FileStore, step: StepItem): Promise<unknown> {
  if (step.outputFile === undefined) return step.output === undefined ? undefined : JSON.parse(step.output);
  return JSON.parse(await readFileText(files, step.outputFile));
}

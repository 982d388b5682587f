import * as z from 'zod/mini';
import type { Principal } from '../../api/keys/key-check.ts';
import { type Route, route } from '../../api/route.ts';
import { controlNeed, requireScope, within } from '../../api/scopes.ts';
import { GatewayError } from '../../core/errors.ts';
import type { TrunklineEvent } from '../../core/event-type.ts';
import { field, integer, moment, named, text } from '../../core/field.ts';
import { redact } from '../../core/redaction/redact.ts';
import type { Catalogue } from '../../core/vendor.ts';
import { unpackText } from '../../store/blobs.ts';
import { type Definition, isCall } from '../definition.ts';
import { everyStep } from '../steps.ts';
import { alarmOf, listAlarms } from './alarms.ts';
import { listRuns } from './list.ts';
import { cancelRun } from './pause.ts';
import { authorize } from './rights.ts';
import type { AutomationServices } from './run-context.ts';
import {
  findRun,
  outputOf,
  type RunItem,
  type RunServices,
  runKey,
  runStates,
  type StepItem,
  startRun,
  stepsOf,
  vendorOfCalls,
  withDefinition,
} from './runs.ts';
import { isOwnCall, maySeeReason, maySeeStep, scopesToSee } from './visible.ts';

const summary = () =>
  named(
    'Run',
    z.looseObject({
      id: z.string(),
      name: z.string(),
      state: z.string(),
      automationId: z.optional(z.string()),
      eventId: z.optional(z.string()),
      createdAt: z.string(),
      endedAt: z.optional(z.string()),
      reason: z.optional(z.string()),
      waiting: field(z.optional(z.string()), {
        description: 'Why a step waits: `quota: …` near the monthly calls of a connection, or sending is paused.',
      }),
      replayOf: field(z.optional(z.string()), { description: 'The run that it repeats.' }),
      replayedBy: field(z.optional(z.string()), { description: 'The run that repeats it.' }),
      undoOf: field(z.optional(z.string()), { description: 'The run that it reverses.' }),
    }),
  );
const whole = () =>
  named(
    'RunWithSteps',
    z.extend(summary(), {
      undoable: field(z.boolean(), { description: 'Whether a step that succeeded declares an `undo`.' }),
      steps: z.array(
        z.looseObject({
          name: z.string(),
          state: z.string(),
          attempts: z.int(),
          input: z.optional(z.unknown()),
          output: z.optional(z.unknown()),
        }),
      ),
    }),
  );
/** The id of a run that was just started. */
export const startedRun = () => named('StartedRun', z.looseObject({ id: z.string() }));
const shownAlarm = () =>
  named(
    'Alarm',
    z.looseObject({
      runId: z.string(),
      name: z.string(),
      automationId: z.optional(z.string()),
      call: z.string(),
      state: z.enum(['raised', 'raising', 'unknown', 'failed']),
      postedAt: field(z.string(), { description: 'When the event that caused it was stored.' }),
      raisedAt: field(z.optional(z.string()), { description: 'When the vendor accepted the first alarm of the run.' }),
      acknowledgedAt: field(z.optional(z.string()), {
        description: 'When a `waitFor` step found an event after the alarm.',
      }),
      reason: z.optional(z.string()),
      hidden: field(z.optional(z.boolean()), { description: 'True if your key may not see the reason.' }),
    }),
  );
const runIdField = () => z.string().check(z.refine((id) => runKey(id) !== undefined, 'must be the id of a run'));

/** The routes of runs: what was done, step by step, and replays. */
export function runRoutes(services: AutomationServices, vendors: Catalogue): Route[] {
  const tag = 'Runs';
  return [
    route({
      tag,
      area: 'runs',
      call: 'GET /v1/runs',
      operationId: 'listRuns',
      summary: 'List the runs, newest first',
      input: () => ({
        automation: field(z.optional(text(60)), {
          description: 'The id of an automation, or `calls` for single calls.',
        }),
        state: z.optional(z.enum(runStates)),
        event: field(z.optional(text(100)), {
          description:
            'The id of the event that started them. Give `since` and `until` as well: every run in between is read.',
        }),
        since: field(z.optional(moment()), { description: 'Runs that started at or after this time.' }),
        until: field(z.optional(moment()), { description: 'Runs that started at or before this time.' }),
        before: field(z.optional(runIdField()), {
          description: 'The last run of the previous page.',
        }),
        limit: field(z._default(integer(1, 200), 50), { description: 'Default 50.' }),
      }),
      output: () => z.array(summary()),
      handle: async ({ input: { automation, since, until, ...filter }, principal }) => {
        const runs = await listRuns(services, {
          ...filter,
          owner: automation,
          since: since === undefined ? undefined : Date.parse(since),
          until: until === undefined ? undefined : Date.parse(until),
        });
        return runs.map((run) => showRun(run, principal, services.clock.now()));
      },
    }),
    route({
      tag,
      call: 'GET /v1/runs/{id}',
      operationId: 'getRun',
      summary: 'Get a run with its steps; a key may always see the runs of its own calls',
      output: whole,
      handle: async ({ params, principal }) => {
        const run = await find(services, params.id ?? '');
        mayUse(run, principal, false);
        const steps = await stepsOf(services.table, run.id);
        const needed = scopesToSee(vendors, run, steps);
        return {
          ...showRun(run, principal, services.clock.now()),
          undoable: run.state !== 'running' && run.undoOf === undefined && mayBeUndone(run, steps),
          steps: await Promise.all(
            steps.map((step) => showStep(services, step, maySeeStep(run, step, principal, needed))),
          ),
        };
      },
    }),
    route({
      tag,
      area: 'runs',
      call: 'GET /v1/alarms',
      operationId: 'listAlarms',
      summary: 'List the newest runs that called for an alarm, with their response times',
      input: () => ({
        run: field(z.optional(runIdField()), { description: 'Only the alarm of this run.' }),
        limit: field(z._default(integer(1, 100), 20), { description: 'Default 20.' }),
      }),
      output: () => z.array(shownAlarm()),
      handle: async ({ input: { run, limit }, principal }) => {
        if (run === undefined) return listAlarms(services, vendors, principal, { limit, to: services.clock.now() });
        const alarm = await alarmOf(services, vendors, principal, await find(services, run));
        return alarm ? [alarm] : [];
      },
    }),
    route({
      tag,
      call: 'POST /v1/runs/{id}/replay',
      operationId: 'replayRun',
      summary: 'Repeat the failed steps of a run; with `all` every step, which repeats every message and siren',
      write: true,
      status: 202,
      input: () => ({
        all: field(z._default(z.boolean(), false), { description: 'Repeat every step, not only those that failed.' }),
        event: field(z.optional(z.record(z.string(), z.unknown())), { description: 'An edited event to run with.' }),
        outputs: field(z.optional(z.record(z.string(), z.unknown())), {
          description:
            'The outputs of steps that were carried out by other means, by step name; these steps do not run again.',
        }),
      }),
      output: startedRun,
      handle: async ({ params, input, principal }) => {
        const run = await findAuthorized(services, params.id ?? '', principal);
        if (input.event) requireScope(principal.scopes, controlNeed('automations', true));
        if (run.state === 'running')
          throw new GatewayError('conflict', 'The run has not ended yet. Wait for it or cancel it first.');
        const now = services.clock.now();
        // Written by Trunkline when the run was created; an edited event is supplied by the caller.
        const event = input.event
          ? ({ ...(input.event as object) } as unknown as TrunklineEvent)
          : run.event
            ? (JSON.parse(unpackText(run.event)) as TrunklineEvent)
            : undefined;
        const id = await startRun(services, {
          owner: run.owner,
          name: run.name,
          definition: JSON.parse(run.definition) as Pick<Definition, 'do'>,
          scopes: run.scopes,
          keyId: run.keyId,
          cause: `replay ${run.id} ${now}`,
          createdAt: now,
          ...(run.eventId !== undefined && !input.event && { eventId: run.eventId }),
          ...(event && { event }),
          ...(run.reads && { reads: run.reads }),
          replayOf: run.id,
          reuse: !input.all,
          ...(run.isDrill && { isDrill: true }),
          ...(input.outputs && { outputs: input.outputs }),
          ...(run.alarm !== undefined && { alarm: run.alarm }),
          ...(run.source && { source: run.source }),
        });
        await noteReplay(services.table, run, id);
        return { id, replayOf: run.id };
      },
    }),
    route({
      tag,
      call: 'POST /v1/runs/{id}/undo',
      operationId: 'undoRun',
      summary: 'Reverse what a run did with the `undo` of its steps, newest first',
      write: true,
      status: 202,
      output: startedRun,
      handle: async ({ params, principal }) => {
        const run = await findAuthorized(services, params.id ?? '', principal);
        // Loaded on demand: nothing else in the control function renders inputs.
        const { undoRun } = await import('./undo.ts');
        return { id: await undoRun(services, vendors, run), undoOf: run.id };
      },
    }),
    route({
      tag,
      call: 'POST /v1/runs/{id}/cancel',
      operationId: 'cancelRun',
      summary: 'Stop a run: its waits end at once, and no further step starts',
      write: true,
      output: summary,
      handle: async ({ params, principal }) => {
        const run = await find(services, params.id ?? '');
        const authorized = await authorize(services, run);
        mayUse('run' in authorized ? authorized.run : run, principal, true);
        if (!(await cancelRun(services, run, 'It was cancelled.'))) {
          throw new GatewayError('conflict', `The run has ended already: ${run.state}.`);
        }
        return showRun(await find(services, run.id), principal, services.clock.now());
      },
    }),
  ];
}

/** Notes on a run that it was replayed, so that its failure no longer counts as open. */
async function noteReplay(table: RunServices['table'], { pk, sk }: RunItem, replayedBy: string): Promise<void> {
  await table.update({ pk, sk }, 'SET #replayedBy = :replayedBy', { replayedBy }, 'attribute_exists(#pk)');
}

/** Whether a step succeeded that declares how it is undone. */
function mayBeUndone(run: RunItem, steps: readonly StepItem[]): boolean {
  const placed = everyStep((JSON.parse(run.definition) as Pick<Definition, 'do'>).do);
  const done = new Set(steps.filter(({ state }) => state === 'succeeded').map(({ at }) => at));
  return placed.some(({ at, step }) => isCall(step) && step.undo !== undefined && done.has(at));
}

function mayUse(run: RunItem, principal: Principal, write: boolean): void {
  if (isOwnCall(run, principal)) return;
  requireScope(principal.scopes, controlNeed('runs', write));
  if (!write) return;
  if (run.scopes.every((scope) => within(scope, principal.scopes))) return;
  throw new GatewayError(
    'forbidden',
    'This run has more scopes than your key, so your key can neither repeat nor end it.',
  );
}

async function find(services: RunServices, id: string): Promise<RunItem> {
  const run = runKey(id) && (await findRun(services.table, id));
  if (!run) throw new GatewayError('not_found', `There is no run with the id ${JSON.stringify(id.slice(0, 80))}.`);
  return withDefinition(services.files, run);
}

/** A run that a key may repeat or undo, with its rights as they are defined now. */
async function findAuthorized(services: RunServices, id: string, principal: Principal): Promise<RunItem> {
  const stored = await find(services, id);
  const authorized = await authorize(services, stored);
  mayUse('run' in authorized ? authorized.run : stored, principal, true);
  if ('run' in authorized) return authorized.run;
  throw new GatewayError('conflict', `The run can be neither repeated nor undone: ${authorized.problem}`);
}

/** A run as the API returns it, without its steps. What may quote what it has read is left out for keys that may not read that. */
export function showRun(run: RunItem, principal: Principal, now: number) {
  const { id, owner, name, state, reason, eventId, dedupeKey, replayOf, replayedBy, undoOf, progress, isDrill } = run;
  return {
    id,
    name,
    state,
    automationId: vendorOfCalls(owner) !== undefined ? undefined : isDrill ? owner.slice('drill'.length) : owner,
    drill: isDrill,
    eventId,
    replayOf,
    replayedBy,
    undoOf,
    progress,
    ...waitingOf(run, now),
    ...(maySeeReason(run, principal) ? { dedupeKey, reason } : { hidden: true }),
    createdAt: new Date(run.createdAt).toISOString(),
    endedAt: run.endedAt === undefined ? undefined : new Date(run.endedAt).toISOString(),
  };
}

function waitingOf({ state, waiting }: RunItem, now: number): { waiting?: string } {
  return state === 'running' && waiting && waiting.until > now ? { waiting: waiting.reason } : {};
}

/** A step; parts that a key may not read are omitted, and `hidden` says so. */
async function showStep(services: RunServices, step: StepItem, readable: boolean) {
  const { name, call, state, attempts, index, kept, nextAttemptAt } = step;
  const output = async () =>
    step.outputFile === undefined
      ? redact(await outputOf(services.files, step))
      : { file: await services.files.link(step.outputFile, 900) };
  return {
    name,
    call,
    state,
    attempts,
    nextAttemptAt: nextAttemptAt === undefined ? undefined : new Date(nextAttemptAt).toISOString(),
    index,
    kept,
    ...(readable
      ? {
          reason: step.reason,
          error: step.error,
          input: step.input === undefined ? undefined : JSON.parse(step.input),
          output: await output(),
        }
      : { hidden: true, error: step.error && { code: step.error.code } }),
    startedAt: new Date(step.startedAt).toISOString(),
    endedAt: step.endedAt === undefined ? undefined : new Date(step.endedAt).toISOString(),
  };
}

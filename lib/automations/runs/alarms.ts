import type { Principal } from '../../api/keys/key-check.ts';
import type { Catalogue } from '../../core/vendor.ts';
import { mergeNewest, newestListed } from '../../store/due.ts';
import type { Table } from '../../store/table.ts';
import { isWaitFor } from '../definition.ts';
import { everyStep } from '../steps.ts';
import { operationIn } from './operations.ts';
import {
  definitionOfRun,
  type RunItem,
  type RunServices,
  type StepItem,
  stepsOf,
  vendorOfCalls,
  withDefinition,
} from './runs.ts';
import { maySeeStep, scopesToSee } from './visible.ts';

/** The states of runs in which an alarm may have been raised. */
const alarmingStates = ['running', 'succeeded', 'partial', 'failed', 'cancelled'] as const;
/** How many runs are searched for alarms. */
const maxSearched = 1_000;

type AlarmState = 'raised' | 'raising' | 'unknown' | 'failed';
/** The worst first: that is the one that an operator must see. */
const order: readonly AlarmState[] = ['failed', 'unknown', 'raising', 'raised'];

/** The outcome of the alarm of a run. Times are ISO 8601. */
export interface Alarm {
  runId: string;
  name: string;
  automationId?: string | undefined;
  /** The call that raised it, or failed to. */
  call: string;
  state: AlarmState;
  /** When the event that caused it was stored. */
  postedAt: string;
  /** When the first of its alarms was accepted by the vendor. */
  raisedAt?: string | undefined;
  /** When a wait for an event ended with one after the alarm. */
  acknowledgedAt?: string | undefined;
  reason?: string | undefined;
  /** True if the key may not see the reason. */
  hidden?: true | undefined;
}

/** The newest runs that called for an alarm, with their response times; drills call for none. */
export async function listAlarms(
  services: RunServices,
  vendors: Catalogue,
  principal: Principal,
  { limit, to }: { limit: number; to: number },
): Promise<Alarm[]> {
  const alarms: Alarm[] = [];
  let searched = 0;
  for await (const run of newestRuns(services.table, to, limit)) {
    if (++searched > maxSearched || alarms.length >= limit) break;
    const alarm =
      run.alarm === false || run.isDrill
        ? undefined
        : await alarmOf(services, vendors, principal, await withDefinition(services.files, run));
    if (alarm) alarms.push(alarm);
  }
  return alarms;
}

async function* newestRuns(table: Table, to: number, pageSize: number): AsyncGenerator<RunItem> {
  const lists = alarmingStates.map((state) => newestListed<RunItem>(table, `run-${state}`, 0, to, pageSize));
  yield* mergeNewest(lists, (run) => run.createdAt);
}

/** The alarm of a run, its definition as plain JSON; undefined if none of its steps called for one. */
export async function alarmOf(
  services: RunServices,
  vendors: Catalogue,
  principal: Principal,
  run: RunItem,
): Promise<Alarm | undefined> {
  const steps = await stepsOf(services.table, run.id);
  const calls = steps.filter((step) => step.state !== 'skipped' && !step.kept && raisesAlarm(vendors, step));
  const worst = order.flatMap((state) => calls.filter((step) => stateOf(step) === state))[0];
  if (!worst) return undefined;
  const raised = calls.filter(({ state, endedAt }) => state === 'succeeded' && endedAt !== undefined);
  const raisedAt = raised.length > 0 ? Math.min(...raised.map(({ endedAt = 0 }) => endedAt)) : undefined;
  const state = stateOf(worst);
  const isVisible = maySeeStep(run, worst, principal, scopesToSee(vendors, run, steps));
  return {
    runId: run.id,
    name: run.name,
    automationId: vendorOfCalls(run.owner) === undefined ? run.owner : undefined,
    call: worst.call ?? '',
    state,
    postedAt: iso(run.createdAt),
    raisedAt: raisedAt === undefined ? undefined : iso(raisedAt),
    acknowledgedAt: acknowledgedAt(run, steps, raisedAt),
    ...(isVisible ? { reason: worst.error?.message } : { hidden: true }),
  };
}

function acknowledgedAt(run: RunItem, steps: readonly StepItem[], raisedAt: number | undefined): string | undefined {
  if (raisedAt === undefined) return undefined;
  const { do: list } = definitionOfRun(run);
  const waits = new Set(
    everyStep(list)
      .filter(({ step }) => isWaitFor(step))
      .map(({ at }) => at),
  );
  // A wait that ran out of time has no output.
  const acknowledged = steps.find(
    ({ at, state, output, outputFile, endedAt = 0 }) =>
      waits.has(at) && state === 'succeeded' && (outputFile ?? output ?? 'null') !== 'null' && endedAt >= raisedAt,
  );
  return acknowledged?.endedAt === undefined ? undefined : iso(acknowledged.endedAt);
}

function raisesAlarm(vendors: Catalogue, { call }: StepItem): boolean {
  const [vendor, connection, operation] = call?.split('/') ?? [];
  if (vendor === undefined || connection === undefined || operation === undefined) return false;
  return operationIn(vendors, vendor, operation)?.alarm === true;
}

function stateOf({ state }: StepItem): AlarmState {
  if (state === 'succeeded') return 'raised';
  return state === 'failed' || state === 'unknown' ? state : 'raising';
}

const iso = (time: number): string => new Date(time).toISOString();

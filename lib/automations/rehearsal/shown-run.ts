import { defined } from '../../core/record.ts';
import { redact } from '../../core/redaction/redact.ts';
import type { Catalogue } from '../../core/vendor.ts';
import { operationIn } from '../runs/operations.ts';
import { findRun, outputOf, type RunItem, type StepItem, stepsOf } from '../runs/runs.ts';
import { undoCalls } from '../runs/undo.ts';
import type { RehearsalEngine } from './rehearsal-engine.ts';
import { maxShownSteps, type ShownRun } from './schemas.ts';

const maxShownBytes = 20_000;

/** A rehearsed run as the API returns it. */
export async function showRehearsed(engine: RehearsalEngine, vendors: Catalogue, runId: string): Promise<ShownRun> {
  const { services } = engine;
  const run = await findRun(services.table, runId);
  if (!run) throw new Error(`The rehearsal has no run ${runId}`);
  const steps = (await stepsOf(services.table, runId)).sort(
    (one, other) => one.startedAt - other.startedAt || one.at - other.at || one.index - other.index,
  );
  const { owner, name, state, reason, dedupeKey, eventId, createdAt, endedAt } = run;
  return {
    runs: state !== 'skipped' && state !== 'suppressed',
    state,
    ...defined({ reason, dedupeKey }),
    ...seen(engine.notesOf(runId)),
    automation: name,
    ...(owner !== unsavedId && { automationId: owner }),
    ...(eventId !== undefined && { eventId }),
    startedAt: iso(createdAt),
    ...(endedAt !== undefined && { endedAt: iso(endedAt) }),
    steps: await Promise.all(steps.slice(0, maxShownSteps).map((step) => showStep(engine, vendors, run, step))),
    stepCount: steps.length,
  };
}

/** The id of an automation that is not stored. */
export const unsavedId = 'unsaved';

/** The calls that would reverse a run, in their order. */
export async function showUndo(engine: RehearsalEngine, vendors: Catalogue, runId: string) {
  const run = await findRun(engine.services.table, runId);
  if (!run || run.state === 'running') return [];
  const calls = await undoCalls(engine.services, vendors, run);
  return calls.map(({ call, input }) => ({ call, input: redact(input ?? {}) }));
}

async function showStep(engine: RehearsalEngine, vendors: Catalogue, run: RunItem, step: StepItem) {
  const { name, index, call, state, reason, error, startedAt } = step;
  const { problem, performed, isUnknown, unknown, saw: values } = engine.notesOf(run.id, step);
  const [vendor = '', , operation = ''] = call?.split('/') ?? [];
  const effect = operationIn(vendors, vendor, operation)?.effect;
  const words = problem ?? error?.message;
  const output = isUnknown ? undefined : await outputOf(engine.services.files, step);
  return {
    name,
    index,
    ...(call !== undefined && { call }),
    ...(effect && { effect }),
    state,
    ...defined({ reason, problem: words }),
    startedAt: iso(startedAt),
    afterSeconds: (startedAt - run.createdAt) / 1000,
    // Written by the record's own JSON.
    ...(step.input !== undefined && { input: JSON.parse(step.input) as unknown }),
    ...(output !== undefined && { output: shortened(redact(output)) }),
    ...(performed && { performed }),
    ...(unknown && { unknown }),
    ...seen({ saw: values }),
  };
}

function seen({ saw: values }: { saw?: Record<string, unknown> | undefined }) {
  return values ? { saw: values } : {};
}

function shortened(value: unknown): unknown {
  const bytes = Buffer.byteLength(JSON.stringify(value) ?? '');
  return bytes <= maxShownBytes ? value : `(${bytes} bytes)`;
}

function iso(time: number): string {
  return new Date(time).toISOString();
}

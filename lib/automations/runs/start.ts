import { within } from '../../api/scopes.ts';
import type { DurableContext } from '../../core/durable.ts';
import { GatewayError } from '../../core/errors.ts';
import type { TrunklineEvent } from '../../core/event-type.ts';
import { redactText } from '../../core/redaction/redact.ts';
import { type AutomationItem, listAutomations, startOne } from '../automations.ts';
import type { StartStep } from '../definition.ts';
import type { PlacedStep } from '../steps.ts';
import { eachItem, type ItemWork, itemsOf } from './items.ts';
import { isExpressionFailure } from './retry.ts';
import type { RunContext, StepEnd } from './run-context.ts';
import { originOf, type StepError, stepsOf } from './runs.ts';
import type { StepPlace } from './step-records.ts';
import { scopesToSee } from './visible.ts';

/** The outcome of one start. */
type Started = { runId: string } | { error: StepError } | { skipped: true } | { cancelled: true };

/** The maximum depth of automations that start one another. */
const maxDepth = 5;

/** Starts another automation, once or for each item of a list, without waiting for its runs. The output contains their ids. */
export async function runStart(
  run: RunContext,
  context: DurableContext,
  placed: PlacedStep,
  step: StartStep,
): Promise<StepEnd> {
  const { name } = placed;
  const place = run.place(placed, `start ${step.start}`);
  if (step.forEach === undefined) {
    const started = await context.step(name, () => startRunOf(run, step, place, undefined));
    return finish([started], 'runId' in started ? { runId: started.runId } : null);
  }
  const items = await itemsOf(run, context, placed, place, step.forEach);
  if ('error' in items) return finish([{ error: items.error }], null);
  const all = await eachItem(run, context, placed, items, startItems(run, placed, step));
  return finish(
    all,
    all.map((each) => ('runId' in each ? { runId: each.runId } : null)),
  );

  function finish(all: readonly Started[], output: unknown): StepEnd {
    const errors = all.map((each) => ('error' in each ? each.error : null));
    const [first] = errors.filter((error) => error !== null);
    const succeeded = all.filter((each) => 'runId' in each).length;
    const reason = first && `Step ${name}: ${first.message}`;
    const stop = step.onError === 'continue' ? undefined : reason;
    const end = {
      name,
      cancelled: all.some(isCancelled),
      succeeded,
      // The started runs are responsible for their own writes; starting them must not happen twice.
      wrote: succeeded > 0,
      ...(first && { code: first.code }),
      ...(reason !== undefined && { reason }),
      ...(stop !== undefined && { stop }),
    };
    return run.finishStep(end, {
      output,
      ...(first && { error: first, ...(step.forEach !== undefined && { errors }) }),
    });
  }
}

const isCancelled = (started: Started): boolean => 'cancelled' in started;

/** How the items of a `start` with `forEach` are carried out. */
export function startItems(run: RunContext, placed: PlacedStep, step: StartStep): ItemWork<Started> {
  const { name } = placed;
  const place = run.place(placed, `start ${step.start}`);
  return {
    concurrency: 1,
    maxOperationsPerItem: 1,
    work: (inner, item, index) =>
      inner.step(`${name}[${index}]`, () => startRunOf(run, step, { ...place, index }, item ?? null)),
    isEnough: (ends) => ends.some((end) => isCancelled(end) || ('error' in end && step.onError !== 'continue')),
  };
}

async function startRunOf(run: RunContext, step: StartStep, place: StepPlace, item: unknown): Promise<Started> {
  const { records, services } = run;
  const now = services.clock.now();
  try {
    if (await run.isCancelled()) {
      await records.write(place, { state: 'skipped', reason: 'The run was cancelled.' });
      return { cancelled: true };
    }
    const refusal = await run.refusal(step.if, place, now, item);
    if (refusal !== undefined) {
      await records.write(place, { state: 'skipped', reason: refusal });
      return { skipped: true };
    }
    const input = (await run.render(step.input ?? (item === undefined ? {} : { item }), place, now, item)) ?? {};
    const { startedAt } = await records.write(place, { state: 'running', attempts: 1, input });
    const automation = await automationFor(run, step.start);
    const cause = `start ${run.run.id}/${place.at}/${place.index}`;
    const origin = originOf(run.run);
    // A repeat after a crash finds the time at which this step first ran, and therefore the same run. A run that has not waited
    // passes on the time of its own cause: an answer may arrive before the started run waits for it.
    const runId = await startOne(services, automation, {
      cause,
      createdAt: run.hasWaited ? startedAt : run.facts.startedAt,
      // An input is an object: the schema requires one, and rendering preserves its shape.
      event: eventFor(automation, cause, startedAt, input as Record<string, unknown>),
      // The input is made from what this run has read.
      reads: scopesToSee(run.vendors, run.run, await stepsOf(services.table, run.run.id)),
      depth: (run.run.depth ?? 0) + 1,
      ...(origin !== undefined && { originId: origin }),
      // What an alarm starts belongs to it.
      ...(run.run.alarm === true && { alarm: true }),
    });
    await records.write(place, { state: 'succeeded', attempts: 1, output: { runId } });
    return { runId };
  } catch (cause) {
    if (!isExpressionFailure(cause) && !(cause instanceof GatewayError)) throw cause;
    const message = redactText((cause as Error).message);
    const error: StepError = isExpressionFailure(cause)
      ? { code: 'invalid_input', message: `An expression failed: ${message}` }
      : { code: (cause as GatewayError).code, message };
    await records.write(place, { state: 'failed', attempts: 1, error });
    return { error };
  }
}

/** The automation with an id or a name, if this run's rights cover the automation's own. */
async function automationFor(run: RunContext, idOrName: string): Promise<AutomationItem> {
  if ((run.run.depth ?? 0) >= maxDepth)
    throw new GatewayError('conflict', `Automations may start one another ${maxDepth} deep, and no deeper.`);
  const all = await listAutomations(run.services.table);
  const item = all.find(({ id }) => id === idOrName) ?? all.find(({ name }) => name === idOrName);
  if (!item) throw new GatewayError('not_found', `There is no automation with the id or name ${idOrName}.`);
  if (!item.enabled) throw new GatewayError('conflict', `The automation ${item.name} is disabled.`);
  const { scopes } = run.run;
  if (item.scopes.every((scope) => within(scope, scopes))) return item;
  throw new GatewayError('forbidden', `The automation ${item.name} has more scopes than the one that starts it.`);
}

/** The event of the started run; it is not in the event log. */
function eventFor(
  automation: AutomationItem,
  cause: string,
  at: number,
  data: Record<string, unknown>,
): TrunklineEvent {
  return {
    id: cause.replaceAll(/[^a-zA-Z0-9_]/g, '-'),
    type: 'trunkline.automation.started',
    timestamp: new Date(at).toISOString(),
    vendor: 'trunkline',
    connection: automation.id,
    data,
  };
}

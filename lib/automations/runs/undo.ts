import { sealInput } from '../../connections/sealed-input.ts';
import { GatewayError } from '../../core/errors.ts';
import type { Catalogue } from '../../core/vendor.ts';
import { type CallStep, isCall, target } from '../definition.ts';
import { everyStep } from '../steps.ts';
import { eventOf, refOf } from './begin.ts';
import { operationIn } from './operations.ts';
import { type AutomationServices, RunContext, type StepResult } from './run-context.ts';
import { definitionOfRun, outputOf, type RunItem, type StepItem, startRun, stepsOf } from './runs.ts';
import { scopesToSee } from './visible.ts';

/**
 * Starts a run that reverses a run: it carries out the `undo` of each step that succeeded and declares one, newest first.
 * Repeating the request returns the same run. Throws `conflict` if nothing can be undone.
 */
export async function undoRun(services: AutomationServices, vendors: Catalogue, run: RunItem): Promise<string> {
  if (run.state === 'running')
    throw new GatewayError('conflict', 'The run has not ended yet. Wait for it or cancel it first.');
  const calls = await undoCalls(services, vendors, run);
  if (calls.length === 0)
    throw new GatewayError(
      'conflict',
      'No step of this run has both succeeded and an `undo`: there is nothing to undo.',
    );
  return startRun(services, {
    owner: run.owner,
    name: run.name,
    definition: { do: calls },
    scopes: run.scopes,
    keyId: run.keyId,
    cause: `undo ${run.id}`,
    // Always the same, so that repeated requests undo once.
    createdAt: run.createdAt + 1,
    // Its inputs are made from what the run has read.
    reads: scopesToSee(vendors, run, await stepsOf(services.table, run.id)),
    undoOf: run.id,
    isLiteral: true,
    ...(run.isDrill && { isDrill: true }),
    ...(run.source && { source: run.source }),
  });
}

/** The calls that reverse what a run has done, newest first. */
export async function undoCalls(services: AutomationServices, vendors: Catalogue, run: RunItem): Promise<CallStep[]> {
  const placed = everyStep(definitionOfRun(run).do);
  const records = (await stepsOf(services.table, run.id)).filter(({ state }) => state === 'succeeded');
  const facts = {
    run,
    event: (await eventOf(services, run)) ?? null,
    startedAt: run.createdAt,
    ref: refOf(run.eventId ?? run.id),
  };
  const outputs = new Map<StepItem, unknown>();
  for (const record of records) outputs.set(record, (await outputOf(services.files, record)) ?? null);
  const calls: CallStep[] = [];
  for (const record of records.reverse()) {
    const step = placed.find(({ at }) => at === record.at)?.step;
    if (!step || !isCall(step) || !step.undo) continue;
    const context = new RunContext(services, vendors, facts, false).inside({ index: record.index, item: null }, []);
    for (const [other, output] of outputs) {
      // In a list, the step sees the results for its own item.
      if (other.index !== record.index && other.index !== 0) continue;
      const result: StepResult = { output };
      if (other.index === record.index || !(other.name in context.results))
        context.finishStep({ name: other.name }, result);
    }
    const place = { at: record.at, index: record.index, name: record.name };
    // An input is an object: the schema requires one, and rendering preserves its shape.
    const plain = (await context.render(step.undo.input ?? {}, place, services.clock.now())) as Record<string, unknown>;
    const { vendor, operation: operationName } = target(step.undo);
    const operation = operationIn(vendors, vendor, operationName);
    const call: CallStep = {
      name: `undo_${record.name}${record.index === 0 ? '' : `_${record.index}`}`,
      call: step.undo.call,
      input: operation ? await sealInput(services.secrets, vendor, operation, plain) : plain,
      onError: 'continue',
    };
    calls.push(call);
  }
  // Newest first, one after the other: a channel is deleted after its members are removed.
  return calls.map((call, index) => (index === 0 ? call : { ...call, after: [calls[index - 1]?.name ?? ''] }));
}

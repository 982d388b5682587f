import type { DurableContext } from '../../core/durable.ts';
import { readFileText } from '../../store/blobs.ts';
import type { PlacedStep } from '../steps.ts';
import { type Cancelled, endOnAbandon } from './pause.ts';
import type { AutomationServices, RunContext, RunFacts, StepResult } from './run-context.ts';
import { opened, sealed } from './sealed.ts';

/** The items of a list that another execution carries out; plain JSON. */
export interface Part {
  facts: RunFacts;
  /** The number of the step. */
  at: number;
  /** The whole list, and the first item that is still to be carried out. */
  list: unknown[];
  from: number;
  /** The results of earlier steps, by name. */
  results: Record<string, StepResult>;
  callbackId: string;
}

/** What completes the wait for a part. */
interface PartEnd {
  part: string;
}

/** Longer than any run: Lambda's limit for a durable execution. */
const maxRunSeconds = 31 * 86_400;

/**
 * Has another execution carry out the items of a list from a certain one on, and waits for it. Returns the results of the items
 * that it has carried out: at least one, and as many as fit into it.
 */
export async function carryOutElsewhere<T>(
  run: RunContext,
  context: DurableContext,
  placed: PlacedStep,
  list: unknown[],
  from: number,
): Promise<T[]> {
  const { services, facts } = run;
  const { id, alarm } = run.run;
  const { at, name } = placed;
  // The name of the execution says which run it belongs to (`runOfExecution`).
  const part = `${id}-${at}-${from}`;
  run.noteWait();
  const waited = await context.waitFor<PartEnd | Cancelled>(
    `${name} part ${from}`,
    async (callbackId) => {
      await writeSealed(services, id, part, { facts, at, list, from, results: run.results, callbackId } satisfies Part);
      await endOnAbandon(run, callbackId);
      await services.starter.startRun(part, { runId: id, part, ...(alarm && { alarm: true as const }) });
    },
    maxRunSeconds,
  );
  if (!waited.done || 'cancelled' in waited.value)
    throw new Error(`The execution that carries out the items of ${name} from number ${from + 1} on has ended early.`);
  const text = await context.step(`${name} part ${from} ends`, () => readFileText(services.files, fileOf(endOf(part))));
  // Written by `endPart`.
  return (await opened({ services, run: { id } }, text)) as T[];
}

/** The part of a list that an execution has to carry out. */
export async function readPart(services: AutomationServices, runId: string, part: string): Promise<Part> {
  // Written by `carryOutElsewhere`.
  return (await opened({ services, run: { id: runId } }, await readFileText(services.files, fileOf(part)))) as Part;
}

/** Stores the results of a part and continues the execution that waits for them. */
export async function endPart(
  services: AutomationServices,
  runId: string,
  part: string,
  callbackId: string,
  ends: readonly unknown[],
): Promise<void> {
  await writeSealed(services, runId, endOf(part), ends);
  await services.starter.complete(callbackId, { part } satisfies PartEnd);
}

/** What steps have given may be secret, so a part is stored encrypted. */
async function writeSealed(services: AutomationServices, id: string, part: string, value: unknown): Promise<void> {
  const text = await sealed({ services, run: { id } }, value);
  await services.files.put(fileOf(part), Buffer.from(text), 'text/plain');
}

const endOf = (part: string): string => `${part}-end`;
const fileOf = (part: string): string => `runs/parts/${part}`;

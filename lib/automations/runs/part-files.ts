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

/** What completes the wait for parts: the last of them. */
interface PartEnd {
  part: string;
}

/** Longer than any run: Lambda's limit for a durable execution. */
const maxRunSeconds = 31 * 86_400;

/**
 * Has other executions carry out the items of a list from a certain one on, one after the other, and waits for the last. Returns the
 * results of the items that they have carried out.
 */
export async function carryOutElsewhere<T>(
  run: RunContext,
  context: DurableContext,
  placed: PlacedStep,
  list: unknown[],
  from: number,
): Promise<T[]> {
  const { services, facts } = run;
  const { at, name } = placed;
  run.noteWait();
  const waited = await context.waitFor<PartEnd | Cancelled>(
    `${name} part ${from}`,
    async (callbackId) => {
      await endOnAbandon(run, callbackId);
      await startPart(services, { facts, at, list, from, results: run.results, callbackId });
    },
    maxRunSeconds,
  );
  if (!waited.done || 'cancelled' in waited.value)
    throw new Error(`The execution that carries out the items of ${name} from number ${from + 1} on has ended early.`);
  const last = waited.value.part;
  // An earlier version remembered the results of one part.
  const texts = await context.step<string | string[]>(`${name} part ${from} ends`, async () => {
    const read: string[] = [];
    for (let next = from, part = ''; part !== last; ) {
      part = partName({ facts, at, from: next });
      const text = await readFileText(services.files, fileOf(endOf(part)));
      read.push(text);
      next += (await endsIn<T>(run, text)).length;
    }
    return read;
  });
  return (await Promise.all([texts].flat().map((text) => endsIn<T>(run, text)))).flat();
}

/** Starts the execution of a part. */
async function startPart(services: AutomationServices, part: Part): Promise<void> {
  const { id, alarm } = part.facts.run;
  const name = partName(part);
  await writeSealed(services, id, name, part);
  await services.starter.startRun(name, { runId: id, part: name, ...(alarm && { alarm: true as const }) });
}

/** The name of the execution of a part, which says which run it belongs to (`runOfExecution`). */
function partName({ facts, at, from }: Pick<Part, 'facts' | 'at' | 'from'>): string {
  return `${facts.run.id}-${at}-${from}`;
}

async function endsIn<T>(sealing: Parameters<typeof opened>[0], text: string): Promise<T[]> {
  // Written by `endPart`.
  return (await opened(sealing, text)) as T[];
}

/** The part of a list that an execution has to carry out. */
export async function readPart(services: AutomationServices, runId: string, part: string): Promise<Part> {
  // Written by `carryOutElsewhere`.
  return (await opened({ services, run: { id: runId } }, await readFileText(services.files, fileOf(part)))) as Part;
}

/** Stores the results of a part. The next part then starts, or the execution that waits for them all continues. */
export async function endPart(
  services: AutomationServices,
  part: Part,
  ends: readonly unknown[],
  isLast: boolean,
): Promise<void> {
  const name = partName(part);
  await writeSealed(services, part.facts.run.id, endOf(name), ends);
  if (isLast) await services.starter.complete(part.callbackId, { part: name } satisfies PartEnd);
  else await startPart(services, { ...part, from: part.from + ends.length });
}

/** What steps have given may be secret, so a part is stored encrypted. */
async function writeSealed(services: AutomationServices, id: string, part: string, value: unknown): Promise<void> {
  const text = await sealed({ services, run: { id } }, value);
  await services.files.put(fileOf(part), Buffer.from(text), 'text/plain');
}

const endOf = (part: string): string => `${part}-end`;
const fileOf = (part: string): string => `runs/parts/${part}`;

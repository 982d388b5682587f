import { operationOf } from '../connections/invoke.ts';
import { GatewayError } from '../core/errors.ts';
import { parseInput, schemasOf } from '../core/operation.ts';
import { redact } from '../core/redaction/redact.ts';
import type { Catalogue } from '../core/vendor.ts';
import { evaluate } from '../expressions/expression.ts';
import { awaitedBy, type Definition, isCall, isWaitFor, nameOf, target } from './definition.ts';

/** The expected outcome of one step. */
interface Rehearsed {
  name: string;
  call?: string;
  /** The rendered input, one for each item of a list; redacted. */
  inputs?: unknown[];
  runs?: boolean;
  waits?: string;
  /** What would prevent the step: a failing expression or a rejected input. */
  problem?: string;
  effect?: string;
}

const maxShown = 20;

/**
 * Renders what an automation would do with a sample event, without calling any vendor. Steps that read earlier ones see the given
 * outputs.
 */
export async function rehearse(
  vendors: Catalogue,
  definition: Definition,
  sample: { event?: Record<string, unknown> | undefined; outputs?: Record<string, unknown> | undefined },
  now: number,
): Promise<{ runs: boolean; dedupeKey?: unknown; problem?: string; steps: Rehearsed[] }> {
  const steps = Object.fromEntries(Object.entries(sample.outputs ?? {}).map(([name, output]) => [name, { output }]));
  const event = sample.event ?? null;
  const run = { id: 'run_test', ref: '7F3A', startedAt: new Date(now).toISOString(), event };
  const bindings = { event, steps, run };
  const options = { now, seed: 'test' };
  const shown: Rehearsed[] = [];
  let runs = true;
  let problem: string | undefined;
  let dedupeKey: unknown;
  try {
    if (definition.if !== undefined) runs = (await evaluate(definition.if, bindings, options)) === true;
    if (definition.dedupe) dedupeKey = await evaluate(definition.dedupe.key, bindings, options);
  } catch (error) {
    runs = false;
    problem = wordsOf(error);
  }
  for (const [at, step] of definition.do.entries()) {
    const name = nameOf(step, at);
    if (isWaitFor(step)) {
      const events = awaitedBy(step).map(({ event }) => event);
      shown.push({ name, waits: `for ${events.join(' or ')}, at most ${step.waitFor.seconds} s` });
    } else if ('wait' in step) shown.push({ name, waits: `${step.wait.seconds} s` });
    else if (!isCall(step)) shown.push({ name });
    else {
      const { vendor: vendorName, operation: operationName } = target(step);
      const rehearsed: Rehearsed = { name, call: step.call };
      shown.push(rehearsed);
      try {
        const vendor = vendors[vendorName as keyof Catalogue];
        if (!vendor) throw new GatewayError('not_found', `There is no vendor ${vendorName}.`);
        const operation = operationOf(vendor, operationName);
        rehearsed.effect = operation.effect;
        const list = step.forEach === undefined ? [null] : await evaluate(step.forEach, bindings, options);
        const items = (Array.isArray(list) ? list : [list]).slice(0, maxShown);
        rehearsed.inputs = [];
        rehearsed.runs = false;
        for (const item of items) {
          const seen = { ...bindings, item };
          if (step.if !== undefined && (await evaluate(step.if, seen, options)) !== true) continue;
          rehearsed.runs = true;
          const input = (await evaluate(step.input ?? {}, seen, options)) ?? {};
          rehearsed.inputs.push(redact(input));
          parseInput(schemasOf(operation).input, input);
        }
      } catch (error) {
        rehearsed.problem = wordsOf(error);
      }
    }
  }
  return {
    runs,
    ...(dedupeKey !== undefined && { dedupeKey }),
    ...(problem !== undefined && { problem }),
    steps: shown,
  };
}

function wordsOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

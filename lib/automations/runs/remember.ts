import type { DurableContext } from '../../core/durable.ts';
import { GatewayError } from '../../core/errors.ts';
import type { RememberStep } from '../definition.ts';
import type { PlacedStep } from '../steps.ts';
import { maxKeyLength, maxValueBytes, type Remembered, remember } from './memory.ts';
import type { RunContext, StepEnd } from './run-context.ts';
import { runLocally } from './set.ts';

/** Writes to the automation's memory; the output contains whether it was written, and the current value. */
export function runRemember(
  run: RunContext,
  context: DurableContext,
  placed: PlacedStep,
  step: RememberStep,
): Promise<StepEnd> {
  return runLocally(run, context, placed, { step, call: 'remember' }, async (place, now): Promise<Remembered> => {
    const { seconds, ...texts } = step.remember;
    // A template keeps its shape; only the values of its expressions can be anything.
    const { key, value, expect } = (await run.render(texts, place, now)) as Record<string, unknown>;
    if (typeof key !== 'string' || key === '' || key.length > maxKeyLength) {
      throw new GatewayError(
        'invalid_input',
        `The key to remember must be a text of at most ${maxKeyLength} characters, not ${JSON.stringify(key)?.slice(0, 100)}.`,
      );
    }
    if (Buffer.byteLength(JSON.stringify(value ?? null)) > maxValueBytes)
      throw new GatewayError('invalid_input', `The value to remember is larger than ${maxValueBytes} bytes.`);
    return remember(run.services, run.run.owner, {
      key,
      value: value ?? null,
      writer: `${run.run.id} ${run.nameOf(placed)}`,
      ...(seconds !== undefined && { seconds }),
      // If an expression finds nothing, the memory is expected to be empty.
      ...('expect' in texts && { expect: expect ?? null }),
    });
  });
}

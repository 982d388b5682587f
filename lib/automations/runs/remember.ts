import type { DurableContext } from '../../core/durable.ts';
import { GatewayError } from '../../core/errors.ts';
import type { RememberStep } from '../definition.ts';
import type { PlacedStep } from '../steps.ts';
import { maxKeyLength, maxValueBytes, type Remembered, remember } from './memory.ts';
import type { RunContext, StepEnd } from './run-context.ts';
import { runLocally } from './set.ts';

/** Writes into the automation's memory; the output tells whether it was written, and what the memory holds. */
export function runRemember(
  run: RunContext,
  context: DurableContext,
  placed: PlacedStep,
  step: RememberStep,
): Promise<StepEnd> {
  return runLocally(run, context, placed, { step, call: 'remember' }, async (place, now): Promise<Remembered> => {
    const { seconds, ...texts } = step.remember;
    // A template keeps its form; only the values of its expressions can be anything.
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
      ...(seconds !== undefined && { seconds }),
      // Where an expression finds nothing, the memory is expected to hold nothing.
      ...('expect' in texts && { expect: expect ?? null }),
    });
  });
}

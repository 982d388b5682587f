import type { Step } from './definition.ts';

/** A step with its JSON pointer in the automation and its place in the list that holds it. */
export interface PlacedStep {
  step: Step;
  pointer: string;
  at: number;
}

/** Every step of a list, those inside other steps included, in the order in which they are written. */
export function* everyStep(steps: readonly Step[], pointer = '/do'): Generator<PlacedStep> {
  for (const [at, step] of steps.entries()) yield { step, pointer: `${pointer}/${at}`, at };
}

import { isForEach, isParallel, isRepeat, nameOf, type Step } from './definition.ts';

/** A step with its number in the whole definition, which its records use, and its location as a JSON pointer. */
export interface PlacedStep {
  step: Step;
  at: number;
  name: string;
  pointer: string;
  /** The nested steps, as lists that each run in order. */
  inside: readonly (readonly PlacedStep[])[];
}

/** The steps of a definition, including nested ones, numbered in the order in which they are written. */
export function placeSteps(steps: readonly Step[], pointer = '/do', number = { next: 0 }): PlacedStep[] {
  return steps.map((step, index) => {
    const at = number.next++;
    const place = `${pointer}/${index}`;
    const inside = listsIn(step).map(({ list, under }) => placeSteps(list, `${place}${under}`, number));
    return { step, at, name: nameOf(step, at), pointer: place, inside };
  });
}

function listsIn(step: Step): { list: readonly Step[]; under: string }[] {
  if (isParallel(step)) return step.parallel.map((list, branch) => ({ list, under: `/parallel/${branch}` }));
  if (isForEach(step)) return [{ list: step.do, under: '/do' }];
  if (isRepeat(step)) return [{ list: step.repeat.do, under: '/repeat/do' }];
  return [];
}

/** All steps of a list, including nested ones, in the order in which they are written. */
export function everyStep(steps: readonly Step[]): PlacedStep[] {
  const flat = (placed: readonly PlacedStep[]): PlacedStep[] =>
    placed.flatMap((each) => [each, ...each.inside.flatMap(flat)]);
  return flat(placeSteps(steps));
}

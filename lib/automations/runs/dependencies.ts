import { expressionIn, partsIn } from '../../expressions/template.ts';
import { isCall, type Step } from '../definition.ts';
import { everyStep, type PlacedStep } from '../steps.ts';

/** The steps that a template reads: their names, or `all` if it reads `steps` as a whole. */
export function referencedSteps(template: unknown): ReadonlySet<string> | 'all' {
  const names = new Set<string>();
  for (const expression of expressionsIn(template)) {
    for (const [, name] of expression.matchAll(/\bsteps\b(?:\s*\.\s*([A-Za-z]\w*))?/g)) {
      if (name === undefined) return 'all';
      names.add(name);
    }
  }
  return names;
}

/** Whether any expression of a template reads a binding such as `memo`. */
export function mentions(template: unknown, binding: string): boolean {
  const name = new RegExp(`\\b${binding}\\b`);
  return expressionsIn(template).some((expression) => name.test(expression));
}

/** The earlier steps that a step waits for: those that it or a step within it names in `after`, and those whose results it reads. */
export function dependenciesOf(step: Step, earlier: readonly PlacedStep[]): PlacedStep[] {
  const read = referencedSteps(step);
  const named = new Set(everyStep([step]).flatMap((each) => each.step.after ?? []));
  return earlier.filter(({ name }) => named.has(name) || read === 'all' || read.has(name));
}

/**
 * The steps of a list that may run beside it while they fail and retry: calls whose errors do not stop the run, and steps that
 * only compute a value from them. This depends on the definition alone, so that every replay numbers its operations alike.
 */
export function stepsBeside(steps: readonly PlacedStep[], outside: ReadonlySet<PlacedStep>): Set<PlacedStep> {
  const beside = new Set<PlacedStep>();
  for (const [index, placed] of steps.entries()) {
    const { step } = placed;
    const earlier = [...outside, ...steps.slice(0, index)];
    const reads = () => dependenciesOf(step, earlier).some((each) => beside.has(each) || outside.has(each));
    if (isCall(step) ? step.onError === 'continue' : 'set' in step && reads()) beside.add(placed);
  }
  return beside;
}

function expressionsIn(template: unknown): string[] {
  if (typeof template === 'string') {
    const whole = expressionIn(template);
    if (whole !== undefined) return [whole];
    return (partsIn(template) ?? []).flatMap((part) => ('expression' in part ? [part.expression] : []));
  }
  if (typeof template !== 'object' || template === null) return [];
  return Object.values(template).flatMap(expressionsIn);
}

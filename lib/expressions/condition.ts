import { evaluate, validate } from './expression.ts';
import { ExpressionFailure } from './pool.ts';

/** Whether a JSONata expression, with or without its `{% %}`, is true of the bindings; anything but `true` is not. `share` is the owner of the evaluation. Throws `ExpressionFailure`. */
export async function conditionHolds(
  expression: string,
  bindings: Readonly<Record<string, unknown>>,
  now: number,
  share?: string,
): Promise<boolean> {
  return (await evaluate(templateOf(expression), bindings, { now, ...(share !== undefined && { share }) })) === true;
}

/** For the `catch` of a condition: one that fails does not hold. Throws if no process could evaluate it, which another attempt may. */
export function falseIfItFails(error: unknown): false {
  if (error instanceof ExpressionFailure && error.isFinal) return false;
  throw error;
}

/** Explains in a sentence what is wrong with an expression; undefined when it can be evaluated. */
export async function conditionProblem(expression: string): Promise<string | undefined> {
  const [problem] = await validate(templateOf(expression));
  return problem?.message;
}

function templateOf(expression: string): string {
  const bare = expression.trim();
  return bare.startsWith('{%') && bare.endsWith('%}') ? bare : `{% ${bare} %}`;
}

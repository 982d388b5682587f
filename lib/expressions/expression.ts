import { randomUUID } from 'node:crypto';
import { evaluationBudget } from '../core/evaluation-budget.ts';
import type { ExpressionInspection, ExpressionJob, ExpressionProblem, ExpressionReply } from './job.ts';
import { withLiterals } from './literals.ts';
import { ExpressionFailure, ExpressionPool, type JobOptions } from './pool.ts';
import { hasExpression } from './template.ts';

/** The limits of an evaluation, and what makes it repeatable. */
export interface EvaluateOptions {
  /** Defaults to one second. The start of a process and waiting for one do not count. */
  timeMs?: number;
  /** The maximum size of the result as JSON; defaults to 200,000. */
  maxBytes?: number;
  /** Epoch milliseconds for `$now()` and `$millis()`; a durable step gives the time at which it first ran. */
  now?: number;
  /** For `$random()` and `$shuffle()`; a durable step gives something that stays the same, such as run and step. */
  seed?: string;
  /** The addresses that `$link(name)` returns, by name. */
  links?: Readonly<Record<string, string>> | undefined;
  /** The owner of the evaluation, such as an automation's id: different shares take turns. A request's budget names its own. */
  share?: string;
  /** True for something that is only shown to somebody: it delays no run. */
  isBackground?: boolean;
}

const defaultTimeMs = 1000;
const defaultMaxBytes = 200_000;
const validateTimeMs = 5000;

let shared: ExpressionPool | undefined;

/**
 * Returns a copy of a template in which every text that is wholly `{% … %}` is replaced by the value of its JSONata expression.
 * In a text that mixes expressions and other words, the expressions are replaced by their values as text. Expressions see the
 * bindings (`event`, `steps`, `item`, `run`) as fields and as variables. An expression that finds nothing omits its member, or
 * becomes null in a list. Throws `ExpressionFailure`.
 */
export async function evaluate(
  template: unknown,
  bindings: Readonly<Record<string, unknown>>,
  options: EvaluateOptions = {},
  pool: ExpressionPool = sharedPool(),
): Promise<unknown> {
  if (!hasExpression(template)) return template;
  const { timeMs = defaultTimeMs, maxBytes = defaultMaxBytes, now = Date.now(), seed = randomUUID(), links } = options;
  const job = { task: 'evaluate' as const, template, bindings, now, seed, maxBytes, ...(links && { links }) };
  const reply = await runWithin(pool, timeMs, options, (allowedMs) => ({ ...job, timeMs: allowedMs }));
  return 'json' in reply && reply.json !== undefined ? JSON.parse(reply.json) : undefined;
}

/** Every expression of a template that cannot run, with its JSON pointer; an empty list when all are valid. */
export async function validate(
  template: unknown,
  pool: ExpressionPool = sharedPool(),
): Promise<readonly ExpressionProblem[]> {
  return (await inspect(template, pool)).problems;
}

/** The problems of a template's expressions, and what they refer to. */
export async function inspect(template: unknown, pool: ExpressionPool = sharedPool()): Promise<ExpressionInspection> {
  const nothing = { problems: [], steps: [], paths: [] };
  if (!hasDelimiter(template)) return nothing;
  const reply = await runWithin(pool, validateTimeMs, { isBackground: true }, () => ({ task: 'validate', template }));
  return 'problems' in reply ? reply : nothing;
}

/** The template with every literal replaced; undefined if its result may contain another text, which cannot be replaced. */
export async function mapLiterals(
  template: string,
  replace: (value: string) => string,
  pool: ExpressionPool = sharedPool(),
): Promise<string | undefined> {
  const reply = await runWithin(pool, validateTimeMs, { isBackground: true }, () => ({ task: 'literals', template }));
  if (!('literals' in reply)) return template;
  return reply.hasOthers ? undefined : withLiterals(template, reply.literals, replace);
}

/** Runs a job under the budget of the request that it belongs to, if it belongs to one. */
async function runWithin(
  pool: ExpressionPool,
  timeMs: number,
  options: JobOptions,
  jobFor: (timeMs: number) => ExpressionJob,
): Promise<ExpressionReply> {
  const budget = evaluationBudget();
  if (!budget) return pool.run(jobFor(timeMs), timeMs, options);
  if (budget.leftMs <= 0)
    throw new ExpressionFailure('timeout', {
      pointer: '',
      message: 'The expressions of this request have used up the time that one request has. Send fewer at a time',
    });
  const allowedMs = Math.ceil(Math.min(timeMs, budget.leftMs));
  return pool.run(jobFor(allowedMs), allowedMs, {
    share: budget.share,
    isBackground: true,
    signal: budget.signal,
    spent: (ms) => {
      budget.leftMs -= ms;
    },
  });
}

/** A text with only one of the two delimiters is reported as an error. */
function hasDelimiter(template: unknown): boolean {
  if (typeof template === 'string') return template.includes('{%') || template.endsWith('%}');
  return typeof template === 'object' && template !== null && Object.values(template).some(hasDelimiter);
}

function sharedPool(): ExpressionPool {
  shared ??= new ExpressionPool();
  return shared;
}

import { createHash } from 'node:crypto';
import process from 'node:process';
import jsonata from 'jsonata';
import { fairClock } from './cpu-time.ts';
import { registerFunctions } from './functions.ts';
import type { ExpressionInspection, ExpressionJob, ExpressionProblem, ExpressionReply } from './job.ts';
import { literalsOf } from './literals.ts';
import { referencesOf } from './references.ts';
import { ResultBuilder, Stopped } from './result.ts';
import { closeSandbox, given } from './sandbox.ts';
import { below, expressionIn, partsIn } from './template.ts';

// The entry of the process that evaluates expressions: it takes one job at a time and is killed when it takes too long.

const maxLength = 20_000;
/** The nesting limit; deeper recursion exhausts its memory before its time. */
const maxStack = 10_000;

const clock = fairClock(Date.now, () => {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1_000;
});

process.on('message', (job: ExpressionJob) => void answer(job));
process.on('disconnect', () => process.exit());
closeSandbox(clock.now);
reply({ ready: true });

async function answer(job: ExpressionJob): Promise<void> {
  try {
    if (job.task === 'validate') reply(await inspect(job.template));
    else if (job.task === 'literals') reply(literalsOf(job.template, (text) => compile(text).ast()));
    else reply(await evaluate(job));
  } catch (error) {
    reply({ failure: failureFrom(error) });
  }
}

async function evaluate(job: Extract<ExpressionJob, { task: 'evaluate' }>): Promise<ExpressionReply> {
  const { template, bindings, now, seed, timeMs, maxBytes, links = {} } = job;
  const builder = new ResultBuilder(maxBytes);
  clock.start(timeMs);
  const end = clock.now() + timeMs;
  const value = await builder.fill(template, async (text, pointer) => {
    given.now = now;
    given.links = links;
    given.random = seededRandom(`${seed} ${pointer}`);
    const timeout = Math.max(1, end - clock.now());
    try {
      return await compile(text, { timeout, stack: maxStack }).evaluate(bindings, { ...bindings });
    } catch (error) {
      throw Object.assign(new Error('', { cause: error }), { pointer });
    }
  });
  if (value === undefined) return {};
  const json = JSON.stringify(value);
  if (Buffer.byteLength(json) <= maxBytes) return { json };
  throw new Stopped('too-large', '', `The result is larger than ${maxBytes} bytes`);
}

function compile(text: string, options?: jsonata.JsonataOptions): jsonata.Expression {
  if (text.length > maxLength) throw new RangeError(`An expression may have ${maxLength} characters`);
  const expression = jsonata(text, options);
  registerFunctions(expression);
  return expression;
}

async function inspect(template: unknown): Promise<ExpressionInspection> {
  const problems: ExpressionProblem[] = [];
  const steps: { pointer: string; name: string }[] = [];
  const paths = new Set<string>();
  for (const { text, pointer } of textsIn(template, '')) {
    const whole = expressionIn(text);
    for (const part of whole === undefined ? (partsIn(text) ?? [{ text }]) : [{ expression: whole }]) {
      if ('text' in part) {
        if (part.text.includes('{%'))
          problems.push({ pointer, message: 'This opens an expression with {% and does not close it with %}' });
        else if (part.text.endsWith('%}'))
          problems.push({ pointer, message: 'This closes an expression with %} that it does not open with {%' });
      } else if (part.expression === '') {
        problems.push({ pointer, message: 'There is no expression between {% and %}' });
      } else {
        try {
          const references = referencesOf(compile(part.expression).ast());
          for (const name of references.steps) steps.push({ pointer, name });
          for (const path of references.paths) paths.add(path);
          for (const name of await unknownFunctions([...references.functions])) {
            problems.push({ pointer, message: `There is no function $${name}` });
          }
        } catch (error) {
          problems.push({ pointer, ...describe(error) });
        }
      }
    }
  }
  return { problems, steps, paths: [...paths] };
}

function* textsIn(template: unknown, pointer: string): Generator<{ text: string; pointer: string }> {
  if (typeof template === 'string') yield { text: template, pointer };
  if (typeof template !== 'object' || template === null) return;
  for (const [key, member] of Object.entries(template)) yield* textsIn(member, below(pointer, key));
}

/** The names that neither JSONata nor our own functions define. */
async function unknownFunctions(names: string[]): Promise<string[]> {
  const unknown: string[] = [];
  for (const name of names) {
    if ((await compile(`$exists($${name})`).evaluate({})) !== true) unknown.push(name);
  }
  return unknown;
}

function failureFrom(error: unknown): Extract<ExpressionReply, { failure: unknown }>['failure'] {
  if (error instanceof Stopped) return { kind: error.kind, pointer: error.pointer, message: error.message };
  const inExpression = error instanceof Error && 'pointer' in error;
  const pointer = inExpression ? String(error.pointer) : '';
  const problem = describe(inExpression ? error.cause : error);
  const kind = problem.code === 'D1012' ? 'timeout' : problem.code?.startsWith('S') ? 'syntax' : 'evaluation';
  return { kind, pointer, ...problem };
}

/** JSONata throws plain objects; their messages can repeat data of any length. */
function describe(error: unknown): Omit<ExpressionProblem, 'pointer'> {
  if (typeof error !== 'object' || error === null) return { message: 'The expression failed' };
  const { code, message, position } = error as { code?: unknown; message?: unknown; position?: unknown };
  return {
    message: typeof message === 'string' && message !== '' ? message.slice(0, 500) : 'The expression failed',
    ...(typeof code === 'string' && { code }),
    ...(typeof position === 'number' && { position }),
  };
}

/** Numbers from 0 to 1 (the generator sfc32) that depend only on the seed. */
function seededRandom(seed: string): () => number {
  const digest = createHash('sha256').update(seed).digest();
  let [a, b, c, d] = [digest.readInt32LE(0), digest.readInt32LE(4), digest.readInt32LE(8), 1];
  return () => {
    const sum = (((a + b) | 0) + d) | 0;
    d = (d + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = (((c << 21) | (c >>> 11)) + sum) | 0;
    return (sum >>> 0) / 4_294_967_296;
  };
}

function reply(message: ExpressionReply): void {
  process.send?.(message);
}

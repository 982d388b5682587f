import * as z from 'zod/mini';
import { field, integer, text } from '../core/field.ts';
import type { Shape } from '../core/operation.ts';
import { slugPattern } from '../core/slug.ts';

/** `{% … %}`: JSONata over `event`, `steps`, `item` and `run`. */
const expression = () =>
  field(z.string().check(z.regex(/^\{%[\s\S]*%\}$/, 'must be an expression {% … %}'), z.maxLength(10_000)), {
    examples: ["{% event.data.state = 'open' %}"],
  });
const stepName = () =>
  z
    .string()
    .check(z.regex(/^[A-Za-z][A-Za-z0-9_]{0,49}$/, 'must be a name: letters, digits and underscores, at most 50'));
const seconds = (most: number) => integer(1, most);
const day = 86_400;

const callStep = () =>
  z.strictObject({
    name: stepName(),
    call: field(
      z
        .string()
        .check(z.regex(new RegExp(`^[a-z0-9]+/${slugPattern}/[A-Za-z]+$`), 'must be vendor/connection/operation')),
      {
        examples: ['proptt2/dispatch/sendSosToChannel'],
      },
    ),
    input: z.optional(
      field(z.record(z.string(), z.unknown()), { description: 'The input; any text in it may be an expression.' }),
    ),
    if: z.optional(expression()),
    forEach: z.optional(
      field(expression(), { description: 'A list; the step runs once for each `item`, at most 500.' }),
    ),
    onError: z.optional(
      field(z.enum(['stop', 'continue']), {
        description: '`continue`: the run goes on and ends as partial. Default stop.',
      }),
    ),
  });
const waitStep = () =>
  z.strictObject({ name: z.optional(stepName()), wait: z.strictObject({ seconds: seconds(30 * day) }) });
const awaitedEvent = () =>
  z.strictObject({
    event: field(text(100), { description: 'An event type.', examples: ['talk.message.created'] }),
    connection: z.optional(text(60)),
    if: z.optional(expression()),
  });
const waitForStep = () =>
  z.strictObject({
    name: z.optional(stepName()),
    waitFor: z.union([
      z.extend(awaitedEvent(), { seconds: seconds(7 * day) }),
      z.strictObject({
        any: field(z.array(awaitedEvent()).check(z.minLength(1), z.maxLength(10)), {
          description: 'Several events, of which the first ends the wait.',
        }),
        seconds: seconds(7 * day),
      }),
    ]),
  });

const ownDoing = () =>
  z.optional(
    field(z.boolean(), {
      description:
        'True also starts on what an account of this installation did itself. Default false, so that nothing answers itself.',
    }),
  );

const when = () =>
  z.union([
    z.strictObject({ hook: field(text(60), { description: 'The id of a hook.' }), own: ownDoing() }),
    z.strictObject({
      event: field(text(100), {
        description: 'An event type, or a pattern such as talk.*',
        examples: ['talk.message.created'],
      }),
      connection: z.optional(field(text(60), { description: 'A connection, or vendor/connection.' })),
      own: ownDoing(),
    }),
    z.strictObject({
      schedule: z.union([
        z.strictObject({ cron: field(text(100), { examples: ['*/5 * * * *'] }), timeZone: z.optional(text(60)) }),
        z.strictObject({ everySeconds: integer(60, 30 * day) }),
        z.strictObject({ at: z.iso.datetime({ offset: true }) }),
      ]),
      missed: z.optional(
        field(z.enum(['skip', 'once', 'all']), {
          description: 'What becomes of firings that nobody was there for. Default once.',
        }),
      ),
    }),
  ]);

/** An automation as it is written: when → if → do. */
export const automationFields = () =>
  ({
    name: text(100),
    enabled: z._default(z.boolean(), true),
    when: when(),
    if: z.optional(expression()),
    dedupe: z.optional(
      z.strictObject({
        key: field(expression(), {
          description:
            'Runs with the same key run one after another, and only one that wrote something counts within the window.',
        }),
        seconds: seconds(30 * day),
      }),
    ),
    maxPerMinute: z.optional(
      field(integer(1, 600), {
        description: 'Runs a minute whose condition holds; what comes above is kept as suppressed. Default 60.',
      }),
    ),
    do: z.array(z.union([callStep(), waitStep(), waitForStep()])).check(z.minLength(1), z.maxLength(50)),
  }) satisfies Shape;

export const automationSchema = () => z.strictObject(automationFields());
export type Definition = z.output<ReturnType<typeof automationSchema>>;
export type Step = Definition['do'][number];
export type CallStep = z.output<ReturnType<typeof callStep>>;
export type WaitForStep = z.output<ReturnType<typeof waitForStep>>;
export type Awaited = z.output<ReturnType<typeof awaitedEvent>>;
export type Schedule = Extract<Definition['when'], { schedule: unknown }>;

export const isCall = (step: Step): step is CallStep => 'call' in step;
export const isWaitFor = (step: Step): step is WaitForStep => 'waitFor' in step;

/** The events of which a step waits for the first, each with its place below the step. */
export function awaitedBy({ waitFor }: WaitForStep): (Awaited & { pointer: string })[] {
  return 'any' in waitFor
    ? waitFor.any.map((one, at) => ({ ...one, pointer: `/waitFor/any/${at}` }))
    : [{ ...waitFor, pointer: '/waitFor' }];
}

/** The name under which a step's result is found; waits without one are numbered. */
export function nameOf(step: Step, at: number): string {
  return step.name ?? `step${at + 1}`;
}

/** The parts of `vendor/connection/operation`. */
export function target(step: CallStep): { vendor: string; connection: string; operation: string } {
  const [vendor = '', connection = '', operation = ''] = step.call.split('/');
  return { vendor, connection, operation };
}

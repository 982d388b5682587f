import * as z from 'zod/mini';
import { field, integer, named, text } from '../core/field.ts';
import type { Shape } from '../core/operation.ts';
import { slugPattern } from '../core/slug.ts';
import { expressionText } from '../expressions/expression-text.ts';

/** `{% … %}`: JSONata over `event`, `steps`, `item`, `memo`, `quota` and `run`. */
const expression = () =>
  field(expressionText(), {
    examples: ["{% event.data.body.state = 'open' %}"],
  });
const stepName = () =>
  field(
    z
      .string()
      .check(z.regex(/^[A-Za-z][A-Za-z0-9_]{0,49}$/, 'must be a name: letters, digits and underscores, at most 50')),
    { examples: ['siren'] },
  );
const callTarget = () =>
  field(
    z
      .string()
      .check(z.regex(new RegExp(`^[a-z0-9]+/${slugPattern}/[A-Za-z]+$`), 'must be vendor/connection/operation')),
    { examples: ['proptt2/dispatch/sendSosToChannel'] },
  );
const callInput = () =>
  field(z.record(z.string(), z.unknown()), { description: 'The input; any text in it may contain expressions.' });
const seconds = (most: number) => integer(1, most);
const day = 86_400;

/** The maximum number of items of a `forEach`. */
export const maxItems = 2_000;

/** The fields that all kinds of steps share. */
const common = () => ({
  if: z.optional(expression()),
  after: field(z.optional(z.array(stepName()).check(z.minLength(1), z.maxLength(20))), {
    description: 'Earlier steps that this one waits for. A step always waits for those whose output it reads.',
  }),
});
const awaitedEvent = () =>
  named(
    'AwaitedEvent',
    z.strictObject({
      event: field(text(100), { description: 'An event type.', examples: ['talk.message.created'] }),
      connection: z.optional(text(60)),
      if: z.optional(expression()),
    }),
  );
const oneOrMoreEvents = () => z.union([awaitedEvent(), z.array(awaitedEvent()).check(z.minLength(1), z.maxLength(10))]);
const onError = () =>
  field(z.optional(z.enum(['stop', 'continue'])), {
    description: '`continue`: the run continues after the first failed attempt and ends as partial. Default stop.',
  });

const secret = () =>
  field(z.optional(z.boolean()), {
    description: 'True keeps the step’s input, and what it read or worked out, out of the run.',
  });
const list = () =>
  field(expression(), { description: `A list; the step runs once for each \`item\`, at most ${maxItems}.` });
/** How a list is processed. */
const listOptions = () => ({
  concurrency: field(z.optional(integer(1, 10)), {
    description: 'Items at a time. With 1, each item starts when the previous one has ended.',
  }),
  stopOn: field(z.optional(z.array(text(60)).check(z.minLength(1), z.maxLength(20))), {
    description: 'Error codes after which no further item starts, whatever `onError` says.',
    examples: [['vendor_not_acceptable']],
  }),
});

/** A call that is carried out once wherever it appears. */
const singleCall = () =>
  named(
    'InnerCallStep',
    z.strictObject({
      name: stepName(),
      call: callTarget(),
      input: z.optional(callInput()),
      ...common(),
      unless: field(z.optional(oneOrMoreEvents()), {
        description: 'The call is skipped if such an event has arrived since the event that started the run.',
      }),
      onError: onError(),
      retry: field(z.optional(z.strictObject({ attempts: integer(1, 20), seconds: seconds(3600) })), {
        description: 'The total number of attempts, and the pause between them.',
      }),
      timeout: field(z.optional(seconds(780)), { description: 'The time limit of one attempt, in seconds.' }),
      undo: field(z.optional(z.strictObject({ call: callTarget(), input: z.optional(callInput()) })), {
        description: 'The call that reverses this one, for POST /v1/runs/{id}/undo. It is never made automatically.',
      }),
      secret: secret(),
    }),
  );
const callStep = () => named('CallStep', z.extend(singleCall(), { forEach: z.optional(list()), ...listOptions() }));
const setStep = () =>
  named(
    'SetStep',
    z.strictObject({
      name: stepName(),
      set: field(z.unknown(), { description: 'Any JSON with expressions; the step’s output is what they give.' }),
      ...common(),
      secret: secret(),
    }),
  );
const rememberStep = () =>
  named(
    'RememberStep',
    z.strictObject({
      name: stepName(),
      remember: z.strictObject({
        key: field(text(1000), {
          description: 'The name that later runs read as `memo.NAME`; it may contain expressions.',
        }),
        value: field(z.unknown(), { description: 'Any JSON with expressions. Null or no value deletes the key.' }),
        seconds: field(z.optional(seconds(366 * day)), { description: 'How long it is remembered. Default a year.' }),
        expect: field(z.optional(z.unknown()), {
          description:
            'Write only if the memory currently holds this value (null: no value). `written` in the output says whether it was written.',
        }),
      }),
      ...common(),
    }),
  );
const startStep = () =>
  named(
    'StartStep',
    z.strictObject({
      name: stepName(),
      start: field(text(100), { description: 'The id or the name of another automation.' }),
      input: field(z.optional(callInput()), {
        description: 'What the started run sees as `event.data`; by default the item, or nothing.',
      }),
      forEach: z.optional(list()),
      onError: onError(),
      ...common(),
    }),
  );
const waitStep = () =>
  named(
    'WaitStep',
    z.strictObject({ name: z.optional(stepName()), wait: z.strictObject({ seconds: seconds(30 * day) }), ...common() }),
  );
const waitForStep = () =>
  named(
    'WaitForStep',
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
      ...common(),
    }),
  );
/** The steps inside `forEach` or `repeat`. */
const innerStep = () => z.union([singleCall(), setStep(), rememberStep(), waitStep(), waitForStep()]);
const innerSteps = () => z.array(innerStep()).check(z.minLength(1), z.maxLength(20));
const forEachStep = () =>
  named(
    'ForEachStep',
    z.strictObject({
      name: stepName(),
      forEach: list(),
      do: field(innerSteps(), { description: 'The steps for each item, in their order.' }),
      ...listOptions(),
      onError: onError(),
      ...common(),
    }),
  );
const repeatStep = () =>
  named(
    'RepeatStep',
    z.strictObject({
      name: stepName(),
      repeat: z.strictObject({
        do: innerSteps(),
        until: field(expression(), { description: 'Read after each round; true ends the step.' }),
        max: field(integer(1, 100), { description: 'The maximum number of rounds; after that the step fails.' }),
        everySeconds: field(z.optional(seconds(day)), { description: 'The pause between two rounds.' }),
      }),
      ...common(),
    }),
  );
/** The steps that are allowed in a branch of `parallel`. */
const branchStep = () =>
  z.union([callStep(), setStep(), rememberStep(), startStep(), waitStep(), waitForStep(), forEachStep(), repeatStep()]);
const parallelStep = () =>
  named(
    'ParallelStep',
    z.strictObject({
      name: z.optional(stepName()),
      parallel: field(
        z.array(z.array(branchStep()).check(z.minLength(1), z.maxLength(20))).check(z.minLength(2), z.maxLength(10)),
        { description: 'Lists of steps that start together; none waits for another.' },
      ),
      ...common(),
    }),
  );

const ownDoing = () =>
  field(z.optional(z.boolean()), {
    description:
      'True also starts runs for events that an account of this installation caused. Default false, so that an automation does not trigger itself.',
  });

const trigger = () =>
  z.union([
    named(
      'HookTrigger',
      z.strictObject({
        hook: field(text(60), { description: 'The id of a hook.', examples: ['hook-vfkpz4ntqwuqghou'] }),
        own: ownDoing(),
      }),
    ),
    named(
      'EventTrigger',
      z.strictObject({
        event: field(text(100), {
          description: 'An event type, or a pattern such as talk.*',
          examples: ['talk.message.created'],
        }),
        connection: field(z.optional(text(60)), { description: 'A connection, or vendor/connection.' }),
        own: ownDoing(),
      }),
    ),
    named(
      'ScheduleTrigger',
      z.strictObject({
        schedule: z.union([
          z.strictObject({ cron: field(text(100), { examples: ['*/5 * * * *'] }), timeZone: z.optional(text(60)) }),
          z.strictObject({ everySeconds: integer(60, 30 * day) }),
          z.strictObject({ at: z.iso.datetime({ offset: true }) }),
        ]),
        missed: field(z.optional(z.enum(['skip', 'once', 'all'])), {
          description: 'Which firings run that came due while Trunkline was down. Default once.',
        }),
      }),
    ),
  ]);

const when = () =>
  z.union([
    trigger(),
    field(z.array(trigger()).check(z.minLength(1), z.maxLength(10)), {
      description: 'Several triggers, each of which starts a run.',
    }),
  ]);

/** An automation in its source form: when → if → do. */
export const automationFields = () =>
  ({
    name: field(text(100), { examples: ['Alarm panel north'] }),
    enabled: z._default(z.boolean(), true),
    when: when(),
    if: z.optional(expression()),
    dedupe: z.optional(
      z.strictObject({
        key: field(expression(), {
          description:
            'An event with the key of a run that is in progress, or that wrote something within the window, starts nothing.',
        }),
        seconds: seconds(30 * day),
      }),
    ),
    mode: field(z.optional(z.enum(['parallel', 'single', 'queue', 'restart'])), {
      description:
        'What an event does while a run of the automation (with `dedupe`, a run with the same key) is in progress: start another run alongside it, none, one afterwards, or one that replaces it. Default parallel, or single with `dedupe`.',
    }),
    cancelOn: field(z.optional(oneOrMoreEvents()), {
      description:
        'Events that end the run. In their `if`, `event` is such an event and `run.event` the one that started the run.',
    }),
    priority: field(z.optional(z.literal('alarm')), {
      description:
        'Treat the automation as one that raises an alarm, although none of its steps sounds one: its runs wait behind no others, have no limit per minute, and continue near the quota of a connection.',
    }),
    maxPerMinute: field(z.optional(integer(1, 600)), {
      description:
        'Runs per minute whose condition holds; further ones are suppressed. Default 60; no limit for an automation that raises an alarm.',
    }),
    do: z
      .array(
        z.union([
          callStep(),
          setStep(),
          rememberStep(),
          startStep(),
          waitStep(),
          waitForStep(),
          forEachStep(),
          repeatStep(),
          parallelStep(),
        ]),
      )
      .check(z.minLength(1), z.maxLength(50)),
  }) satisfies Shape;

export const automationSchema = () => named('AutomationDefinition', z.strictObject(automationFields()));
export type Definition = z.output<ReturnType<typeof automationSchema>>;
export type Step = Definition['do'][number];
export type CallStep = z.output<ReturnType<typeof callStep>>;
export type SetStep = z.output<ReturnType<typeof setStep>>;
export type WaitStep = z.output<ReturnType<typeof waitStep>>;
export type WaitForStep = z.output<ReturnType<typeof waitForStep>>;
export type RememberStep = z.output<ReturnType<typeof rememberStep>>;
export type StartStep = z.output<ReturnType<typeof startStep>>;
export type ForEachStep = z.output<ReturnType<typeof forEachStep>>;
export type RepeatStep = z.output<ReturnType<typeof repeatStep>>;
export type ParallelStep = z.output<ReturnType<typeof parallelStep>>;
export type Awaited = z.output<ReturnType<typeof awaitedEvent>>;
export type Trigger = z.output<ReturnType<typeof trigger>>;
export type Schedule = Extract<Trigger, { schedule: unknown }>;
/** An awaited event with its location as a JSON pointer. */
export type PlacedEvent = Awaited & { pointer: string };

export const isCall = (step: Step): step is CallStep => 'call' in step;
export const isWaitFor = (step: Step): step is WaitForStep => 'waitFor' in step;
export const isParallel = (step: Step): step is ParallelStep => 'parallel' in step;
/** A list of steps for each item; a single call with `forEach` is not one. */
export const isForEach = (step: Step): step is ForEachStep => 'do' in step;
export const isRepeat = (step: Step): step is RepeatStep => 'repeat' in step;

/** What starts runs of an automation: one trigger, or several. */
export function triggersOf({ when }: Pick<Definition, 'when'>): readonly Trigger[] {
  return Array.isArray(when) ? when : [when];
}

/** The triggers of an automation that are schedules. */
export function schedulesOf(definition: Pick<Definition, 'when'>): Schedule[] {
  return triggersOf(definition).filter((trigger) => 'schedule' in trigger);
}

/** The events that end a run of an automation, each with its location. */
export function cancelledBy({ cancelOn }: Pick<Definition, 'cancelOn'>): PlacedEvent[] {
  return eventsAt(cancelOn, '/cancelOn');
}

/** The events that make a call unnecessary, each with its location below the step. */
export function unlessOf(step: Step): PlacedEvent[] {
  return isCall(step) ? eventsAt(step.unless, '/unless') : [];
}

function eventsAt(events: Awaited | readonly Awaited[] | undefined, pointer: string): PlacedEvent[] {
  if (events === undefined) return [];
  // Only a list has a length; `Array.isArray` does not narrow a readonly one.
  if ('length' in events) return events.map((one, at) => ({ ...one, pointer: `${pointer}/${at}` }));
  return [{ ...events, pointer }];
}

/** The alternative events that a step waits for, each with its location below the step. */
export function awaitedBy({ waitFor }: WaitForStep): PlacedEvent[] {
  return 'any' in waitFor
    ? waitFor.any.map((one, at) => ({ ...one, pointer: `/waitFor/any/${at}` }))
    : [{ ...waitFor, pointer: '/waitFor' }];
}

/** The name under which a step's result is available; a step without one is named after its number. */
export function nameOf(step: Step, at: number): string {
  return step.name ?? `step${at + 1}`;
}

/** The parts of `vendor/connection/operation`. */
export function target(step: { call: string }): { vendor: string; connection: string; operation: string } {
  const [vendor = '', connection = '', operation = ''] = step.call.split('/');
  return { vendor, connection, operation };
}

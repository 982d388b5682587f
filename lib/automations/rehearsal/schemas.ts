import * as z from 'zod/mini';
import { field, integer, moment, named, text } from '../../core/field.ts';
import { eventIdField } from '../../events/routes.ts';
import { runStates, stepStates } from '../runs/runs.ts';

/** The maximum number of steps of one run in an answer. */
export const maxShownSteps = 500;

const saw = () =>
  field(z.optional(z.record(z.string(), z.unknown())), {
    description: 'The values, by path, that were read by the condition or dedupe key that kept it back.',
  });

const shownStep = () =>
  named(
    'RehearsedStep',
    z.looseObject({
      name: z.string(),
      index: field(z.int(), { description: 'The item of a list, or the round of a repetition, from 0.' }),
      call: field(z.optional(z.string()), {
        description: '`vendor/connection/operation`, or the kind of another step.',
      }),
      effect: field(z.optional(z.enum(['read', 'write', 'destructive', 'session'])), {
        description: 'The effect of the call.',
      }),
      state: field(z.enum(stepStates), { description: 'How it would end if every vendor accepted its calls.' }),
      reason: field(z.optional(z.string()), { description: 'Why it would be skipped.' }),
      problem: field(z.optional(z.string()), { description: 'What would make it fail, or what cannot be known.' }),
      startedAt: field(z.string(), { description: 'When it would start; waits take no time in a rehearsal.' }),
      afterSeconds: field(z.number(), { description: 'Seconds from the start of the run.' }),
      input: field(z.optional(z.unknown()), { description: 'The rendered input, redacted.' }),
      output: field(z.optional(z.unknown()), { description: 'Its output; absent where it is not known.' }),
      performed: field(z.optional(z.boolean()), { description: 'True for a read that was really performed.' }),
      unknown: field(z.optional(z.array(z.string())), {
        description: 'Earlier steps that it reads whose output is not known. Give it in `outputs`, or set `reads`.',
      }),
      saw: saw(),
    }),
  );

/** A run that was rehearsed. */
const shownRunSchema = () => ({
  runs: field(z.boolean(), { description: 'False where the event would start nothing: skipped or suppressed.' }),
  state: field(z.enum(runStates), { description: 'How it would end; `running` where the rehearsal ended first.' }),
  reason: z.optional(z.string()),
  dedupeKey: z.optional(z.string()),
  saw: saw(),
  automation: z.string(),
  automationId: z.optional(z.string()),
  eventId: z.optional(z.string()),
  startedAt: z.string(),
  endedAt: z.optional(z.string()),
  steps: field(z.array(shownStep()), { description: `In the order of their start; at most ${maxShownSteps}.` }),
  stepCount: field(integer(0, Number.MAX_SAFE_INTEGER), { description: 'The number of steps, shown or not.' }),
});
export type ShownRun = z.output<z.ZodMiniObject<ReturnType<typeof shownRunSchema>>>;

/** What a rehearsal starts with. */
export const rehearsalFields = () => ({
  event: field(z.optional(z.record(z.string(), z.unknown())), {
    description:
      'A sample event: {type, data, …} as in the event list. Missing fields are filled in; if omitted, a sample of the type that starts the automation is used.',
  }),
  eventId: field(z.optional(eventIdField()), {
    description:
      'A stored event instead. The rehearsal takes place at the time of the event, without the other runs of that time.',
  }),
  reads: field(z.optional(z.boolean()), {
    description:
      'True really performs the operations whose effect is a read, with the scopes of your key. Nothing else is ever performed.',
  }),
  outputs: field(z.optional(z.record(z.string(), z.unknown())), {
    description:
      'The outputs to assume for steps, by name: the response of a call (for `forEach`, a list with one per item), or the event that ended a wait.',
  }),
});
export type RehearsalInput = z.output<z.ZodMiniObject<ReturnType<typeof rehearsalFields>>>;

/** What a rehearsal answers. */
export const rehearsed = () =>
  named(
    'Rehearsal',
    z.looseObject({
      ...shownRunSchema(),
      complete: field(z.boolean(), { description: 'False where the limits of a rehearsal ended it before the run.' }),
      problem: field(z.optional(z.string()), { description: 'Why the event would not start the automation at all.' }),
      event: field(z.looseObject({ type: z.string(), data: z.optional(z.unknown()) }), {
        description: 'The event that the run sees.',
      }),
      undo: field(z.array(z.looseObject({ call: z.string(), input: z.unknown() })), {
        description: 'The calls with which POST /v1/runs/{id}/undo would reverse the run, in their order.',
      }),
      started: field(z.array(z.looseObject(shownRunSchema())), {
        description: 'The runs of other automations that its `start` steps would start.',
      }),
    }),
  );

/** What a backtest starts with. */
export const backtestFields = () => ({
  since: field(moment(), { description: 'Events stored at or after this time.', examples: ['2026-01-05T00:00:00Z'] }),
  until: field(z.optional(moment()), { description: 'Events stored at or before this time. Default now.' }),
  limit: field(z._default(integer(1, 200), 50), { description: 'The maximum number of events. Default 50.' }),
  after: field(z.optional(z.string().check(z.regex(/^\d{1,16}~[\w-]{1,80}$/, 'must be the `next` of another page'))), {
    description: 'The `next` of the previous page.',
  }),
  outputs: field(z.optional(z.record(z.string(), z.unknown())), {
    description: 'The outputs to assume for steps in every run, by name, as in a rehearsal.',
  }),
});
export type BacktestInput = z.output<z.ZodMiniObject<ReturnType<typeof backtestFields>>>;

/** What a backtest answers. */
export const backtested = () =>
  named(
    'Backtest',
    z.looseObject({
      since: z.string(),
      until: z.string(),
      events: field(z.int(), { description: 'The events and firings on this page that start the automation.' }),
      next: field(z.optional(z.string()), {
        description:
          'Where the next page begins, for `after`; absent on the last. Each page begins with an empty memory and without dedupe keys.',
      }),
      summary: z.looseObject({
        runs: field(z.record(z.string(), z.int()), { description: 'The number of runs by how they would have ended.' }),
        calls: field(z.record(z.string(), z.int()), {
          description: 'The number of calls that would have been made, by `vendor/connection/operation`.',
        }),
      }),
      runs: field(z.array(z.looseObject(shownRunSchema())), {
        description: 'Every run, oldest first, with those that they would have started.',
      }),
    }),
  );
/** What a drill starts with. */
export const drillFields = () => {
  const { event, eventId } = rehearsalFields();
  return {
    event,
    eventId: field(eventId, { description: 'A stored event instead.' }),
    connections: field(z.optional(z.record(z.string(), text(60))), {
      description:
        'The name of the connection that replaces each `vendor/connection`. Default: the connection `demo` of the vendor.',
    }),
  };
};
export type DrillInput = z.output<z.ZodMiniObject<ReturnType<typeof drillFields>>>;

export type Backtest = z.output<ReturnType<typeof backtested>>;

export type Rehearsal = z.output<ReturnType<typeof rehearsed>>;

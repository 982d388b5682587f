import * as z from 'zod/mini';
import type { ControlArea } from '../api/scopes.ts';
import type { EventType } from '../core/event-type.ts';

/** The prefix of hook ids. An id takes the place of an event's connection, and therefore has the form of a slug. */
export const hookPrefix = 'hook-';

/** Event types that Trunkline itself emits. Their `readBy` is a control area, whose `read` scope they require. */
interface OwnType extends EventType {
  readonly readBy: ControlArea;
}

/** The event types that Trunkline itself emits. */
export const ownEventTypes = {
  'trunkline.connection.needs_attention': {
    summary: 'A connection was locked and works again only after a person changed it',
    readBy: 'connections',
    data: () => z.looseObject({ vendor: z.string(), connection: z.string(), reason: z.string() }),
    sample: { vendor: 'proptt2', connection: 'dispatch', reason: 'ProPTT2 refused the interaction key.' },
  },
  'trunkline.polling.incomplete': {
    summary: 'Part of what an event source should find cannot be read',
    readBy: 'connections',
    data: () => z.looseObject({ vendor: z.string(), connection: z.string(), source: z.string(), reason: z.string() }),
    sample: {
      vendor: 'timetonic',
      connection: 'desk',
      source: 'books',
      reason: 'No events come from the table Readings (126190): it has more than 50,000 rows.',
    },
  },
  'trunkline.delivery.given_up': {
    summary: 'An event could not be delivered to a subscription and is no longer retried',
    readBy: 'deliveries',
    data: () =>
      z.looseObject({
        deliveryId: z.string(),
        subscriptionId: z.string(),
        target: z.string(),
        eventId: z.string(),
        eventType: z.string(),
        attempts: z.int(),
        reason: z.string(),
      }),
    sample: {
      deliveryId: 'dlv_2m7c4k1x9q',
      subscriptionId: 'sub_k3v7m2q9x4w8t6r1',
      target: 'hooks.example.com',
      eventId: 'evt_Qm3sT9xK2vL7pR4wZ8nB6cY1dF0',
      eventType: 'talk.message.created',
      attempts: 10,
      reason: 'The target answered 503.',
    },
  },
  'trunkline.subscription.disabled': {
    summary: 'A subscription was switched off after its target had failed for days',
    readBy: 'subscriptions',
    data: () =>
      z.looseObject({ subscriptionId: z.string(), target: z.string(), failingSince: z.string(), reason: z.string() }),
    sample: {
      subscriptionId: 'sub_k3v7m2q9x4w8t6r1',
      target: 'hooks.example.com',
      failingSince: '2026-01-05T02:11:09.000Z',
      reason: 'Nothing was accepted for 5 days.',
    },
  },
  'trunkline.subscription.gone': {
    summary: 'A subscription was switched off because its target answered 410 Gone',
    readBy: 'subscriptions',
    data: () => z.looseObject({ subscriptionId: z.string(), target: z.string(), reason: z.string() }),
    sample: {
      subscriptionId: 'sub_k3v7m2q9x4w8t6r1',
      target: 'hooks.example.com',
      reason: 'The target answered 410 Gone.',
    },
  },
  'trunkline.subscription.filter_failed': {
    summary: 'The filter of a subscription could not be evaluated, so an event was not delivered',
    readBy: 'subscriptions',
    data: () =>
      z.looseObject({
        subscriptionId: z.string(),
        target: z.string(),
        eventId: z.string(),
        eventType: z.string(),
        reason: z.string(),
      }),
    sample: {
      subscriptionId: 'sub_k3v7m2q5x4w3t6r7',
      target: 'hooks.example.com',
      eventId: 'evt_Qm3sT9xK2vL7pR4wZ8nB6cY1dF0',
      eventType: 'trunkline.hook.received',
      reason: 'The values "high" and 3 either side of operator ">" must be of the same data type',
    },
  },
  'trunkline.run.failed': {
    summary: 'A run of an automation failed, wholly or in part',
    readBy: 'runs',
    data: () =>
      z.looseObject({
        runId: z.string(),
        automationId: z.optional(z.string()),
        automation: z.string(),
        eventId: z.optional(z.string()),
        state: z.enum(['failed', 'partial']),
        reason: z.string(),
        failures: z.array(z.looseObject({ step: z.string(), reason: z.string() })),
      }),
    sample: {
      runId: 'run_k3v7m2q9x4w7t6r2_mk0q2ps8_5f0c9a1d7e3b',
      automationId: 'k3v7m2q9x4w7t6r2',
      automation: 'Fire alarm',
      eventId: 'evt_Qm3sT9xK2vL7pR4wZ8nB6cY1dF0',
      state: 'partial',
      reason: 'Step siren: ProPTT2 could not be reached.',
      failures: [{ step: 'siren', reason: 'Step siren: ProPTT2 could not be reached.' }],
    },
  },
  'trunkline.runs.suppressed': {
    summary: 'Runs of an automation were suppressed in a minute because they exceeded its maxPerMinute',
    readBy: 'runs',
    data: () => z.looseObject({ automationId: z.string(), automation: z.string(), minute: z.string(), count: z.int() }),
    sample: {
      automationId: 'k3v7m2q9x4w7t6r2',
      automation: 'Fire alarm',
      minute: '2026-01-05T02:11:00.000Z',
      count: 37,
    },
  },
  'trunkline.sending.resumed': {
    summary: 'Sending was resumed after a pause; what waited is sent now',
    readBy: 'pause',
    data: () =>
      z.looseObject({
        pausedAt: z.string(),
        pausedBy: z.string(),
        reason: z.optional(z.string()),
        resumedBy: z.string(),
      }),
    sample: {
      pausedAt: '2026-01-05T01:40:00.000Z',
      pausedBy: 'Control room',
      reason: 'Testing the alarm panel',
      resumedBy: 'Control room',
    },
  },
  'trunkline.link.opened': {
    summary: 'Somebody opened and confirmed a link of a run',
    readBy: 'runs',
    data: () =>
      z.looseObject({ runId: z.string(), automationId: z.string(), automation: z.string(), name: z.string() }),
    sample: {
      runId: 'run_k3v7m2q9x4w7t6r2_mk0q2ps8_5f0c9a1d7e3b',
      automationId: 'k3v7m2q9x4w7t6r2',
      automation: 'Escalation',
      name: 'ack',
    },
  },
  'trunkline.hook.silent': {
    summary: 'A hook that is expected to be busy has received nothing for too long',
    readBy: 'hooks',
    data: () =>
      z.looseObject({
        hookId: z.string(),
        hook: z.string(),
        silentAfterSeconds: z.int(),
        lastReceivedAt: z.optional(z.string()),
      }),
    sample: {
      hookId: 'hook-k3v7m2q9x4w7t6r2',
      hook: 'Alarm panel',
      silentAfterSeconds: 86_400,
      lastReceivedAt: '2026-01-04T02:11:09.000Z',
    },
  },
  'trunkline.self_test.started': {
    summary: 'The self-test began; the automation that serves as the test starts with it',
    readBy: 'runs',
    data: () => z.looseObject({ automationId: z.string(), automation: z.string() }),
    sample: { automationId: '4k9m2x7q5w5t2v3r', automation: 'Self-test' },
  },
  'trunkline.self_test.failed': {
    summary: 'The self-test failed or took too long',
    readBy: 'runs',
    data: () =>
      z.looseObject({
        automationId: z.string(),
        automation: z.string(),
        eventId: z.string(),
        runId: z.optional(z.string()),
        latencyMs: z.optional(z.int()),
        reason: z.string(),
      }),
    sample: {
      automationId: '4k9m2x7q5w5t2v3r',
      automation: 'Self-test',
      eventId: 'evt_Qm3sT9xK2vL7pR4wZ8nB6cY1dF0',
      runId: 'run_4k9m2x7q5w5t2v3r_mk0c1k8d_0f3a9c27b1de',
      latencyMs: 11_200,
      reason: 'The run took 11200 ms; 10000 are allowed.',
    },
  },
  'trunkline.hook.received': {
    summary: 'Somebody posted to a hook; the connection is the id of the hook',
    readBy: 'hooks',
    data: () =>
      z.looseObject({
        hookId: z.string(),
        hook: z.string(),
        method: z.string(),
        contentType: z.nullable(z.string()),
        headers: z.record(z.string(), z.string()),
        query: z.record(z.string(), z.union([z.string(), z.array(z.string())])),
        body: z.unknown(),
      }),
    sample: {
      hookId: 'hook-k3v7m2q9x4w7t6r2',
      hook: 'Alarm panel',
      method: 'POST',
      contentType: 'application/json',
      headers: { 'user-agent': 'AlarmPanel/4.2' },
      query: {},
      body: { event_id: 'E-991', site: 'S12', zone: 'Z3', kind: 'Fire', severity: 'critical', state: 'open' },
    },
  },
} as const satisfies Record<string, OwnType>;

export type OwnEventType = keyof typeof ownEventTypes;

/** Ends the waits of what could not be sent during a pause. */
export const resumption: OwnEventType = 'trunkline.sending.resumed';

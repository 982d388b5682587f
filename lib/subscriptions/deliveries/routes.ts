import * as z from 'zod/mini';
import type { Principal } from '../../api/keys/key-check.ts';
import { Answer, type Route, route } from '../../api/route.ts';
import { GatewayError } from '../../core/errors.ts';
import { field, integer, moment, named } from '../../core/field.ts';
import type { EventCatalogue } from '../../core/vendor.ts';
import { eventTypesOf } from '../../events/event-types.ts';
import { findEvent, isKept, retentionMs } from '../../events/log.ts';
import { eventIdField } from '../../events/routes.ts';
import { type ReplayServices, replayRange } from '../replay.ts';
import { findSubscription } from '../subscriptions.ts';
import { type DeliveryItem, deliveryKey, deliveryStates, readDelivery, replayDelivery } from './deliveries.ts';
import { listDeliveries, maySeeDelivery } from './list.ts';

const subscriptionField = () =>
  z.string().check(z.regex(/^sub_[a-z2-7]{16}$/, 'must be the id of a subscription, sub_ and 16 characters'));
const deliveryField = () =>
  z.string().check(z.refine((id) => deliveryKey(id) !== undefined, 'must be the id of a delivery'));
const shown = () =>
  named(
    'Delivery',
    z.looseObject({
      id: z.string(),
      subscriptionId: z.string(),
      eventId: z.string(),
      eventType: z.string(),
      state: z.enum(deliveryStates),
      attempts: z.array(z.looseObject({ number: z.int(), at: z.string(), ms: z.int(), status: z.optional(z.int()) })),
      createdAt: z.string(),
    }),
  );

/** The routes of deliveries: the outcome of each, attempt by attempt, and replays. */
export function deliveryRoutes(services: ReplayServices, vendors: EventCatalogue): Route[] {
  const shared = { tag: 'Deliveries', area: 'deliveries' } as const;
  const known = () => eventTypesOf(vendors);

  async function find(principal: Principal, id: string): Promise<DeliveryItem> {
    const item = await readDelivery(services, id);
    if (item && isKept(item, services.clock.now()) && maySeeDelivery(principal, item)) return item;
    throw new GatewayError(
      'not_found',
      `There is no delivery ${JSON.stringify(id.slice(0, 80))} that this key may see. Deliveries are kept 30 days.`,
    );
  }

  async function findActive(principal: Principal, id: string) {
    const subscription = await findSubscription(services.table, principal, id, known());
    if (subscription.state === 'active') return subscription;
    throw new GatewayError(
      'conflict',
      `The subscription is ${subscription.state}. Switch it on with PATCH /v1/subscriptions/${id} {"enabled": true} first.`,
    );
  }

  return [
    route({
      ...shared,
      call: 'GET /v1/deliveries',
      operationId: 'listDeliveries',
      summary: 'List deliveries, those of the newest events first',
      input: () => ({
        subscription: z.optional(subscriptionField()),
        event: z.optional(eventIdField()),
        state: z.optional(z.enum(deliveryStates)),
        limit: field(z._default(integer(1, 500), 100), { description: 'Default 100.' }),
        before: field(z.optional(deliveryField()), { description: 'The deliveries that follow this one in the list.' }),
      }),
      output: () => z.array(shown()),
      handle: async ({ input, principal, request }) =>
        (await listDeliveries(services, principal, input, request.signal)).map(showDelivery),
    }),
    route({
      ...shared,
      call: 'GET /v1/deliveries/{id}',
      operationId: 'getDelivery',
      summary: 'Get a delivery with every attempt',
      output: shown,
      handle: async ({ params: { id = '' }, principal }) => showDelivery(await find(principal, id)),
    }),
    route({
      ...shared,
      call: 'POST /v1/deliveries/{id}/replay',
      operationId: 'replayDelivery',
      summary: 'Send the event of a delivery again, with ten new attempts',
      write: true,
      status: 202,
      output: shown,
      handle: async ({ params: { id = '' }, principal }) => {
        const item = await find(principal, id);
        const subscription = await findActive(principal, item.subscriptionId);
        const event = await findEvent(services, item.eventId);
        if (!event) throw new GatewayError('not_found', 'The event of this delivery is older than 30 days.');
        return showDelivery(await replayDelivery(services, item, event, subscription));
      },
    }),
    route({
      ...shared,
      call: 'POST /v1/deliveries/replay',
      operationId: 'replayDeliveries',
      summary: 'Send a range of events again',
      write: true,
      status: 202,
      input: () => ({
        subscription: subscriptionField(),
        from: field(z.optional(moment()), { description: 'When the event was stored. Default 30 days ago.' }),
        to: field(z.optional(moment()), { description: 'Default now.' }),
        states: field(z._default(z.array(z.enum(deliveryStates)).check(z.minLength(1)), ['given_up', 'cancelled']), {
          description:
            'The states to repeat, judged by the last delivery of each event. Default given_up and cancelled.',
        }),
        missing: field(z._default(z.boolean(), false), {
          description:
            'Also events that were never delivered, because the subscription was disabled or did not exist yet.',
        }),
      }),
      output: () => z.looseObject({ deliveries: z.array(z.string()), nextFrom: z.optional(z.string()) }),
      handle: async ({ input, principal }) => {
        const subscription = await findActive(principal, input.subscription);
        const now = services.clock.now();
        const { deliveries, nextFrom } = await replayRange(services, subscription, {
          from: input.from === undefined ? now - retentionMs : Date.parse(input.from),
          to: input.to === undefined ? now : Date.parse(input.to),
          states: input.states,
          missing: input.missing,
        });
        return new Answer(202, { deliveries, nextFrom: at(nextFrom) });
      },
    }),
  ];
}

/** A delivery as the API returns it. */
export function showDelivery(item: DeliveryItem) {
  const { id, subscriptionId, eventId, eventType, vendor, connection, replay, state, reason } = item;
  return {
    id,
    subscriptionId,
    eventId,
    eventType,
    vendor,
    connection,
    replay,
    state,
    reason,
    attempts: item.attempts.map(({ turn, ...attempt }) => ({ ...attempt, at: at(attempt.at) })),
    nextAttemptAt: at(item.nextAttemptAt),
    createdAt: at(item.createdAt),
    finishedAt: at(item.finishedAt),
  };
}

function at(time: number | undefined): string | undefined {
  return time === undefined ? undefined : new Date(time).toISOString();
}

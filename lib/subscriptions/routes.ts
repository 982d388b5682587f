import * as z from 'zod/mini';
import type { Principal } from '../api/keys/key-check.ts';
import { type Route, route } from '../api/route.ts';
import type { Connections } from '../connections/connections.ts';
import { GatewayError, refusedField } from '../core/errors.ts';
import { field, integer, named, text } from '../core/field.ts';
import { type AddressPolicy, checkUrl } from '../core/http/address-policy.ts';
import { defined } from '../core/record.ts';
import type { EventCatalogue } from '../core/vendor.ts';
import { eventTypesOf } from '../events/event-types.ts';
import { matchesType } from '../events/list.ts';
import { scopeToRead } from '../events/reading.ts';
import { connectionProblem, typeProblem } from '../events/references.ts';
import { connectionField, typeField } from '../events/routes.ts';
import { conditionProblem } from '../expressions/condition.ts';
import { mayReceive, maySee } from './reach.ts';
import { rotateSigningSecret } from './secrets.ts';
import {
  changeSubscription,
  createSubscription,
  findSubscription,
  listSubscriptions,
  readSubscription,
  removeSubscription,
  type SubscriptionItem,
  type SubscriptionServices,
} from './subscriptions.ts';

export interface SubscriptionRouteServices extends SubscriptionServices {
  vendorNames: readonly string[];
  connections: Connections;
  targets: AddressPolicy;
}

const url = () =>
  field(text(2048), { description: 'Where events are posted to; https.', examples: ['https://hooks.example.com/a'] });
const types = () => z.array(typeField()).check(z.minLength(1), z.maxLength(50));
const filter = () =>
  field(text(4000), {
    description: 'A JSONata expression over `event`; only events for which it is true are delivered.',
    examples: ['event.data.actorType = "users"'],
  });
const shown = () =>
  named(
    'Subscription',
    z.looseObject({
      id: z.string(),
      url: z.string(),
      types: z.array(z.string()),
      connection: z.optional(z.string()),
      filter: z.optional(z.string()),
      state: z.enum(['active', 'paused', 'disabled', 'gone']),
      createdAt: z.string(),
    }),
  );
const shownOnce = () =>
  named('NewSubscription', z.extend(shown(), { secret: field(z.string(), { description: 'Shown only this once.' }) }));

/** The routes of subscriptions: REST hooks as Zapier-style clients use them. */
export function subscriptionRoutes(services: SubscriptionRouteServices, vendors: EventCatalogue): Route[] {
  const shared = { tag: 'Subscriptions', area: 'subscriptions' } as const;
  const known = () => eventTypesOf(vendors);
  const find = (principal: Principal, id = '') => findSubscription(services.table, principal, id, known());

  async function check(principal: Principal, wanted: Partial<SubscriptionItem>): Promise<void> {
    if (wanted.url !== undefined) checkTarget(wanted.url, services.targets);
    for (const [at, pattern] of (wanted.types ?? []).entries()) {
      const problem = typeProblem(known(), pattern);
      if (problem !== undefined) throw refusedField(`/types/${at}`, problem);
    }
    if (wanted.filter !== undefined) {
      const problem = await conditionProblem(wanted.filter);
      if (problem !== undefined) throw refusedField('/filter', problem);
    }
    const reach = { types: wanted.types ?? [], connection: wanted.connection };
    for (const pattern of reach.types) {
      if (mayReceive(principal.scopes, { types: [pattern], connection: reach.connection }, known())) continue;
      const [type] = known().filter(({ type }) => matchesType(pattern, type));
      const needed = type === undefined ? '' : ` It lacks the scope ${scopeToRead(type, reach.connection)}.`;
      throw new GatewayError('forbidden', `This key may not read ${pattern}.${needed}`);
    }
    if (wanted.connection === undefined) return;
    const problem = await connectionProblem(services, wanted.connection, reach.types);
    if (problem !== undefined) throw refusedField('/connection', problem);
  }

  return [
    route({
      ...shared,
      call: 'POST /v1/subscriptions',
      operationId: 'createSubscription',
      summary: 'Create a subscription: events are posted to a URL, signed according to Standard Webhooks',
      write: true,
      status: 201,
      input: () => ({
        url: url(),
        types: types(),
        connection: z.optional(connectionField()),
        filter: z.optional(filter()),
        description: z.optional(text(200)),
      }),
      output: shownOnce,
      handle: async ({ input, principal }) => {
        await check(principal, defined(input));
        const { item, secret } = await createSubscription(services, principal, input);
        return { ...show(item), secret };
      },
    }),
    route({
      ...shared,
      call: 'GET /v1/subscriptions',
      operationId: 'listSubscriptions',
      summary: 'List the subscriptions',
      output: () => z.array(shown()),
      handle: async ({ principal }) =>
        (await listSubscriptions(services.table)).filter((item) => maySee(principal, item, known())).map(show),
    }),
    route({
      ...shared,
      call: 'GET /v1/subscriptions/{id}',
      operationId: 'getSubscription',
      summary: 'Get a subscription',
      output: shown,
      handle: async ({ params, principal }) => show(await find(principal, params.id)),
    }),
    route({
      ...shared,
      call: 'PATCH /v1/subscriptions/{id}',
      operationId: 'changeSubscription',
      summary: 'Change a subscription, pause it, or switch it on again',
      write: true,
      input: () => ({
        url: z.optional(url()),
        types: z.optional(types()),
        connection: field(z.optional(z.nullable(connectionField())), { description: 'null: of all connections.' }),
        filter: field(z.optional(z.nullable(filter())), { description: 'null: no filter.' }),
        description: z.optional(z.nullable(text(200))),
        enabled: field(z.optional(z.boolean()), { description: 'false pauses; true also undoes a disabled state.' }),
      }),
      output: shown,
      handle: async ({ params, input, principal }) => {
        const item = await find(principal, params.id);
        const { enabled, ...rest } = input;
        const after = { ...item, ...defined(rest) };
        const changed = Object.fromEntries(Object.entries(after).filter(([, value]) => value !== null));
        // A key can change a subscription only into one that it could have created itself.
        await check(principal, changed as Partial<SubscriptionItem>);
        return show(await changeSubscription(services.table, services.clock, item, input));
      },
    }),
    route({
      ...shared,
      call: 'POST /v1/subscriptions/{id}/rotate',
      operationId: 'rotateSubscriptionSecret',
      summary: 'Rotate the secret of a subscription',
      write: true,
      input: () => ({
        overlapSeconds: field(z._default(integer(0, 604_800), 86_400), {
          description: 'How long deliveries are also signed with the old secret. Default one day.',
        }),
      }),
      output: shownOnce,
      handle: async ({ params, input, principal }) => {
        const item = await find(principal, params.id);
        const secret = await rotateSigningSecret(services, item, input.overlapSeconds);
        return { ...show(item), secret };
      },
    }),
    route({
      ...shared,
      call: 'DELETE /v1/subscriptions/{id}',
      operationId: 'deleteSubscription',
      summary: 'Delete a subscription; deleting it again is not an error',
      write: true,
      status: 204,
      handle: async ({ params: { id = '' }, principal }) => {
        const item = await readSubscription(services.table, id);
        if (!item || item.state === 'removed') return;
        await find(principal, id);
        await removeSubscription(services, id, 'It was deleted.');
      },
    }),
  ];
}

function checkTarget(target: string, policy: AddressPolicy): void {
  const problem = checkUrl(target, policy);
  // The policy of targets is not a setting of the caller.
  if (problem !== undefined) throw refusedField('/url', problem.split(';')[0] ?? problem);
}

function show(item: SubscriptionItem) {
  const at = (time: number | undefined) => (time === undefined ? undefined : new Date(time).toISOString());
  const { id, url, types, connection, filter, description, state, reason, filterProblem } = item;
  return {
    id,
    url,
    types,
    connection,
    filter,
    description,
    state,
    reason,
    filterProblem,
    failingSince: at(item.failingSince),
    createdAt: at(item.createdAt),
    updatedAt: at(item.updatedAt),
  };
}

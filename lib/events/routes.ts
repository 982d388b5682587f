import * as z from 'zod/mini';
import { type Route, route } from '../api/route.ts';
import { mayRead } from '../api/scopes.ts';
import type { Connections } from '../connections/connections.ts';
import { GatewayError, refusedField } from '../core/errors.ts';
import { field, integer, named } from '../core/field.ts';
import { slugPattern } from '../core/slug.ts';
import type { EventCatalogue } from '../core/vendor.ts';
import { eventTypesOf } from './event-types.ts';
import { type ListServices, listEvents, readableConnections, readableVendors } from './list.ts';
import { noteReader } from './listening.ts';
import { findEvent, shownEvent } from './log.ts';
import { mayReadEvent, scopeToRead } from './reading.ts';
import { connectionProblem, typeProblem } from './references.ts';

/** The id of an event. */
export const eventIdField = () =>
  z.string().check(z.regex(/^evt_[A-Za-z0-9_-]{27}$/, 'must be the id of an event, evt_ and 27 characters'));
/** A connection's slug, or `vendor/slug`. */
export const connectionField = () =>
  field(
    z
      .string()
      .check(z.regex(new RegExp(`^([a-z0-9]+/)?${slugPattern}$`), 'must be the name of a connection, or vendor/name')),
    {
      description: 'The name of a connection, or `vendor/name`.',
      examples: ['dispatch', 'talk/team'],
      choices: { kind: 'connections' },
    },
  );
/** An event type or a pattern of them. */
export const typeField = () =>
  field(
    z
      .string()
      .check(
        z.regex(/^(\*|[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)*(\.\*)?)$/, 'must be an event type, or one that ends in .*'),
        z.maxLength(200),
      ),
    {
      description: 'An event type, `talk.*`, `talk.message.*` or `*`.',
      examples: ['talk.message.created'],
      choices: { kind: 'event-types' },
    },
  );

const event = () =>
  named(
    'Event',
    z.looseObject({
      id: z.string(),
      type: z.string(),
      timestamp: z.string(),
      vendor: z.string(),
      connection: z.string(),
      data: z.record(z.string(), z.unknown()),
    }),
  );

export interface EventRouteServices extends ListServices {
  connections: Connections;
}

/** The routes of the event log and of event types. */
export function eventRoutes(services: EventRouteServices, vendors: EventCatalogue): Route[] {
  const shared = { tag: 'Events', area: 'events' } as const;
  return [
    route({
      ...shared,
      call: 'GET /v1/events',
      operationId: 'listEvents',
      summary: 'List events, newest first, as polling triggers expect them',
      input: () => ({
        type: z.optional(typeField()),
        connection: z.optional(connectionField()),
        limit: field(z._default(integer(1, 500), 100), { description: 'Default 100.' }),
        after: field(z.optional(eventIdField()), { description: 'Events after this one, oldest first.' }),
        before: field(z.optional(eventIdField()), { description: 'Events before this one, newest first.' }),
      }),
      output: () => z.array(event()),
      handle: async ({ input, principal: { scopes } }) => {
        if (input.after !== undefined && input.before !== undefined) {
          throw new GatewayError('invalid_input', 'Give after or before, not both.', {
            errors: [{ pointer: '/before', message: 'cannot be combined with after' }],
          });
        }
        const readable = (vendor: string, connection: string) => mayRead(scopes, vendor, connection);
        const { type, connection } = input;
        if (type !== undefined) refuse('/type', typeProblem(eventTypesOf(vendors), type));
        if (connection !== undefined)
          refuse('/connection', await connectionProblem(services, connection, [type ?? '*'], readable));
        // The list is returned even if the note cannot be written; the next read writes it.
        await noteReader(services, input).catch(() => undefined);
        return listEvents(services, {
          ...input,
          scopes,
          known: readableConnections(scopes),
          vendors: readableVendors(scopes),
          types: eventTypesOf(vendors),
        });
      },
    }),
    route({
      ...shared,
      call: 'GET /v1/events/{id}',
      operationId: 'getEvent',
      summary: 'Get an event',
      output: event,
      handle: async ({ params: { id = '' }, principal: { scopes } }) => {
        const item = await findEvent(services, id);
        if (item && mayReadEvent(scopes, item)) return shownEvent(services.files, item);
        throw new GatewayError(
          'not_found',
          `There is no event ${JSON.stringify(id.slice(0, 80))} that this key may see. Events are kept 30 days.`,
        );
      },
    }),
    route({
      ...shared,
      call: 'GET /v1/event-types',
      operationId: 'listEventTypes',
      summary: 'List every event type with its schema and a sample',
      output: () =>
        z.array(
          z.looseObject({
            type: z.string(),
            vendor: z.string(),
            summary: z.string(),
            scope: field(z.string(), { description: 'The scope that a key needs to read these events.' }),
            schema: z.record(z.string(), z.unknown()),
            sample: event(),
          }),
        ),
      handle: async () => {
        const { plainSchema } = await import('../core/json-schema/plain.ts');
        return eventTypesOf(vendors).map(({ type, vendor, summary, readBy, data, sample }) => ({
          type,
          vendor,
          summary,
          scope: scopeToRead({ type, vendor, readBy }, '{connection}'),
          schema: plainSchema(data(), 'output'),
          sample: {
            id: 'evt_SampleSampleSampleSampleSam',
            type,
            timestamp: '2026-01-05T02:11:09.000Z',
            vendor,
            connection: 'sample',
            data: sample,
          },
        }));
      },
    }),
  ];
}

function refuse(pointer: string, message: string | undefined): void {
  if (message !== undefined) throw refusedField(pointer, message);
}

import * as z from 'zod/mini';
import type { EventType } from '../../core/event-type.ts';
import type { Catalogue, Vendor } from '../../core/vendor.ts';
import { type Part, problemsOf } from './problems.ts';
import type { JsonSchema } from './schema.ts';
import type { SchemaComponents } from './schema-components.ts';
import { pascalCase } from './schema-names.ts';

export const inboundTag = 'Inbound webhooks';
export const eventTag = 'Event deliveries';

/** `POST /hooks/{token}`, where third parties post to; the token is the key. */
export function hookPath(): Record<string, Part> {
  const id = { type: 'string', description: "The event's id." };
  return {
    '/hooks/{token}': {
      parameters: [
        {
          name: 'token',
          in: 'path',
          required: true,
          schema: { type: 'string' },
          description: "From the hook's `url`.",
        },
      ],
      post: {
        tags: [inboundTag],
        operationId: 'receiveHook',
        summary: 'Post to a hook',
        description:
          'Stored first, then answered. What the hook verifies (a signature, a secret) is set when it is made.',
        security: [],
        parameters: [
          {
            name: 'wait',
            in: 'query',
            description: 'Seconds to wait for the run that this starts, and answer with its result.',
            schema: { type: 'integer', minimum: 1, maximum: 20 },
          },
        ],
        requestBody: {
          content: {
            'application/json': { schema: {}, example: { alarm: 'S12/Z3', text: 'Fire' } },
            'application/x-www-form-urlencoded': { schema: { type: 'object' } },
            '*/*': { schema: {} },
          },
        },
        responses: {
          200: {
            description: 'With `wait`: the result of the run.',
            content: { 'application/json': { schema: { type: 'object' } } },
          },
          202: {
            description: 'Stored.',
            content: {
              'application/json': { schema: { type: 'object', required: ['eventId'], properties: { eventId: id } } },
            },
          },
          ...problemsOf([400, 401, 404, 413, 429, 500, 503]),
        },
      },
    },
  };
}

/** What a subscription's target is sent: one webhook per event type, signed after Standard Webhooks. */
export function eventWebhooks(vendors: Catalogue, schemas: SchemaComponents): Record<string, Part> {
  return Object.fromEntries(
    eventTypesOf(vendors).map(([vendor, type, declared]) => [type, webhook(vendor, type, declared, schemas)]),
  );
}

/** Every event type of every vendor, once, sorted by name. */
function eventTypesOf(vendors: Catalogue): [Vendor, string, EventType][] {
  const all = new Map<string, [Vendor, string, EventType]>();
  for (const vendor of Object.values(vendors)) {
    for (const source of Object.values(vendor.events)) {
      for (const [type, declared] of Object.entries(source.types)) all.set(type, [vendor, type, declared]);
    }
  }
  return [...all.values()].sort(([, one], [, other]) => (one < other ? -1 : 1));
}

function webhook(vendor: Vendor, type: string, declared: EventType, schemas: SchemaComponents): Part {
  const prefix = pascalCase(vendor.name);
  const event = z.object({
    id: z.string(),
    type: z.literal(type),
    timestamp: z.iso.datetime(),
    vendor: z.literal(vendor.name),
    connection: z.string(),
    data: declared.data(),
  });
  const schema: JsonSchema = schemas.of(event, {
    prefix,
    operation: `${type.slice(vendor.name.length + 1)}.event`,
    answer: true,
  });
  const example = {
    id: `${type}:sample`,
    type,
    timestamp: '2026-01-15T12:00:00.000Z',
    vendor: vendor.name,
    connection: 'dispatch',
    data: declared.sample,
  };
  const header = (name: string, description: string) => ({
    name,
    in: 'header',
    required: true,
    description,
    schema: { type: 'string' },
  });
  return {
    post: {
      tags: [eventTag],
      operationId: `event.${type}`,
      summary: declared.summary,
      security: [],
      parameters: [
        header('webhook-id', 'The same at every attempt.'),
        header('webhook-timestamp', 'Unix seconds of the attempt.'),
        header(
          'webhook-signature',
          'Standard Webhooks: `v1,` and the HMAC-SHA256 in Base64; several while a secret is rotated.',
        ),
      ],
      requestBody: { required: true, content: { 'application/json': { schema, example } } },
      responses: {
        '2XX': { description: 'Taken. Anything else is tried again, ten times over about 75 hours.' },
        410: { description: 'Gone: the subscription is removed.' },
      },
    },
  };
}

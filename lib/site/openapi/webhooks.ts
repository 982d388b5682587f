import * as z from 'zod/mini';
import type { EventType } from '../../core/event-type.ts';
import { named } from '../../core/field.ts';
import { isSchema, type JsonSchema } from '../../core/json-schema/schema.ts';
import { pascalCase } from '../../core/pascal-case.ts';
import { type Part, problemsOf } from './problems.ts';
import type { SchemaComponents } from './schema-components.ts';

/** An event type with its name and whose it is. */
export interface DescribedEventType extends EventType {
  readonly type: string;
  readonly vendor: string;
}

/** `POST /hooks/{token}`, where third parties post to; the token is the key. */
export function hookPath(tag: string): Record<string, Part> {
  const text = (description: string): Part => ({ type: 'string', description });
  const jsonAnswer = (required: string[], properties: Part): Part => ({
    content: { 'application/json': { schema: { type: 'object', required, properties } } },
  });
  const eventId = text("The event's id.");
  const eventIds = { type: 'array', items: { type: 'string' }, description: "For a vendor's own hook: all events." };
  const run = {
    type: 'object',
    required: ['id', 'state'],
    properties: { id: text('Of /v1/runs.'), state: text('How it ended.') },
  };
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
        tags: [tag],
        operationId: 'receiveHook',
        summary: 'Post to a hook',
        description:
          'The sender is verified as the hook defines it (by a signature or a secret), the message is stored and its runs are started before the response is sent. The token in the path replaces a key. At most 10 MB. The response to a repeated message has the header `Idempotent-Replayed`.',
        security: [],
        parameters: [
          {
            name: 'wait',
            in: 'query',
            description: 'Seconds to wait for the runs that the message starts; the response then says how they ended.',
            schema: { type: 'integer', minimum: 1, maximum: 25 },
          },
        ],
        requestBody: {
          content: {
            'application/json': { schema: {}, example: { alarm: 'S12/Z3', text: 'Fire' } },
            'application/x-www-form-urlencoded': { schema: { type: 'object', additionalProperties: true } },
            'application/xml': { schema: {} },
            'text/plain': { schema: { type: 'string' } },
          },
        },
        responses: {
          200: {
            description: 'With `wait`: how the runs ended.',
            ...jsonAnswer([], { eventId, eventIds, runs: { type: 'array', items: run } }),
          },
          202: { description: 'Stored.', ...jsonAnswer([], { eventId, eventIds }) },
          ...problemsOf([400, 401, 403, 404, 405, 413, 415, 422, 424, 429, 500, 503]),
        },
      },
    },
  };
}

/** What a subscription's target receives: one webhook per event type, signed after Standard Webhooks. */
export function eventWebhooks(
  types: readonly DescribedEventType[],
  schemas: SchemaComponents,
  tag: string,
): Record<string, Part> {
  return Object.fromEntries(types.map((each) => [each.type, webhook(each, schemas, tag)]));
}

function webhook(described: DescribedEventType, schemas: SchemaComponents, tag: string): Part {
  const { type, vendor, summary, sample } = described;
  const event = named(
    `${pascalCase(type.slice(vendor.length + 1))}Event`,
    z.looseObject({
      id: z.string(),
      type: z.literal(type),
      timestamp: z.iso.datetime(),
      vendor: z.literal(vendor),
      connection: z.string(),
      data: described.data(),
    }),
  );
  const schema: JsonSchema = schemas.of(event, {
    prefix: pascalCase(vendor),
    operation: type,
    answer: true,
  });
  const example = {
    id: `${type}:sample`,
    type,
    timestamp: '2026-01-15T12:00:00.000Z',
    vendor,
    connection: 'dispatch',
    data: sample,
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
      tags: [tag],
      operationId: `event.${type}`,
      summary,
      security: [],
      parameters: [
        header('webhook-id', 'The same for every attempt.'),
        header('webhook-timestamp', 'Unix seconds of the attempt.'),
        header(
          'webhook-signature',
          'Standard Webhooks: `v1,` and the HMAC-SHA256 in Base64; several while a secret is rotated.',
        ),
      ],
      requestBody: { required: true, content: { 'application/json': { schema, example } } },
      responses: {
        '2XX': {
          description: 'Accepted. After any other response the delivery is retried, ten times over about 75 hours.',
        },
        410: { description: 'Gone: the subscription ends, and nothing more is sent.' },
      },
    },
  };
}

/** Makes the answers of the event log a union of the event types, discriminated by `type`, so that a client knows the type of `data`. */
export function joinEvents(
  schemas: SchemaComponents,
  webhooks: Record<string, Part>,
  paths: Record<string, Part>,
): void {
  const mapping = Object.fromEntries(
    Object.keys(webhooks).flatMap((type) => {
      const reference = dig(webhooks, [type, 'post', 'requestBody', 'content', 'application/json', 'schema', '$ref']);
      return typeof reference === 'string' ? [[type, reference]] : [];
    }),
  );
  const answer = ['get', 'responses', '200', 'content', 'application/json', 'schema'];
  const one = dig(paths, ['/v1/events/{id}', ...answer]);
  if (Object.keys(mapping).length === 0 || !isSchema(one)) return;
  const references = [...new Set(Object.values(mapping))];
  const union = { oneOf: references.map(($ref) => ({ $ref })), discriminator: { propertyName: 'type', mapping } };
  const name =
    String(one.$ref ?? '#/components/schemas/Event')
      .split('/')
      .at(-1) ?? 'Event';
  schemas.components[name] = union;
  for (const keyword of Object.keys(one)) delete one[keyword];
  Object.assign(one, { $ref: `#/components/schemas/${name}` });
}

function dig(value: unknown, [step, ...rest]: readonly string[]): unknown {
  if (step === undefined) return value;
  return value !== null && typeof value === 'object' && Object.hasOwn(value, step)
    ? dig(Reflect.get(value, step), rest)
    : undefined;
}

import { expect, test } from 'vitest';
import * as z from 'zod/mini';
import { declaredApi, lint, schemaCompiler } from '../../../test/support/api-document.ts';
import { type Route, route } from '../../api/route.ts';
import { bigInteger, field, integer, named, text } from '../../core/field.ts';
import { operationsOf } from '../../core/operation.ts';
import type { EventfulVendor } from '../../core/vendor.ts';
import { eventTypesOf } from '../../events/event-types.ts';
import { openApiDocument } from './document.ts';

const operation = operationsOf<string, unknown>();

interface Row {
  id: string;
  rows: Row[];
}
const row: z.ZodMiniType<Row, Row> = named('Row', z.looseObject({ id: z.string(), rows: z.array(z.lazy(() => row)) }));
const person = () => named('Person', z.looseObject({ id: bigInteger(), name: z.string() }));

/** A vendor with a declaration of every form that the document must say something about. */
const made: EventfulVendor = {
  name: 'timetonic',
  title: 'Made Up',
  concurrency: { polls: 1, stepItems: 1 },
  documentation: 'https://vendor.example/docs',
  choices: {},
  operations: {
    getTree: operation({
      summary: 'Get a tree of rows',
      effect: 'read',
      call: 'req=getTree',
      input: () => ({
        depth: z._default(integer(1, 9), 3),
        rowId: z.optional(
          field(bigInteger(), { wire: 'r_id', description: 'Any row.', examples: ['9007199254740993'] }),
        ),
        filter: z.optional(z.record(z.string(), z.union([z.string(), z.array(z.string())]))),
        fieldIds: z.array(z.int()).check(z.minLength(1)),
        size: z.union([z.literal('tb'), z.literal('full')]),
      }),
      output: () => z.looseObject({ root: row, more: z.array(row) }),
    }),
    listPersons: operation({
      summary: 'List the persons',
      effect: 'read',
      call: 'req=listPersons',
      input: () => ({}),
      output: () => z.looseObject({ persons: z.array(person()), owner: z.optional(person()) }),
    }),
    addRows: operation({
      summary: 'Add rows',
      effect: 'write',
      call: 'req=addRows',
      errors: {
        404: 'No such table',
        409: 'The row is locked',
        429: 'Twelve calls a minute',
        401: 'Key refused',
        nok: 'See the message',
      },
      slow: ({ rows }) => rows.length > 10,
      input: () => ({ rows: z.array(z.record(z.string(), z.unknown())), at: z.optional(z.iso.datetime()) }),
      output: () => z.array(z.looseObject({ id: z.string() })),
      example: { rows: [{ name: 'Kim' }] },
    }),
    getPicture: operation({
      summary: 'Get a picture',
      effect: 'read',
      call: '/dbi/ii/{id}',
      input: () => ({ id: z.int() }),
      output: () => z.file(),
    }),
    dropAll: operation({
      summary: 'Drop all rows',
      effect: 'destructive',
      since: '8.1',
      call: 'req=dropAll',
      input: () => ({ code: z.string().check(z.regex(/^[A-Z]{3}-\d{4}$/)) }),
      output: () => z.null(),
      example: { code: 'ABC-1234' },
    }),
  },
  connection: { settings: () => ({ baseUrl: z.url() }), credentials: () => ({ key: text() }), addresses: () => [] },
  send: () => Promise.reject(new Error('not in this test')),
  matchRaw: async () => undefined,
  sendRaw: () => Promise.reject(new Error('not in this test')),
  check: async () => [],
  events: {
    rows: {
      types: {
        'timetonic.row.created': {
          summary: 'A row was made',
          readBy: 'getRows',
          data: () => z.looseObject({ rowId: bigInteger(), by: z.optional(person()) }),
          sample: { rowId: '12', by: { id: '9007199254740993', name: 'Kim' } },
        },
      },
    },
  },
};

const handle = () => Promise.reject(new Error('not in this test'));
const declared = (method: Route['method'], path: `/${string}`, operationId: string) =>
  route({
    call: `${method} ${path}`,
    operationId,
    summary: `Does ${operationId}`,
    tag: 'Made up',
    output: () => z.looseObject({ done: z.boolean() }),
    handle,
  });
const routes = [
  declared('POST', '/v1/hooks', 'createHook'),
  declared('POST', '/v1/subscriptions', 'createSubscription'),
  declared('GET', '/v1/runs/{id}', 'getRun'),
];
const eventTypes = eventTypesOf({ timetonic: made });
const whole = openApiDocument({ vendors: { timetonic: made }, routes, eventTypes });
const bare = openApiDocument({ vendors: { timetonic: made }, routes: [], eventTypes });

/** Follows words and `$ref`s through the document. */
function dig(document: object, ...steps: string[]): unknown {
  let here: unknown = document;
  for (const step of steps) {
    const { $ref } = here as { $ref?: string };
    if ($ref) here = dig(document, ...$ref.slice(2).split('/'));
    here = (here as Record<string, unknown> | undefined)?.[step];
  }
  return here;
}
const path = (name: string) => `/v1/timetonic/{connection}/${name}`;
const answer = (name: string) =>
  ['paths', path(name), 'post', 'responses', '200', 'content', 'application/json', 'schema'] as const;
const compile = schemaCompiler(whole);

test('both documents pass the linter', async () => {
  expect(await lint(whole)).toEqual([]);
  expect(await lint(bare)).toEqual([]);
});

test('a schema that holds itself becomes a component that refers to itself', () => {
  expect(dig(whole, ...answer('getTree'), 'properties')).toMatchObject({
    root: { $ref: '#/components/schemas/TimetonicRow' },
  });
  const tree = compile(...answer('getTree'));
  const leaf = { id: 'leaf', rows: [] };
  expect(tree({ root: { id: 'root', rows: [leaf] }, more: [leaf] })).toBe(true);
  expect(tree({ root: { id: 'root', rows: [{ id: 1, rows: [] }] }, more: [] })).toBe(false);
});

test('a schema with a name is one component wherever it is used', () => {
  const { schemas } = whole.components as { schemas: Record<string, object> };
  expect(Object.keys(schemas)).toContain('TimetonicPerson');
  expect(dig(whole, ...answer('listPersons'))).toBeDefined();
  expect(dig(whole, ...answer('listPersons'), 'properties', 'persons', 'items')).toEqual({
    $ref: '#/components/schemas/TimetonicPerson',
  });
  expect(schemas.TimetonicPerson).toMatchObject({ properties: { id: { type: 'string' } } });
});

test('a read takes numbers as they are and lists and objects as JSON in the query', () => {
  const parameters = dig(whole, 'paths', path('getTree'), 'get', 'parameters') as Record<string, unknown>[];
  const byName = Object.fromEntries(parameters.map((each) => [each.name ?? each.$ref, each]));
  expect(byName.depth).toMatchObject({ in: 'query', schema: { type: 'integer', default: 3, minimum: 1, maximum: 9 } });
  expect(byName.depth).not.toHaveProperty('required');
  expect(byName.rowId).toMatchObject({
    description: 'Any row.',
    'x-wire-name': 'r_id',
    schema: { anyOf: expect.any(Array) },
  });
  expect(byName.filter).toMatchObject({ content: { 'application/json': { schema: { type: 'object' } } } });
  expect(byName.fieldIds).toMatchObject({
    required: true,
    content: { 'application/json': { schema: { type: 'array' } } },
  });
  expect(byName.size).toMatchObject({ required: true, schema: { type: 'string', enum: ['tb', 'full'] } });
});

test("the vendor's refusals are listed under the status that the caller gets", () => {
  const responses = dig(whole, 'paths', path('addRows'), 'post', 'responses') as Record<
    string,
    { description?: string }
  >;
  expect(responses[404]?.description).toMatch(/^No such table\./);
  expect(responses[409]?.description).toMatch(/^The row is locked\.\n\n- `conflict`/);
  expect(responses[429]?.description).toMatch(/^Twelve calls a minute\./);
  expect(responses[424]?.description).toMatch(/^Key refused\./);
  expect(dig(whole, 'paths', path('addRows'), 'post', 'description')).toContain('- `nok`: See the message');
  expect(dig(whole, 'paths', path('addRows'), 'post', 'x-vendor-errors')).toHaveProperty('nok');
});

test('an operation that returns a file is documented as such, with the link to a long one', () => {
  const responses = dig(whole, 'paths', path('getPicture'), 'get', 'responses') as Record<string, object>;
  expect(responses[200]).toMatchObject({ content: { '*/*': {} } });
  expect(responses[200]).not.toHaveProperty('content.application/json');
  expect(responses[303]).toEqual({ $ref: '#/components/responses/FileElsewhere' });
  expect(dig(whole, 'paths', path('addRows'), 'post', 'responses')).not.toHaveProperty('303');
});

test('an operation that a key must name is documented as such, with its first version', () => {
  const post = dig(whole, 'paths', path('dropAll'), 'post') as { description: string };
  expect(post).toMatchObject({ 'x-effect': 'destructive', 'x-since': '8.1' });
  expect(post.description).toContain('by its exact name');
  expect(post.description).toContain('Since Made Up 8.1');
});

test('runs add 202 and Prefer, hooks their path, subscriptions the webhooks; without their routes none is documented', () => {
  const offered = (document: object) => dig(document, 'paths', path('addRows'), 'post', 'x-optional-headers');
  expect(offered(whole)).toEqual(['Idempotency-Key', 'Prefer']);
  expect(JSON.stringify(whole)).not.toContain('"in":"header","name":"Prefer"');
  expect(dig(whole, 'paths', path('addRows'), 'post', 'responses', '202')).toEqual({
    $ref: '#/components/responses/Accepted',
  });
  expect(dig(whole, 'paths', '/hooks/{token}', 'post', 'security')).toEqual([]);
  const event = compile(
    'webhooks',
    'timetonic.row.created',
    'post',
    'requestBody',
    'content',
    'application/json',
    'schema',
  );
  const sent = { id: 'a', type: 'timetonic.row.created', timestamp: '2026-01-05T02:11:09Z', vendor: 'timetonic' };
  expect(event({ ...sent, connection: 'books', data: { rowId: '12' } }), JSON.stringify(event.errors)).toBe(true);
  expect(event({ ...sent, connection: 'books', data: { rowId: 12 } })).toBe(false);
  expect(Object.keys(dig(whole, 'components', 'schemas') as object)).toContain('TimetonicRowCreatedEvent');
  expect(dig(whole, 'webhooks')).toHaveProperty(['trunkline.run.failed']);

  expect(offered(bare)).not.toContain('Prefer');
  expect(JSON.stringify(bare)).not.toContain('respond-async');
  expect(bare.paths).not.toHaveProperty('/hooks/{token}');
  expect(bare).not.toHaveProperty('webhooks');
});

test('a raw request has its path as steps and in the query, and no body where the method has none', () => {
  const steps = dig(whole, 'paths', '/v1/timetonic/{connection}/raw/{path}') as Record<string, Record<string, unknown>>;
  expect(Object.keys(steps)).toEqual(['parameters', 'get', 'post', 'put', 'patch', 'delete']);
  expect(steps.get).not.toHaveProperty('requestBody');
  expect(steps.put).toHaveProperty('requestBody');
  expect(JSON.stringify(dig(whole, 'paths', '/v1/timetonic/{connection}/raw', 'parameters'))).toContain('"in":"query"');
});

test('the event log answers a union of the event types, distinguished by type and open to newer fields', () => {
  const document = openApiDocument(declaredApi());
  const one = dig(
    document,
    'paths',
    '/v1/events/{id}',
    'get',
    'responses',
    '200',
    'content',
    'application/json',
    'schema',
  );
  const list = dig(document, 'paths', '/v1/events', 'get', 'responses', '200', 'content', 'application/json', 'schema');
  expect(one).toEqual({ $ref: '#/components/schemas/Event' });
  const text = JSON.stringify(list);
  const items = text.includes('$ref":"#/components/schemas/Event"') ? text : JSON.stringify(document.components);
  expect(items).toContain('"items":{"$ref":"#/components/schemas/Event"}');
  const { discriminator, oneOf } = dig(document, 'components', 'schemas', 'Event') as {
    discriminator: { propertyName: string; mapping: Record<string, string> };
    oneOf: object[];
  };
  const types = declaredApi().eventTypes.map(({ type }) => type);
  expect(Object.keys(discriminator.mapping).sort()).toEqual([...types].sort());
  expect(oneOf.length).toBe(new Set(Object.values(discriminator.mapping)).size);
  const takes = schemaCompiler(document)('components', 'schemas', 'TalkMessageCreatedEvent');
  const webhook = dig(
    document,
    'webhooks',
    'talk.message.created',
    'post',
    'requestBody',
    'content',
    'application/json',
  );
  const { example } = webhook as { example: object };
  expect(takes({ ...example, newer: true }), JSON.stringify(takes.errors)).toBe(true);
});

test('an object with arbitrary members is documented as such', () => {
  const document = openApiDocument(declaredApi());
  const bare: string[] = [];
  const search = (value: unknown, pointer: string): void => {
    if (value === null || typeof value !== 'object') return;
    const { type, ...rest } = value as Record<string, unknown>;
    const says = ['properties', 'additionalProperties', 'anyOf', 'oneOf', 'allOf', '$ref', 'required'].some(
      (word) => word in rest,
    );
    if (type === 'object' && !says) bare.push(pointer);
    for (const [name, inner] of Object.entries(value))
      if (!/^examples?$/.test(name)) search(inner, `${pointer}/${name}`);
  };
  search(document, '');
  expect(bare).toEqual([]);
});

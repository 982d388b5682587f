import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { build } from 'esbuild';
import { beforeAll, describe, expect, test } from 'vitest';
import * as z from 'zod/mini';
import { type Check, declaredApi, lint, schemaCompiler } from '../../../test/support/api-document.ts';
import { readSettings } from '../../connections/input.ts';
import { statusOfCode } from '../../core/errors.ts';
import { named } from '../../core/field.ts';
import { nameKeyword } from '../../core/json-schema/schema.ts';
import { schemasOf } from '../../core/operation.ts';
import { vendors } from '../../vendors/index.ts';
import { type OpenApiDocument, openApiDocument } from './document.ts';
import { SchemaComponents } from './schema-components.ts';

interface Operation {
  operationId: string;
  tags: string[];
  parameters?: ({ $ref?: string; name?: string; in?: string; required?: boolean; example?: unknown } & object)[];
  requestBody?: {
    required: boolean;
    content: Record<string, { schema: object; example?: unknown; examples?: Record<string, { value: Connection }> }>;
  };
  responses: Record<string, { $ref?: string; description?: string }>;
  security?: object[];
  'x-effect'?: string;
  'x-since'?: string;
}

interface Connection {
  settings: Record<string, unknown>;
  credentials: Record<string, unknown>;
}

const root = join(import.meta.dirname, '..', '..', '..');
const api = declaredApi();
const document: OpenApiDocument = openApiDocument(api);
const compile = schemaCompiler(document);
const every = Object.values(vendors).flatMap((vendor) =>
  Object.entries(vendor.operations).map(([name, operation]) => ({
    id: `${vendor.name}.${name}`,
    vendor: vendor.name,
    name,
    operation,
    path: `/v1/${vendor.name}/{connection}/${name}`,
  })),
);

function at(path: string, method: string): Operation {
  const operation = document.paths[path]?.[method];
  if (!operation) throw new Error(`${method} ${path} is not in the document`);
  return operation as Operation;
}

describe('the document as a whole', () => {
  test('an independent linter reports neither errors nor warnings', async () => {
    expect(await lint(document)).toEqual([]);
  });

  test('has a sample automation as a person would write it', () => {
    expect(at('/v1/automations', 'post').requestBody?.content['application/json']?.example).toEqual({
      name: 'Alarm panel north',
      when: { hook: 'hook-vfkpz4ntqwuqghou' },
      do: [{ name: 'siren', call: 'proptt2/dispatch/sendSosToChannel' }],
    });
  });

  test('has no operationId twice', () => {
    const ids = Object.values(document.paths).flatMap((item) =>
      Object.values(item).flatMap((each) => (each as Operation).operationId ?? []),
    );
    expect(ids.length).toBeGreaterThan(50);
    expect(ids.filter((id, position) => ids.indexOf(id) !== position)).toEqual([]);
  });

  test('lists every code that a problem can have', () => {
    const { Problem } = (document.components as { schemas: Record<string, { properties: { code: object } }> }).schemas;
    expect(Problem?.properties.code).toMatchObject({
      enum: expect.arrayContaining([...Object.keys(statusOfCode), 'room_not_found', 'auth_ambiguous']),
    });
  });

  test('requires a key for every call that needs one', () => {
    expect(document.security).toEqual([{ key: [] }]);
    const open = Object.entries(document.paths).flatMap(([path, item]) =>
      Object.values(item).some((each) => (each as Operation).security?.length === 0) ? [path] : [],
    );
    expect(open.sort()).toEqual(
      ['/docs', '/health', '/openapi.json', ...('/hooks/{token}' in document.paths ? ['/hooks/{token}'] : [])].sort(),
    );
  });

  test('has no dangling references and no unused components', () => {
    const text = JSON.stringify(document);
    const used = new Set(
      [...text.matchAll(/"#\/components\/(\w+)\/([^"]+)"/g)].map(([, kind, name]) => `${kind}/${name}`),
    );
    const there = Object.entries(document.components as Record<string, object>).flatMap(([kind, parts]) =>
      kind === 'securitySchemes' ? [] : Object.keys(parts).map((name) => `${kind}/${name}`),
    );
    expect(there.sort()).toEqual([...used].sort());
  });

  test('publishes schemas under their declared names, inputs that differ from outputs under their own', () => {
    const names = Object.keys((document.components as { schemas: object }).schemas);
    expect(names).toEqual(
      expect.arrayContaining([
        'CallStep',
        'Run',
        'RunWithSteps',
        'ScheduleTrigger',
        'ScheduleTriggerInput',
        'TalkRoom',
      ]),
    );
    expect(JSON.stringify(document)).not.toContain(nameKeyword);
    const schemas = new SchemaComponents();
    const place = { prefix: 'Talk', operation: 'getRoom', answer: true };
    schemas.of(named('Room', z.object({ token: z.string() })), place);
    schemas.of(z.object({ one: named('Room', z.object({ name: z.string() })) }), place);
    expect(() => schemas.share()).toThrow('Two different schemas are called TalkRoom');
  });

  test('is the same for the same declarations', () => {
    expect(openApiDocument(declaredApi())).toEqual(document);
  });
});

describe('every operation of every vendor', () => {
  test('the catalogue is not empty', () => {
    expect(every.length).toBeGreaterThanOrEqual(27);
  });

  describe.each(every)('$id', ({ id, vendor, name, operation, path }) => {
    const reads = operation.effect === 'read';
    const post = () => at(path, 'post');
    let takes: Check;
    beforeAll(() => {
      takes = compile('paths', path, 'post', 'requestBody', 'content', 'application/json', 'schema');
    });

    test('has its exact name, and a GET if it is a read', () => {
      expect(post()).toMatchObject({ operationId: id, summary: operation.summary, 'x-effect': operation.effect });
      expect(post()['x-since']).toBe(operation.since);
      expect(Reflect.get(document.paths[path]?.get ?? {}, 'operationId')).toBe(reads ? `${id}.get` : undefined);
    });

    test('names the headers that change what it does, but not as parameters', () => {
      const received = Reflect.get(post(), 'x-optional-headers') as string[];
      expect(received.includes('Idempotency-Key')).toBe(!reads);
      expect(post().parameters ?? []).toEqual([]);
    });

    test('starts its description with what it does, and only the POST is for tools', () => {
      expect(String(Reflect.get(post(), 'description')).startsWith(`${operation.summary}.`)).toBe(true);
      expect(Reflect.get(post(), 'x-mcp')).toBeUndefined();
      expect(Reflect.get(document.paths[path]?.get ?? {}, 'x-mcp')).toBe(reads ? false : undefined);
    });

    test('has a sample input that its own schema and the documented one accept', () => {
      const sample = post().requestBody?.content['application/json']?.example;
      expect(sample, 'give the declaration an example: none could be made from its schema').toBeDefined();
      expect(schemasOf(operation).input.safeParse(sample).error?.issues).toBeUndefined();
      expect(takes(sample), JSON.stringify(takes.errors)).toBe(true);
    });

    test('asks for the same fields as its own schema', () => {
      const sample = post().requestBody?.content['application/json']?.example as Record<string, unknown>;
      // A rule over several fields is no part of a JSON Schema.
      const input = z.strictObject(operation.input());
      for (const field of Object.keys(sample)) {
        const { [field]: _, ...less } = sample;
        expect(takes(less), `${field} left out`).toBe(input.safeParse(less).success);
      }
      expect(takes({ ...sample, surprise: 1 })).toBe(false);
    });

    test('asks in its query for the fields of its input, where it reads', () => {
      const sample = post().requestBody?.content['application/json']?.example as Record<string, unknown>;
      const query = (reads ? (at(path, 'get').parameters ?? []) : []).filter((each) => each.in === 'query');
      expect(query.map((each) => each.name)).toEqual(reads ? Object.keys(operation.input()) : []);
      const required = query.filter((each) => each.required).map((each) => each.name);
      for (const field of required) expect(Object.keys(sample)).toContain(field);
    });

    test('takes the input of its fixture and describes what it answers', () => {
      const file = join(root, 'test/fixtures/operations', vendor, `${name}.json`);
      const { input, output } = JSON.parse(readFileSync(file, 'utf8')) as { input: unknown; output: unknown };
      expect(takes(input), JSON.stringify(takes.errors)).toBe(true);
      const isFile = schemasOf(operation).output._zod.def.type === 'file';
      const json = () => compile('paths', path, 'post', 'responses', '200', 'content', 'application/json', 'schema');
      // The bytes of a file have no schema.
      expect(post().responses[200]).toMatchObject({ content: { [isFile ? '*/*' : 'application/json']: {} } });
      expect(isFile ? typeof (output as { type: unknown }).type === 'string' : json()(output)).toBe(true);
    });

    test("leads to the vendor's documentation", () => {
      const { documentation } = vendors[vendor as keyof typeof vendors] ?? {};
      expect(Reflect.get(post(), 'externalDocs')).toEqual({ url: operation.documentation ?? documentation });
    });

    test("lists the vendor's own refusals", () => {
      const refusals = Object.entries(operation.errors ?? {});
      for (const [, meaning] of refusals) {
        expect(JSON.stringify(post())).toContain(JSON.stringify(meaning).slice(1, -1));
      }
      for (const [code, meaning] of refusals.filter(([code]) => ['403', '404', '409', '412'].includes(code))) {
        expect(post().responses[code]?.description).toContain(meaning);
      }
    });
  });
});

describe('every control call', () => {
  test.each(api.routes.map((route) => ({ route, id: route.operationId })))('$id', ({ route }) => {
    const operation = at(route.path, route.method.toLowerCase());
    expect(operation).toMatchObject({ operationId: route.operationId, summary: route.summary, tags: [route.tag] });
    const inQuery = ['GET', 'DELETE'].includes(route.method);
    const fields = Object.keys(route.input?.() ?? {});
    const query = (operation.parameters ?? []).filter((each) => each.in === 'query').map((each) => each.name);
    expect(query).toEqual(inQuery ? fields : []);
    const hasBody = !inQuery && fields.length > 0;
    expect(operation.requestBody !== undefined).toBe(hasBody);
    if (hasBody)
      compile('paths', route.path, route.method.toLowerCase(), 'requestBody', 'content', 'application/json', 'schema');
    expect(Object.keys(operation.responses)).toContain(String(route.status ?? 200));
  });

  test.each(Object.values(vendors))('the sample connection of $name is one that the vendor takes', (vendor) => {
    const value = at('/v1/connections', 'post').requestBody?.content['application/json']?.examples?.[vendor.name]
      ?.value;
    if (!value) throw new Error(`${vendor.name} has no sample`);
    expect(value).toMatchObject({ vendor: vendor.name, name: 'dispatch' });
    const settings = readSettings(vendor, value.settings);
    expect(() => vendor.connection.validate?.(settings, value.credentials)).not.toThrow();
    expect(Object.keys(value.credentials)).not.toEqual([]);
  });

  test('a connection is described vendor by vendor', () => {
    const form = compile('paths', '/v1/connections', 'post', 'requestBody', 'content', 'application/json', 'schema');
    const settings = { cloudUrl: 'https://cloud.example.com', ownerId: 'owner@company.com', hid: 1 };
    const body = { vendor: 'proptt2', name: 'dispatch', settings, credentials: { interactionKey: 'x' } };
    expect(form(body), JSON.stringify(form.errors)).toBe(true);
    expect(form({ ...body, settings: { ...settings, allowHttp: true, maxConcurrency: 5 } })).toBe(true);
    expect(form({ ...body, settings: { ...settings, hid: 11 } })).toBe(false);
    expect(form({ ...body, settings: { ...settings, keepwarm: true } })).toBe(false);
    expect(form({ ...body, credentials: {} })).toBe(false);
    expect(form({ ...body, name: 'No Slug' })).toBe(false);
  });
});

describe('every sample', () => {
  /** The places of the document that hold what `is` accepts, as steps from its root. */
  function* places(
    is: (value: object) => boolean,
    value: unknown = document,
    steps: string[] = [],
  ): Generator<string[]> {
    if (value === null || typeof value !== 'object') return;
    if (!Array.isArray(value) && is(value)) yield steps;
    for (const [key, inner] of Object.entries(value)) yield* places(is, inner, [...steps, key]);
  }
  const at = (steps: readonly string[]): Record<string, unknown> =>
    steps.reduce<unknown>((here, step) => Reflect.get(Object(here), step), document) as Record<string, unknown>;
  const unfit = (schema: string[], values: readonly unknown[]) => {
    const check = compile(...schema);
    return values.flatMap((value) =>
      check(value) ? [] : [`${schema.join('/')}: ${JSON.stringify(value)} ${JSON.stringify(check.errors)}`],
    );
  };

  test('of a body, an answer and a parameter fits its schema', () => {
    const found = [...places((value) => 'schema' in value && ('example' in value || 'examples' in value))];
    const problems = found.flatMap((steps) => {
      const { example, examples } = at(steps);
      const named = Object.values(Object(examples) as Record<string, { value: unknown }>).map(({ value }) => value);
      return unfit([...steps, 'schema'], example === undefined ? named : [example, ...named]);
    });
    expect(problems).toEqual([]);
    expect(found.length).toBeGreaterThan(150);
  });

  test('in a schema fits that schema', () => {
    const found = [...places((value) => Array.isArray(Reflect.get(value, 'examples')))];
    expect(found.flatMap((steps) => unfit(steps, at(steps).examples as unknown[]))).toEqual([]);
    expect(found.length).toBeGreaterThan(50);
  });
});

describe('every event type', () => {
  test.each(api.eventTypes)('$type is a webhook whose sample fits its schema', ({ type, sample }) => {
    const media = ['webhooks', type, 'post', 'requestBody', 'content', 'application/json'] as const;
    const { example } = media.reduce<unknown>((here, step) => (here as Record<string, unknown>)[step], document) as {
      example: { data: unknown };
    };
    expect(example.data).toEqual(sample);
    const fits = compile(...media, 'schema');
    expect(fits(example), JSON.stringify(fits.errors)).toBe(true);
  });

  test.each(api.eventTypes)('$type has a sample of declared fields alone', ({ data, sample }) => {
    const { shape } = data()._zod.def as unknown as { shape: object };
    expect(Object.keys(sample).filter((field) => !Object.hasOwn(shape, field))).toEqual([]);
  });
});

test("no vendor's function carries the document in its bundle", async () => {
  const { metafile } = await build({
    entryPoints: Object.keys(vendors).map((name) => join(root, 'functions', `${name}.ts`)),
    bundle: true,
    write: false,
    metafile: true,
    platform: 'node',
    format: 'esm',
    target: 'node24',
    outdir: join(root, 'out'),
    absWorkingDir: root,
  });
  const inputs = Object.keys(metafile.inputs);
  expect(inputs).toContain('lib/connections/invoke.ts');
  expect(inputs.filter((file) => /openapi|lib\/gateway\/docs|lib\/gateway\/site/.test(file))).toEqual([]);
});

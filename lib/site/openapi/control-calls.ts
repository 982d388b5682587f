import * as z from 'zod/mini';
import type { Route } from '../../api/route.ts';
import { sampleOf } from '../../core/json-schema/sample.ts';
import { pathTemplate } from '../../core/path-template.ts';
import type { Catalogue } from '../../core/vendor.ts';
import { connectionBody } from './connection-body.ts';
import { answerHeaders, type Part, problemsOf } from './problems.ts';
import type { SchemaComponents } from './schema-components.ts';
import { jsonRequestBody, queryParameters } from './vendor-calls.ts';

/** The path items of the declared routes, by path; several methods of one path share an item. */
export function controlPaths(
  routes: readonly Route[],
  vendors: Catalogue,
  schemas: SchemaComponents,
): Record<string, Part> {
  const paths: Record<string, Part> = {};
  for (const route of routes) {
    const item = paths[route.path] ?? withPathParameters(route.path, vendors);
    item[route.method.toLowerCase()] = operationObject(route, vendors, schemas);
    paths[route.path] = item;
  }
  return paths;
}

function operationObject(route: Route, vendors: Catalogue, schemas: SchemaComponents): Part {
  const place = { prefix: '', operation: route.operationId };
  const shape = route.input?.() ?? {};
  const inQuery = route.method === 'GET' || route.method === 'DELETE';
  const input = schemas.of(z.strictObject(shape), { ...place, answer: false });
  const output = route.output && schemas.of(route.output(), { ...place, answer: true });
  const status = route.status ?? 200;
  const need = route.area && `trunkline/${route.area}/${route.write ? 'write' : 'read'}`;
  const body = route.operationId === 'createConnection' ? connectionBody(shape, vendors, schemas) : undefined;
  const hasBody = !inQuery && Object.keys(shape).length > 0;
  return {
    tags: [route.tag],
    operationId: route.operationId,
    summary: route.summary,
    description: `${route.summary}.\n\n${need ? `Scope: \`${need}\`.` : 'Any valid key may make this call.'}`,
    ...(inQuery && Object.keys(shape).length > 0 && { parameters: queryParameters(input) }),
    ...(hasBody && { requestBody: body ?? jsonRequestBody(input, fitting(shape, sampleOf(input))) }),
    responses: {
      [status]: {
        description: status === 204 ? 'Done.' : route.summary,
        headers: answerHeaders(),
        ...(status !== 204 && { content: { 'application/json': { schema: output ?? {} } } }),
      },
      ...problemsOf(statusesOf(route, hasBody)),
    },
  };
}

/** Every call can return these. The others depend on the call. */
function statusesOf(route: Route, hasBody: boolean): number[] {
  return [
    400,
    401,
    403,
    422,
    429,
    500,
    503,
    ...(route.path.includes('{') ? [404] : []),
    ...(route.write ? [409] : []),
    ...(hasBody ? [413, 415] : []),
  ];
}

function fitting(shape: ReturnType<NonNullable<Route['input']>>, sample: unknown): unknown {
  return z.strictObject(shape).safeParse(sample).success ? sample : undefined;
}

function withPathParameters(path: string, vendors: Catalogue): Part {
  const names = pathTemplate(path).names;
  return names.length === 0 ? {} : { parameters: names.map((name) => pathParameter(name, vendors)) };
}

/** One step of a path; `vendor` is one of the existing vendors. */
function pathParameter(name: string, vendors: Catalogue): Part {
  const schema = name === 'vendor' ? { type: 'string', enum: Object.keys(vendors) } : { type: 'string', minLength: 1 };
  return { name, in: 'path', required: true, schema };
}

const tagDescriptions: Readonly<Record<string, string>> = {
  Account: 'The key of the request and what it may do; the audit log.',
  Connections: 'One account at a vendor: its settings, its credentials, its session.',
  Keys: 'Keys of this API with their scopes.',
  Hooks: 'Inbound URLs that third parties post to.',
  Subscriptions: 'Targets that receive events.',
  Automations: 'Steps that are carried out when something happens.',
  Installation: 'Copy an installation, without secrets.',
  Runs: 'What automations and long calls did, step by step.',
  Deliveries: 'The deliveries of events to subscriptions, with their attempts.',
  Events: 'The event log, and every event type.',
  Choices: 'The values that a field may take: lists for forms, completion and drop-downs.',
  Recipes: 'Complete hooks and automations to install.',
  Pause: 'Pause and resume all sending.',
  'Self-test': 'An automation that regularly tests the whole path of an alarm.',
  Uploads: 'Files to upload, for operations that send them.',
};

/** A sentence for a tag; one that is not known here is described by its name. */
export function tagDescription(tag: string): string {
  return tagDescriptions[tag] ?? `Calls about ${tag.toLowerCase()}.`;
}

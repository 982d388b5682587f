import project from '../../../package.json' with { type: 'json' };
import type { Route } from '../../api/route.ts';
import { slugPattern } from '../../core/slug.ts';
import type { Catalogue } from '../../core/vendor.ts';
import { controlPaths, tagDescription } from './control-calls.ts';
import { introduction } from './introduction.ts';
import { answerHeaders, headerComponents, type Part, problemResponses, problemSchema } from './problems.ts';
import { rawPaths, rawTag } from './raw-calls.ts';
import { SchemaComponents } from './schema-components.ts';
import { sitePaths, siteTag } from './site-calls.ts';
import { vendorPaths } from './vendor-calls.ts';
import { type DescribedEventType, eventWebhooks, hookPath, joinEvents } from './webhooks.ts';

/** What the document is made from: the vendors, the declared control calls, and the event types that can be subscribed to. */
export interface ApiDescription {
  vendors: Catalogue;
  routes: readonly Route[];
  eventTypes: readonly DescribedEventType[];
}

/** An OpenAPI 3.1 document, plain JSON. */
export type OpenApiDocument = { openapi: '3.1.1'; paths: Record<string, Part> } & Part;

/** The OpenAPI document of the gateway, all from the declarations. Its server URL is relative; the code that serves it can set the actual one. */
export function openApiDocument({ vendors, routes, eventTypes }: ApiDescription): OpenApiDocument {
  const known = Object.values(vendors);
  const schemas = new SchemaComponents();
  const declaredCodes = known.flatMap(({ errorCodes = [] }) => errorCodes);
  schemas.define('Problem', problemSchema(declaredCodes));
  // A call that is not declared as a route belongs to the area of the call that creates its address.
  const areaOf = (path: string) => routes.find((route) => route.path === path)?.tag;
  const hooks = areaOf('/v1/hooks');
  const subscriptions = areaOf('/v1/subscriptions');
  const runs = areaOf('/v1/runs/{id}') !== undefined;
  const webhooks = subscriptions === undefined ? {} : eventWebhooks(eventTypes, schemas, subscriptions);
  const paths = Object.assign(
    {},
    ...known.map((vendor) => vendorPaths(vendor, { schemas, runs })),
    controlPaths(routes, vendors, schemas),
    ...known.map(rawPaths),
    hooks !== undefined && hookPath(hooks),
    sitePaths(),
  ) as Record<string, Part>;
  schemas.share();
  joinEvents(schemas, webhooks, paths);
  const tags = [
    ...known.map(({ title, documentation }) => ({
      name: title,
      description: `Every operation of ${title}.`,
      externalDocs: { url: documentation },
    })),
    ...[...new Set(routes.map(({ tag }) => tag))].map((name) => ({ name, description: tagDescription(name) })),
    { name: rawTag, description: 'Endpoints of a vendor that are not declared here. Trunkline adds the session.' },
    { name: siteTag, description: 'Calls that need no key.' },
  ];
  const components = {
    securitySchemes: {
      key: { type: 'http', scheme: 'bearer', bearerFormat: 'tl_…', description: 'A key of `POST /v1/keys`.' },
    },
    schemas: schemas.components,
    headers: headerComponents(),
    responses: { ...problemResponses(declaredCodes), Accepted: accepted, FileElsewhere: fileElsewhere },
    parameters: parameters(),
  };
  const document = {
    openapi: '3.1.1',
    info: {
      title: 'Trunkline',
      version: project.version,
      summary: project.description,
      description: introduction(routes),
      license: { name: 'Apache License 2.0', identifier: project.license },
    },
    servers: [{ url: '/' }],
    security: [{ key: [] }],
    tags,
    paths,
    ...(Object.keys(webhooks).length > 0 && { webhooks }),
    components,
  } satisfies OpenApiDocument;
  dropUnused(document, components);
  return document;
}

const parameters = (): Part => ({
  connection: {
    name: 'connection',
    in: 'path',
    required: true,
    description: 'The name under which the connection was created.',
    schema: { type: 'string', pattern: `^${slugPattern}$` },
    example: 'dispatch',
  },
});

const accepted: Part = {
  description: 'Continues as a run of one step; `Location` is its URL.',
  headers: answerHeaders('Location'),
  content: {
    'application/json': {
      schema: {
        type: 'object',
        required: ['id', 'status'],
        properties: { id: { type: 'string' }, status: { type: 'string' } },
      },
      example: { id: '01k9', status: 'running' },
    },
  },
};

const fileElsewhere: Part = {
  description: 'The file is too long for a response: `Location` is a link to it that works for some minutes.',
  headers: answerHeaders('Location'),
  content: {
    'application/json': {
      schema: {
        type: 'object',
        required: ['url', 'type', 'expiresAt'],
        properties: {
          url: { type: 'string', format: 'uri' },
          type: { type: 'string' },
          expiresAt: { type: 'string', format: 'date-time' },
          name: { type: 'string' },
          size: { type: 'integer' },
        },
      },
    },
  },
};

/** Removes unreferenced components until none are left. */
function dropUnused(document: OpenApiDocument, components: Record<string, Part>): void {
  for (;;) {
    const used = new Set(JSON.stringify(document).match(/"#\/components\/[^"]+"/g));
    const unused = Object.entries(components).flatMap(([kind, parts]) =>
      kind === 'securitySchemes'
        ? []
        : Object.keys(parts).flatMap((name) => (used.has(`"#/components/${kind}/${name}"`) ? [] : [{ parts, name }])),
    );
    if (unused.length === 0) return;
    for (const { parts, name } of unused) delete parts[name];
  }
}

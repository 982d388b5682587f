import type { Part } from './problems.ts';
import { problemsOf } from './problems.ts';

export const siteTag = 'Site';

/** What answers without a key: this document, the page over it, and whether the gateway is up. */
export function sitePaths(): Record<string, Part> {
  const call = (operationId: string, summary: string, type: string, schema: Part): Part => ({
    get: {
      tags: [siteTag],
      operationId,
      summary,
      security: [],
      responses: { 200: { description: summary, content: { [type]: { schema } } }, ...problemsOf([405, 500, 503]) },
    },
  });
  return {
    '/health': call('getHealth', 'Whether the gateway is up', 'application/json', {
      type: 'object',
      required: ['status'],
      properties: { status: { type: 'string', const: 'ok' } },
    }),
    '/openapi.json': call('getOpenApiDocument', 'This document', 'application/json', { type: 'object' }),
    '/docs': call('getDocsPage', 'This document as a page', 'text/html', { type: 'string' }),
  };
}

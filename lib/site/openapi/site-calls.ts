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
    '/health': call('getHealth', "Whether the last minute's work was completed; 503 if not", 'application/json', {
      type: 'object',
      required: ['status', 'checks'],
      properties: {
        status: { type: 'string', enum: ['ok', 'failing', 'starting'] },
        checkedAt: { type: 'string', format: 'date-time' },
        checks: {
          type: 'array',
          items: {
            type: 'object',
            required: ['name', 'ok', 'message'],
            properties: { name: { type: 'string' }, ok: { type: 'boolean' }, message: { type: 'string' } },
          },
        },
      },
    }),
    '/openapi.json': call('getOpenApiDocument', 'This document', 'application/json', {
      type: 'object',
      additionalProperties: true,
    }),
    '/docs': call('getDocsPage', 'This document as a page', 'text/html', { type: 'string' }),
  };
}

import * as z from 'zod/mini';
import { GatewayError } from '../../core/errors.ts';
import { field, integer, named } from '../../core/field.ts';
import type { Table } from '../../store/table.ts';
import { auditEntries } from '../audit.ts';
import { type Route, route } from '../route.ts';
import { adminScope } from '../scopes.ts';

/** Who the caller is, and the audit log of changes. */
export function accountRoutes(table: Table): Route[] {
  return [
    route({
      tag: 'Account',
      call: 'GET /v1/me',
      operationId: 'getMe',
      summary: 'Get the key of this request: the connection test of Zapier-style clients',
      output: () => named('Me', z.looseObject({ id: z.string(), name: z.string(), scopes: z.array(z.string()) })),
      handle: async ({ principal }) => ({ id: principal.keyId, name: principal.name, scopes: principal.scopes }),
    }),
    route({
      tag: 'Account',
      call: 'GET /v1/audit',
      operationId: 'listAudit',
      summary: 'List the changes with their times and keys, newest first; for the admin key',
      input: () => ({
        month: field(z.optional(z.string().check(z.regex(/^\d{4}-\d{2}$/, 'must be a month such as 2026-11'))), {
          description: 'Default the current month.',
        }),
        limit: z._default(integer(1, 500), 100),
      }),
      output: () =>
        z.array(z.looseObject({ id: z.string(), at: z.string(), keyId: z.string(), operation: z.string() })),
      handle: async ({ input, principal }) => {
        if (!principal.scopes.includes(adminScope))
          throw new GatewayError('forbidden', 'Only the admin key may read the audit log.');
        return auditEntries(table, input.month ?? new Date().toISOString().slice(0, 7), input.limit);
      },
    }),
  ];
}

import type { Clock, Random } from '../core/clock.ts';
import { expiry, keys } from '../store/items.ts';
import type { Key, Table } from '../store/table.ts';
import type { Principal } from './key-check.ts';
import type { HttpRequest } from './request.ts';
import type { Route } from './route.ts';

interface AuditItem extends Key {
  id: string;
  at: string;
  keyId: string;
  keyName: string;
  operation: string;
  target: string;
  sourceIp: string;
  requestId: string;
  expiresAt: number;
}

const retentionMs = 400 * 24 * 60 * 60_000;

/** Writes who changed what; never what was given, which may be a credential. */
export async function audit(
  services: { table: Table; clock: Clock; random: Random },
  principal: Principal,
  route: Route,
  params: Readonly<Record<string, string>>,
  request: HttpRequest,
): Promise<void> {
  const now = services.clock.now();
  const at = new Date(now).toISOString();
  const id = services.random.bytes(9).toString('base64url');
  await services.table.put<AuditItem>({
    ...keys.audit(at, id),
    id,
    at,
    keyId: principal.keyId,
    keyName: principal.name,
    operation: route.operationId,
    target: Object.values(params).join('/'),
    sourceIp: request.sourceIp,
    requestId: request.requestId,
    expiresAt: expiry(now + retentionMs),
  });
}

/** The entries of one month (`2026-11`), newest first. */
export async function auditEntries(table: Table, month: string, limit: number) {
  const { items } = await table.query<AuditItem>({ pk: keys.audit(`${month}-01`, '').pk, forward: false, limit });
  return items.map(({ pk, sk, expiresAt, ...entry }) => entry);
}

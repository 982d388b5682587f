import type { Clock, Random } from '../core/clock.ts';
import { expiry, keys } from '../store/items.ts';
import type { Key, Table } from '../store/table.ts';
import type { Principal } from './keys/key-check.ts';
import type { HttpRequest } from './request.ts';
import type { Audited } from './route.ts';

interface AuditItem extends Key {
  id: string;
  at: string;
  keyId: string;
  keyName: string;
  operation: string;
  target: string;
  /** The id of what was created. */
  created?: string;
  /** The names of the fields that were given, never their values. */
  fields: string[];
  /** `denied`: the key lacked the scope, or a right that the call asks for. */
  outcome: 'done' | 'denied';
  sourceIp: string;
  requestId: string;
  expiresAt: number;
}

const retentionMs = 400 * 24 * 60 * 60_000;

/** Records who changed what or was denied. Never records the values, which may be credentials. */
export async function audit(
  services: { table: Table; clock: Clock; random: Random },
  principal: Principal,
  { route, params, input, outcome, answer }: Audited,
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
    ...createdOf(answer),
    fields: fieldsOf(input),
    outcome,
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

function createdOf(answer: unknown): { created?: string } {
  const id = answer !== null && typeof answer === 'object' ? (answer as { id?: unknown }).id : undefined;
  return typeof id === 'string' ? { created: id } : {};
}

/** The names of the given fields, those of `settings` and `credentials` one level deep. */
function fieldsOf(input: Readonly<Record<string, unknown>>): string[] {
  return Object.entries(input).flatMap(([name, value]) => {
    const isGroup = (name === 'settings' || name === 'credentials') && value !== null && typeof value === 'object';
    return isGroup
      ? Object.keys(value).map((inner) => `${name}.${inner}`.slice(0, 100))
      : value === undefined
        ? []
        : [name];
  });
}

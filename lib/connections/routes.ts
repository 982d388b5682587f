import * as z from 'zod/mini';
import { type Route, route } from '../api/route.ts';
import { mayRead } from '../api/scopes.ts';
import { inUse } from '../core/errors.ts';
import { field } from '../core/field.ts';
import { isReserved, isSparing, percentOf, type Quota } from '../core/quota.ts';
import { slugPattern, slugRule } from '../core/slug.ts';
import type { Catalogue, Finding } from '../core/vendor.ts';
import { keys } from '../store/items.ts';
import { connectionOf } from './connections.ts';
import { deleteCredentials } from './credentials.ts';
import {
  type ConnectionChange,
  type ConnectionPolls,
  type ConnectionServices,
  changeConnection,
  createConnection,
  forget,
  shown,
  shownConnection,
  shownWith,
  storedConnection,
  vendorOf,
} from './records.ts';
import { listChanges, listedChanges } from './session-changes.ts';
import { vendorCall } from './vendor-calls.ts';

const slug = () =>
  field(z.string().check(z.regex(new RegExp(`^${slugPattern}$`), `must be ${slugRule}`)), { examples: ['dispatch'] });
function quotaFinding(quota: Quota): Finding {
  const percent = percentOf(quota);
  const used = `About ${quota.used} of ${quota.limit} calls of this month were made through Trunkline (${percent} %).`;
  const finding = (state: Finding['state'], more: string): Finding => ({
    subject: 'quota',
    state,
    message: `${used}${more}`,
  });
  if (isReserved(quota))
    return finding('bad', ' Polls, and calls of automations that raise no alarm, wait for the next month.');
  return isSparing(quota) ? finding('warning', ' Events are polled less often.') : finding('good', '');
}

const anyObject = () => z.record(z.string(), z.unknown());

/** The calls on connections. No answer ever shows a credential. */
export function connectionRoutes(
  services: ConnectionServices,
  vendors: Catalogue,
  onChange: ConnectionChange,
  pollsOf: ConnectionPolls,
  usersOf: (vendor: string, name: string) => Promise<string[]>,
): Route[] {
  const shared = { tag: 'Connections', area: 'connections' } as const;
  return [
    route({
      ...shared,
      call: 'POST /v1/connections',
      operationId: 'createConnection',
      summary: 'Create a connection',
      write: true,
      status: 201,
      input: () => ({
        vendor: z.enum(Object.keys(vendors)),
        name: slug(),
        settings: field(anyObject(), { description: "The vendor's settings; see the guide of each vendor." }),
        credentials: field(anyObject(), {
          description: 'Stored in Secrets Manager, never shown again.',
          writeOnly: true,
        }),
      }),
      output: shownConnection,
      handle: (call) => createConnection(services, vendorOf(vendors, call.input.vendor), call.input, call, onChange),
    }),
    route({
      ...shared,
      call: 'GET /v1/connections',
      operationId: 'listConnections',
      summary: 'List the connections',
      input: () => ({
        vendor: z.optional(z.enum(Object.keys(vendors))),
        events: field(z._default(z.boolean(), false), {
          description: 'true adds the polling status of each connection. Default false.',
        }),
      }),
      output: () => z.array(shownConnection()),
      handle: async ({ input, principal }) => {
        const names = input.vendor ? [input.vendor] : Object.keys(vendors);
        const items = (await Promise.all(names.map((name) => services.connections.list(name)))).flat();
        const visible = items.filter((item) => mayRead(principal.scopes, item.vendor, item.name));
        const [sessions, events] = await Promise.all([
          services.store.readMany(visible),
          input.events ? pollsOf(visible) : undefined,
        ]);
        return visible.map((item, at) => ({ ...shownWith(item, sessions[at]), ...(events && { events: events[at] }) }));
      },
    }),
    route({
      ...shared,
      call: 'GET /v1/connections/{vendor}/{name}',
      operationId: 'getConnection',
      summary: 'Get a connection, with its session and polling status',
      output: shownConnection,
      handle: async (call) => {
        const item = await storedConnection(services, vendors, call);
        const [connection, [events]] = await Promise.all([shown(services, item), pollsOf([item])]);
        return { ...connection, events };
      },
    }),
    route({
      ...shared,
      call: 'PATCH /v1/connections/{vendor}/{name}',
      operationId: 'changeConnection',
      summary: 'Change settings or credentials',
      write: true,
      input: () => ({
        settings: field(z.optional(anyObject()), { description: 'Merged into the settings; null removes one.' }),
        credentials: field(z.optional(anyObject()), {
          description:
            'Merged into the credentials and unlocks the connection; null removes one. A change of address needs all of them, and so does a TimeTonic connection.',
          writeOnly: true,
        }),
      }),
      output: shownConnection,
      handle: (call) => changeConnection(services, vendors, call, call.input, onChange),
    }),
    route({
      ...shared,
      call: 'DELETE /v1/connections/{vendor}/{name}',
      operationId: 'deleteConnection',
      summary: 'Delete a connection with its credentials and session; refused while something uses it',
      write: true,
      status: 204,
      handle: async (call) => {
        const item = await storedConnection(services, vendors, call);
        const users = await usersOf(item.vendor, item.name);
        if (users.length > 0) throw inUse(`The connection ${item.vendor}/${item.name}`, users);
        await services.table.delete(keys.connection(item.vendor, item.name));
        await deleteCredentials(services.secrets, vendorOf(vendors, item.vendor), connectionOf(item));
        await services.store.remove(item.vendor, item.name);
        forget(services, item);
        await onChange(vendorOf(vendors, item.vendor), connectionOf(item), true);
      },
    }),
    route({
      ...shared,
      call: 'GET /v1/connections/{vendor}/{name}/sessions',
      operationId: 'listSessionChanges',
      summary: `List the logins, failed keepalives and locks of a connection in the last 30 days, newest first, at most ${listedChanges}`,
      output: () =>
        z.array(
          z.looseObject({
            at: z.string(),
            kind: z.enum(['live', 'failed', 'locked']),
            generation: field(z.optional(z.int()), { description: 'The number of the session that a login created.' }),
            reason: z.optional(z.string()),
          }),
        ),
      handle: async (call) => {
        const { vendor, name } = await storedConnection(services, vendors, call);
        return listChanges(services.table, vendor, name, services.clock.now());
      },
    }),
    route({
      ...shared,
      call: 'POST /v1/connections/{vendor}/{name}/check',
      operationId: 'checkConnection',
      summary: 'Check a connection and explain the result',
      write: true,
      output: () =>
        z.looseObject({
          ok: z.boolean(),
          findings: z.array(
            z.object({ subject: z.string(), state: z.enum(['good', 'warning', 'bad']), message: z.string() }),
          ),
        }),
      handle: async (call) => {
        const item = await storedConnection(services, vendors, call);
        const vendor = vendorOf(vendors, item.vendor);
        const scope = { requestId: call.request.requestId, signal: call.request.signal };
        // An explicit request: a locked connection is tried once, and unlocked if the vendor accepts it.
        if (vendor.session) await services.sessions.allowRetry(connectionOf(item));
        const checking = vendorCall(services, vendor, connectionOf(item), scope);
        const findings = await vendor.check(checking);
        const quota = await checking.quota();
        if (quota) findings.push(quotaFinding(quota));
        const session = await services.store.read(item.vendor, item.name);
        if ((session?.earlyDeaths?.length ?? 0) >= 3) {
          findings.push({
            subject: 'collision',
            state: 'bad',
            message:
              'The session died early three times within the hour: another system seems to use the same account or host id (hid). Give this connection a hid of its own.',
          });
        }
        return { ok: findings.every((finding) => finding.state !== 'bad'), findings };
      },
    }),
  ];
}

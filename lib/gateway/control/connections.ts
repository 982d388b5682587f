import * as z from 'zod/mini';
import { GatewayError } from '../../core/errors.ts';
import { field } from '../../core/field.ts';
import { credentialsSecret } from '../../core/secrets.ts';
import { type Catalogue, type Connection, type Vendor, type VendorName, vendorNames } from '../../core/vendor.ts';
import { keys } from '../../store/items.ts';
import { readCredentials, readSettings } from '../connection-input.ts';
import { type ConnectionItem, connectionOf } from '../connections.ts';
import type { GatewayServices } from '../invoke.ts';
import { type Route, type RouteCall, route } from '../route.ts';
import { mayRead } from '../scopes.ts';
import type { SessionStore } from '../session-store.ts';
import { vendorCall } from '../vendor-calls.ts';

type Services = GatewayServices & { store: SessionStore };

const slug = () =>
  field(
    z
      .string()
      .check(z.regex(/^[a-z][a-z0-9-]{0,39}$/, 'must be a slug: a-z, 0-9 and hyphens, at most 40, a letter first')),
    { examples: ['dispatch'] },
  );
const anyObject = () => z.record(z.string(), z.unknown());
const output = () =>
  z.looseObject({
    id: z.string(),
    vendor: z.enum(vendorNames),
    name: z.string(),
    settings: anyObject(),
    credentials: z.array(z.string()),
    session: z.looseObject({ state: z.string() }),
    createdAt: z.string(),
    updatedAt: z.string(),
  });

/** Told after a connection was made, changed or (`gone`) deleted. */
export type ConnectionChange = (vendor: Vendor, connection: Connection, gone: boolean) => Promise<void>;

/** The calls on connections. No answer ever shows a credential. */
export function connectionRoutes(services: Services, vendors: Catalogue, onChange: ConnectionChange): Route[] {
  const shared = { tag: 'Connections', area: 'connections' } as const;
  return [
    route({
      ...shared,
      method: 'POST',
      path: '/v1/connections',
      operationId: 'createConnection',
      summary: 'Create a connection',
      write: true,
      status: 201,
      input: () => ({
        vendor: z.enum(vendorNames),
        name: slug(),
        settings: field(anyObject(), { description: "The vendor's settings; see the guide of each vendor." }),
        credentials: field(anyObject(), {
          description: 'Stored in Secrets Manager, never shown again.',
          writeOnly: true,
        }),
      }),
      output,
      handle: ({ input, request }) => create(services, vendorOf(vendors, input.vendor), input, request, onChange),
    }),
    route({
      ...shared,
      method: 'GET',
      path: '/v1/connections',
      operationId: 'listConnections',
      summary: 'List the connections',
      input: () => ({ vendor: z.optional(z.enum(vendorNames)) }),
      output: () => z.array(output()),
      handle: async ({ input, principal }) => {
        const names = input.vendor ? [input.vendor] : Object.keys(vendors).map((name) => name as VendorName);
        const items = (await Promise.all(names.map((name) => services.connections.list(name)))).flat();
        const visible = items.filter((item) => mayRead(principal.scopes, item.vendor, item.name));
        return Promise.all(visible.map((item) => shown(services, item)));
      },
    }),
    route({
      ...shared,
      method: 'GET',
      path: '/v1/connections/{vendor}/{name}',
      operationId: 'getConnection',
      summary: 'Get a connection',
      output,
      handle: async (call) => shown(services, await stored(services, vendors, call)),
    }),
    route({
      ...shared,
      method: 'PATCH',
      path: '/v1/connections/{vendor}/{name}',
      operationId: 'changeConnection',
      summary: 'Change settings or credentials',
      write: true,
      input: () => ({
        settings: z.optional(field(anyObject(), { description: 'Merged into the settings; null removes one.' })),
        credentials: z.optional(
          field(anyObject(), { description: 'Replaces all credentials and unlocks the connection.', writeOnly: true }),
        ),
      }),
      output,
      handle: (call) => change(services, vendors, call, call.input, onChange),
    }),
    route({
      ...shared,
      method: 'DELETE',
      path: '/v1/connections/{vendor}/{name}',
      operationId: 'deleteConnection',
      summary: 'Delete a connection with its credentials and session',
      write: true,
      status: 204,
      handle: async (call) => {
        const item = await stored(services, vendors, call);
        await services.table.delete(keys.connection(item.vendor, item.name));
        await services.secrets.delete(credentialsSecret(item.vendor, item.name));
        await services.store.remove(item.vendor, item.name);
        forget(services, item);
        await onChange(vendorOf(vendors, item.vendor), connectionOf(item), true);
      },
    }),
    route({
      ...shared,
      method: 'POST',
      path: '/v1/connections/{vendor}/{name}/check',
      operationId: 'checkConnection',
      summary: 'Say in words what is right and wrong with a connection',
      write: true,
      output: () =>
        z.looseObject({
          ok: z.boolean(),
          findings: z.array(
            z.object({ subject: z.string(), state: z.enum(['good', 'warning', 'bad']), message: z.string() }),
          ),
        }),
      handle: async (call) => {
        const item = await stored(services, vendors, call);
        const vendor = vendorOf(vendors, item.vendor);
        const scope = { requestId: call.request.requestId, signal: call.request.signal };
        const findings = await vendor.check(vendorCall(services, vendor, connectionOf(item), scope));
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

async function create(
  services: Services,
  vendor: Vendor,
  input: { name: string; settings: Record<string, unknown>; credentials: Record<string, unknown> },
  request: RouteCall['request'],
  onChange: ConnectionChange,
) {
  const at = new Date(services.clock.now()).toISOString();
  const connection: Connection = {
    vendor: vendor.name,
    name: input.name,
    version: 1,
    settings: readSettings(vendor, input.settings),
  };
  const credentials = await readCredentials(services, vendor, connection, input.credentials, request);
  const item: ConnectionItem = {
    ...keys.connection(vendor.name, input.name),
    vendor: vendor.name,
    name: input.name,
    version: 1,
    settings: connection.settings,
    credentials: Object.keys(credentials),
    createdAt: at,
    updatedAt: at,
  };
  if (await services.table.get(keys.connection(vendor.name, input.name), true)) throw exists(item);
  await services.secrets.write(credentialsSecret(vendor.name, input.name), JSON.stringify(credentials));
  const put = await services.table.put<ConnectionItem>(item, 'attribute_not_exists(#pk)');
  if (!put.done) throw exists(item);
  await services.store.plan(connection, isWarm(vendor, connection), services.clock.now());
  forget(services, item);
  await onChange(vendor, connection, false);
  return shown(services, item);
}

async function change(
  services: Services,
  vendors: Catalogue,
  call: RouteCall<object>,
  input: { settings?: Record<string, unknown> | undefined; credentials?: Record<string, unknown> | undefined },
  onChange: ConnectionChange,
) {
  const item = await stored(services, vendors, call);
  const vendor = vendorOf(vendors, item.vendor);
  const merged = Object.entries({ ...item.settings, ...input.settings }).filter(([, value]) => value !== null);
  const connection: Connection = {
    ...connectionOf(item),
    version: item.version + 1,
    settings: readSettings(vendor, Object.fromEntries(merged)),
  };
  const credentials =
    input.credentials && (await readCredentials(services, vendor, connection, input.credentials, call.request));
  if (credentials) await services.secrets.write(credentialsSecret(item.vendor, item.name), JSON.stringify(credentials));
  const changed = await services.table.update<ConnectionItem>(
    keys.connection(item.vendor, item.name),
    'SET #settings = :settings, #version = :next, #updatedAt = :at, #credentials = :credentials',
    {
      settings: connection.settings,
      next: connection.version,
      at: new Date(services.clock.now()).toISOString(),
      credentials: credentials ? Object.keys(credentials) : item.credentials,
      version: item.version,
    },
    '#version = :version',
  );
  if (!changed.done)
    throw new GatewayError('conflict', 'The connection was changed at the same moment. Look at it and try again.');
  await services.store.plan(connection, isWarm(vendor, connection), services.clock.now());
  forget(services, item);
  await onChange(vendor, connection, false);
  return shown(services, changed.item);
}

function isWarm(vendor: Vendor, connection: Connection): boolean {
  return vendor.session?.keepAlive !== undefined && (vendor.session.keepWarm?.(connection.settings) ?? true);
}

async function stored(services: Services, vendors: Catalogue, call: RouteCall<object>): Promise<ConnectionItem> {
  const { vendor = '', name = '' } = call.params;
  const known = vendorOf(vendors, vendor);
  const item = mayRead(call.principal.scopes, known.name, name)
    ? await services.table.get<ConnectionItem>(keys.connection(known.name, name), true)
    : undefined;
  if (!item)
    throw new GatewayError(
      'not_found',
      `There is no ${known.name} connection named ${JSON.stringify(name.slice(0, 80))} that this key may see.`,
    );
  return item;
}

async function shown(services: Services, item: ConnectionItem) {
  const session = await services.store.read(item.vendor, item.name);
  const at = (time: number | undefined) => (time === undefined ? undefined : new Date(time).toISOString());
  return {
    id: `${item.vendor}/${item.name}`,
    vendor: item.vendor,
    name: item.name,
    settings: item.settings,
    credentials: item.credentials,
    session: {
      state: session?.state ?? 'none',
      generation: session?.generation,
      liveSince: at(session?.liveSince),
      keptAliveAt: at(session?.keptAliveAt),
      nextKeepAliveAt: at(session?.dueAt),
      expiresAt: at(session?.expiresAt),
      lazy: session?.lazy,
      reason: session?.reason,
    },
    createdAt: item.createdAt,
    updatedAt: item.updatedAt,
  };
}

function forget(services: Services, item: ConnectionItem): void {
  services.connections.forget(item.vendor, item.name);
  services.sessions.forget(connectionOf(item));
}

function vendorOf(vendors: Catalogue, name: string): Vendor {
  const vendor = Object.hasOwn(vendors, name) ? vendors[name as VendorName] : undefined;
  if (vendor) return vendor;
  throw new GatewayError(
    'not_found',
    `There is no vendor ${JSON.stringify(name.slice(0, 40))}. Trunkline knows ${Object.keys(vendors).join(', ')}.`,
  );
}

function exists(item: ConnectionItem): GatewayError {
  return new GatewayError(
    'conflict',
    `There is a ${item.vendor} connection named ${item.name} already. Change it with PATCH /v1/connections/${item.vendor}/${item.name}.`,
  );
}

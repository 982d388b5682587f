import * as z from 'zod/mini';
import type { RouteCall } from '../api/route.ts';
import { mayRead } from '../api/scopes.ts';
import { GatewayError } from '../core/errors.ts';
import { field } from '../core/field.ts';
import { credentialsSecret } from '../core/secrets.ts';
import type { Catalogue, Connection, Vendor, VendorName } from '../core/vendor.ts';
import { keys } from '../store/items.ts';
import { type ConnectionItem, connectionOf } from './connections.ts';
import { readCredentials, readSettings } from './input.ts';
import type { GatewayServices } from './invoke.ts';
import type { SessionStore } from './session-store.ts';

export type ConnectionServices = GatewayServices & { store: SessionStore };

const anyObject = () => z.record(z.string(), z.unknown());
/** A connection as it is shown. */
export const shownConnection = () =>
  z.looseObject({
    id: z.string(),
    vendor: z.string(),
    name: z.string(),
    settings: anyObject(),
    credentials: z.array(z.string()),
    session: z.looseObject({ state: z.string() }),
    events: z.optional(
      z.array(
        z.looseObject({
          source: z.string(),
          failures: field(z.int(), { description: 'Looks in a row that failed; `problem` says why the last one did.' }),
        }),
      ),
    ),
    createdAt: z.string(),
    updatedAt: z.string(),
  });

/** Tells how the looks at a connection's events go. */
export type ConnectionPolls = (vendor: VendorName, connection: string) => Promise<object[]>;

/** Told after a connection was made, changed or (`gone`) deleted. */
export type ConnectionChange = (vendor: Vendor, connection: Connection, gone: boolean) => Promise<void>;

/** Stores credentials and then the connection. */
export async function createConnection(
  services: ConnectionServices,
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

/** Changes settings, credentials or both; the session starts anew. */
export async function changeConnection(
  services: ConnectionServices,
  vendors: Catalogue,
  call: RouteCall<object>,
  input: { settings?: Record<string, unknown> | undefined; credentials?: Record<string, unknown> | undefined },
  onChange: ConnectionChange,
) {
  const item = await storedConnection(services, vendors, call);
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

/** The connection that a call names, or `not_found` when there is none that its key may see. */
export async function storedConnection(
  services: ConnectionServices,
  vendors: Catalogue,
  call: RouteCall<object>,
): Promise<ConnectionItem> {
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

/** A connection with what may be told of its session. */
export async function shown(services: ConnectionServices, item: ConnectionItem) {
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

/** Drops what this process remembers of a connection. */
export function forget(services: ConnectionServices, item: ConnectionItem): void {
  services.connections.forget(item.vendor, item.name);
  services.sessions.forget(connectionOf(item));
}

/** The vendor of a name, or `not_found`. */
export function vendorOf(vendors: Catalogue, name: string): Vendor {
  const vendor = Object.hasOwn(vendors, name) ? vendors[name] : undefined;
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

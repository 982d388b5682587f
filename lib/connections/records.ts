import * as z from 'zod/mini';
import type { Principal } from '../api/keys/key-check.ts';
import type { RouteCall } from '../api/route.ts';
import { adminScope, mayRead } from '../api/scopes.ts';
import { GatewayError, refusedField } from '../core/errors.ts';
import { field, named } from '../core/field.ts';
import { newId } from '../core/ids.ts';
import type { Catalogue, Connection, Vendor } from '../core/vendor.ts';
import { keys } from '../store/items.ts';
import { type ConnectionItem, connectionOf } from './connections.ts';
import { type Bounds, boundsOf, outsideOf, readSets, storeCredentials } from './credentials.ts';
import { acceptCredentials, readSettings } from './input.ts';
import type { GatewayServices } from './invoke.ts';
import type { SessionItem, SessionStore } from './session-store.ts';
import { vendorCall } from './vendor-calls.ts';

export type ConnectionServices = GatewayServices & { store: SessionStore };

const anyObject = () => z.record(z.string(), z.unknown());
/** A connection as it is shown. */
export const shownConnection = () =>
  named(
    'Connection',
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
            failures: field(z.int(), {
              description: 'The number of polls in a row that failed; `problem` says why the last one did.',
            }),
          }),
        ),
      ),
      createdAt: z.string(),
      updatedAt: z.string(),
    }),
  );

/** Reports the state of the event polling of each connection, in their order. */
export type ConnectionPolls = (connections: readonly ConnectionItem[]) => Promise<object[][]>;

/** Called after a connection was created, changed or (`gone`) deleted. */
export type ConnectionChange = (vendor: Vendor, connection: Connection, gone: boolean) => Promise<void>;

/** The caller that creates or changes a connection. */
type Author = Pick<RouteCall, 'principal' | 'request'>;

/** Stores credentials and then the connection, while no other request creates or changes it. */
export async function createConnection(
  services: ConnectionServices,
  vendor: Vendor,
  input: { name: string; settings: Record<string, unknown>; credentials: Record<string, unknown> },
  author: Author,
  onChange: ConnectionChange,
) {
  const at = new Date(services.clock.now()).toISOString();
  const connection: Connection = {
    vendor: vendor.name,
    name: input.name,
    version: 1,
    settings: readSettings(vendor, input.settings),
    credentialsId: newId(services.random),
  };
  requireOpenNetwork(author.principal, boundsOf(vendor, connection.settings));
  const key = keys.connection(vendor.name, input.name);
  if (await services.table.get(key, true)) throw exists(connection);
  const credentials = await acceptCredentials(services, vendor, connection, input.credentials, author.request);
  const item: ConnectionItem = {
    ...key,
    ...connection,
    credentials: Object.keys(credentials),
    createdAt: at,
    updatedAt: at,
  };
  await alone(services, vendor, connection, author, async () => {
    if (await services.table.get(key, true)) throw exists(connection);
    await storeCredentials(services.secrets, vendor, connection, credentials);
    const put = await services.table.put<ConnectionItem>(item, 'attribute_not_exists(#pk)');
    if (!put.done) throw exists(connection);
    await services.store.plan(connection, isWarm(vendor, connection), services.clock.now());
  });
  forget(services, item);
  await onChange(vendor, connection, false);
  return shown(services, item);
}

/** Changes settings, credentials or both; the session is recreated. A rejected change has no effect. */
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
    ...(input.credentials && { credentialsId: newId(services.random) }),
  };
  const before = boundsOf(vendor, item.settings);
  requireOpenNetwork(call.principal, boundsOf(vendor, connection.settings), before);
  if (!input.credentials) requireSameBounds(vendor, before, connection);
  const given = input.credentials && (await mergedCredentials(services, vendor, item, connection, input.credentials));
  const credentials = given && (await acceptCredentials(services, vendor, connection, given, call.request));
  const changed = await alone(services, vendor, connection, call, async () => {
    const key = keys.connection(item.vendor, item.name);
    if ((await services.table.get<ConnectionItem>(key, true))?.version !== item.version) throw changedMeanwhile();
    // The old set stays until the item names the new one.
    const kept = credentials && (await readSets(services.secrets, connection));
    if (credentials) await storeCredentials(services.secrets, vendor, connection, credentials, kept);
    const updated = await services.table.update<ConnectionItem>(
      key,
      'SET #settings = :settings, #version = :next, #updatedAt = :at, #credentials = :credentials, #credentialsId = :id',
      {
        settings: connection.settings,
        next: connection.version,
        at: new Date(services.clock.now()).toISOString(),
        credentials: credentials ? Object.keys(credentials) : item.credentials,
        id: connection.credentialsId ?? '',
        version: item.version,
      },
      '#version = :version',
    );
    if (!updated.done) throw changedMeanwhile();
    // Nothing refers to the old set any more. If removing it fails, the next change removes it.
    if (credentials) await storeCredentials(services.secrets, vendor, connection, credentials).catch(() => undefined);
    await services.store.plan(connection, isWarm(vendor, connection), services.clock.now());
    return updated.item;
  });
  forget(services, item);
  await onChange(vendor, connection, false);
  return shown(services, changed);
}

/**
 * The given credentials with the stored ones that they do not name; null removes one. Where they may be sent to other addresses than
 * the stored ones were entered for, and where each is a way of its own to log in, the given ones stand alone.
 */
async function mergedCredentials(
  { secrets }: ConnectionServices,
  vendor: Vendor,
  item: ConnectionItem,
  changed: Connection,
  given: Record<string, unknown>,
): Promise<Record<string, unknown>> {
  const stored = vendor.connection.alternatives
    ? undefined
    : (await readSets(secrets, connectionOf(item)))[item.credentialsId ?? ''];
  const isKept = stored && outsideOf(stored, boundsOf(vendor, changed.settings)) === undefined;
  const all = Object.entries({ ...(isKept && stored.credentials), ...given });
  return Object.fromEntries(all.filter(([, value]) => value !== null));
}

/** Runs a change under the connection's lease, so that no other change or login interferes. */
function alone<T>(
  services: ConnectionServices,
  vendor: Vendor,
  connection: Connection,
  { request }: Author,
  change: () => Promise<T>,
): Promise<T> {
  const scope = { requestId: request.requestId, signal: request.signal };
  return vendorCall(services, vendor, connection, scope).session.exclusively(change);
}

/** Stored credentials are sent only to the address that they were entered for. */
function requireSameBounds(vendor: Vendor, before: Bounds, { settings }: Connection): void {
  const outside = outsideOf(before, boundsOf(vendor, settings));
  if (outside === undefined) return;
  throw refusedField('/credentials', `are required: the stored ones were not entered for ${outside}`);
}

/** Only the admin key can enable plain http and private networks for a connection, and only for the address in that request. */
export function requireOpenNetwork({ scopes }: Principal, wanted: Bounds, before?: Bounds): void {
  if (!wanted.allowHttp && !wanted.allowPrivateNetwork) return;
  if (scopes.includes(adminScope) || (before && outsideOf(before, wanted) === undefined)) return;
  throw new GatewayError(
    'forbidden',
    'Only the admin key can let a connection use plain http or private networks, and change the address of one that does. The deployment can allow networks for all with TRUNKLINE_PRIVATE_NETWORKS.',
  );
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

/** A connection with the part of its session that may be shown. */
export async function shown(services: ConnectionServices, item: ConnectionItem) {
  return shownWith(item, await services.store.read(item.vendor, item.name));
}

/** A connection and its session as they are shown. */
export function shownWith(item: ConnectionItem, session: SessionItem | undefined) {
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
      serverVersion: session?.serverVersion,
      reason: session?.reason,
    },
    createdAt: item.createdAt,
    updatedAt: item.updatedAt,
  };
}

/** Clears this process's cache for a connection. */
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

function changedMeanwhile(): GatewayError {
  return new GatewayError(
    'conflict',
    'Another request changed the connection at the same time. Read it and try again.',
  );
}

function exists(item: Connection): GatewayError {
  return new GatewayError(
    'conflict',
    `There is a ${item.vendor} connection named ${item.name} already. Change it with PATCH /v1/connections/${item.vendor}/${item.name}.`,
  );
}

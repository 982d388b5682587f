import { GatewayError } from '../core/errors.ts';
import { credentialsSecret, pushSecret, type SecretStore } from '../core/secrets.ts';
import type { CommonSettings, Connection, Vendor } from '../core/vendor.ts';

/** Where credentials may be sent: only to the origins, and under the rules, that they were entered for. */
export interface Bounds {
  origins: string[];
  allowHttp: boolean;
  allowPrivateNetwork: boolean;
}

/** Credentials as they are stored, with their bounds. */
interface BoundCredentials extends Bounds {
  credentials: object;
}

/**
 * The secret of a connection: sets of credentials by id. The connection's item names the one that belongs to its settings, so
 * that both change in one conditional write; during a change the secret holds the old set and the new one.
 */
type CredentialSets = Record<string, BoundCredentials>;

type VendorAddresses = Pick<Vendor, 'connection'>;

/** What a connection with these settings may send its credentials to. */
export function boundsOf(vendor: VendorAddresses, settings: Connection['settings']): Bounds {
  const { allowHttp = false, allowPrivateNetwork = false } = settings as CommonSettings;
  const origins = vendor.connection.addresses(settings).map((address) => new URL(address).origin);
  return { origins: [...new Set(origins)], allowHttp, allowPrivateNetwork };
}

/** The part of the requested bounds that is outside the given ones, as words for a message. Undefined if there is none. */
export function outsideOf(given: Bounds, wanted: Bounds): string | undefined {
  const strange = wanted.origins.find((origin) => !given.origins.includes(origin));
  if (strange !== undefined) return strange;
  if (wanted.allowHttp && !given.allowHttp) return 'plain http';
  if (wanted.allowPrivateNetwork && !given.allowPrivateNetwork) return 'private networks';
  return undefined;
}

/** The serialized form of one set of credentials, stored next to those that must be kept. */
export async function storeCredentials(
  secrets: SecretStore,
  vendor: VendorAddresses,
  connection: Connection,
  credentials: object,
  keep: CredentialSets = {},
): Promise<void> {
  const { vendor: vendorName, name, credentialsId, settings } = connection;
  if (credentialsId === undefined) throw new Error('A connection with credentials needs their id');
  const sets: CredentialSets = { ...keep, [credentialsId]: { ...boundsOf(vendor, settings), credentials } };
  await secrets.write(credentialsSecret(vendorName, name), JSON.stringify(sets));
  const { pushCredentials } = vendor.connection;
  if (pushCredentials)
    await secrets.write(pushSecret(vendorName, name), JSON.stringify(pushSets(sets, pushCredentials)));
}

/** The same sets, reduced to the credentials that verify pushes. */
function pushSets(sets: CredentialSets, fields: readonly string[]): CredentialSets {
  const reduced = (credentials: object) =>
    Object.fromEntries(Object.entries(credentials).filter(([field]) => fields.includes(field)));
  return Object.fromEntries(
    Object.entries(sets).map(([id, set]) => [id, { ...set, credentials: reduced(set.credentials) }]),
  );
}

/** Deletes everything that is stored for a connection. */
export async function deleteCredentials(
  secrets: SecretStore,
  vendor: VendorAddresses,
  connection: Connection,
): Promise<void> {
  await secrets.delete(credentialsSecret(connection.vendor, connection.name));
  if (vendor.connection.pushCredentials) await secrets.delete(pushSecret(connection.vendor, connection.name));
}

/** Every stored set of a connection, bypassing the cache. */
export async function readSets(secrets: SecretStore, { vendor, name }: Connection): Promise<CredentialSets> {
  return parseSets(await secrets.read(credentialsSecret(vendor, name), true));
}

/**
 * The credentials that belong to the settings of a connection. Throws `connection_needs_attention` when there are none, or when
 * the settings would send them to an address that they were not entered for.
 */
export async function readCredentials(
  secrets: SecretStore,
  vendor: VendorAddresses,
  connection: Connection,
  fresh = false,
): Promise<object> {
  return readSet(secrets, credentialsSecret(connection.vendor, connection.name), vendor, connection, fresh);
}

/** What verifies the pushes of a connection's vendor. Throws as `readCredentials` does. */
export async function readPushCredentials(
  secrets: SecretStore,
  vendor: VendorAddresses,
  connection: Connection,
): Promise<object> {
  if (!vendor.connection.pushCredentials) return {};
  return readSet(secrets, pushSecret(connection.vendor, connection.name), vendor, connection, false);
}

async function readSet(
  secrets: SecretStore,
  secret: string,
  vendor: VendorAddresses,
  connection: Connection,
  fresh: boolean,
): Promise<object> {
  const { credentialsId: id = '' } = connection;
  let found = parseSets(await secrets.read(secret, fresh))[id];
  // Another process may have stored them since this one read the secret.
  if (found === undefined && !fresh) found = parseSets(await secrets.read(secret, true))[id];
  if (found === undefined) throw attention(connection, 'are missing');
  const outside = outsideOf(found, boundsOf(vendor, connection.settings));
  if (outside === undefined) return found.credentials;
  throw attention(connection, `were not entered for ${outside}, which its settings name`);
}

function parseSets(text: string | undefined): CredentialSets {
  // Only our own writes reach this secret, each checked by the vendor's schema before it was stored.
  return text === undefined ? {} : (JSON.parse(text) as CredentialSets);
}

function attention({ vendor, name }: Connection, problem: string): GatewayError {
  return new GatewayError(
    'connection_needs_attention',
    `The credentials of ${vendor} connection ${name} ${problem}. Store them with PATCH /v1/connections/${vendor}/${name}.`,
    { vendor },
  );
}

import * as z from 'zod/mini';
import { type Route, type RouteCall, route } from '../../api/route.ts';
import { type ErrorCode, GatewayError } from '../../core/errors.ts';
import { field, text } from '../../core/field.ts';
import { seal, unseal } from '../../core/seal.ts';
import type { SecretStore } from '../../core/secrets.ts';
import { isSlug, slugRule } from '../../core/slug.ts';
import type { BrowserLogin, Catalogue, Connection, Vendor } from '../../core/vendor.ts';
import { keys } from '../../store/items.ts';
import { cipherKey } from '../cipher-key.ts';
import { connectionOf } from '../connections.ts';
import { type Bounds, boundsOf, outsideOf, readCredentials } from '../credentials.ts';
import { readSettings } from '../input.ts';
import { notesOf } from '../notes.ts';
import {
  type ConnectionChange,
  type ConnectionServices,
  changeConnection,
  createConnection,
  requireOpenNetwork,
  shown,
  shownConnection,
  storedConnection,
  vendorOf,
} from '../records.ts';
import { vendorCall } from '../vendor-calls.ts';

/** The encrypted state that the caller passes between the two steps. `settings` is present if the connection does not exist yet. */
interface PendingLogin {
  state: object;
  /** Where the connection's credentials went when the login started. */
  bounds: Bounds;
  /** Epoch milliseconds. */
  expiresAt: number;
  settings?: Record<string, unknown>;
  credentials?: Record<string, unknown>;
}

/** How a login ended: stored, or refused with a problem. */
interface Outcome {
  refused?: { code: ErrorCode; message: string };
}

/** How often storing is attempted: the vendor returns the credentials only once. */
const storeAttempts = 3;
/** How long the outcome of a login is kept, in seconds: longer than it can be requested. */
const endedSeconds = 60 * 60;
const anyObject = () => z.record(z.string(), z.unknown());

/** The login in the browser: it starts with a URL to open, and finishes with the access granted there. */
export function loginRoutes(services: ConnectionServices, vendors: Catalogue, onChange: ConnectionChange): Route[] {
  return [
    route({
      tag: 'Connections',
      area: 'connections',
      call: 'POST /v1/connections/{vendor}/{name}/login',
      operationId: 'logInConnection',
      summary: 'Log a connection in through the browser',
      write: true,
      input: () => ({
        settings: field(z.optional(anyObject()), {
          description: 'For a new connection; an existing one has its own.',
        }),
        credentials: field(z.optional(anyObject()), {
          description: 'Other credentials to store with it, such as botSecret.',
          writeOnly: true,
        }),
        login: field(z.optional(text(20_000)), {
          description: 'The `login` of the first response: checks whether access was granted.',
        }),
      }),
      output: () =>
        z.looseObject({
          state: z.enum(['waiting', 'done', 'expired']),
          url: field(z.optional(z.string()), { description: 'To be opened by the person who grants access.' }),
          login: z.optional(z.string()),
          expiresAt: z.optional(z.string()),
          connection: z.optional(shownConnection()),
        }),
      handle: async (call) => {
        const vendor = vendorOf(vendors, call.params.vendor ?? '');
        const { login } = vendor.connection;
        if (!login) {
          throw new GatewayError(
            'method_not_allowed',
            `${vendor.title} has no login in the browser: store the credentials with PATCH /v1/connections/${vendor.name}/${call.params.name ?? ''}.`,
            { headers: { allow: '' } },
          );
        }
        return call.input.login === undefined
          ? begin(services, vendors, vendor, login, call)
          : finish(services, vendors, vendor, login, call, call.input.login, onChange);
      },
    }),
  ];
}

type LoginInput = {
  settings?: Record<string, unknown> | undefined;
  credentials?: Record<string, unknown> | undefined;
  login?: string | undefined;
};
type Login = BrowserLogin<object, object>;

async function begin(
  services: ConnectionServices,
  vendors: Catalogue,
  vendor: Vendor,
  login: Login,
  call: RouteCall<LoginInput>,
) {
  const { settings, credentials } = call.input;
  const connection = settings
    ? toBeMade(vendor, call, settings)
    : connectionOf(await storedConnection(services, vendors, call));
  if (settings && (await services.table.get(keys.connection(vendor.name, connection.name), true))) {
    throw new GatewayError('conflict', 'The connection exists: leave settings out, or change them with PATCH first.');
  }
  const scope = { requestId: call.request.requestId, signal: call.request.signal };
  const started = await login.start(vendorCall(services, vendor, connection, scope));
  const pending: PendingLogin = {
    state: started.state,
    bounds: boundsOf(vendor, connection.settings),
    expiresAt: started.expiresAt,
    ...(settings && { settings }),
    ...(credentials && { credentials }),
  };
  return {
    state: 'waiting',
    url: started.url,
    login: await sealLogin(services.secrets, connection, pending),
    expiresAt: new Date(started.expiresAt).toISOString(),
  };
}

async function finish(
  services: ConnectionServices,
  vendors: Catalogue,
  vendor: Vendor,
  login: Login,
  call: RouteCall<LoginInput>,
  reference: string,
  onChange: ConnectionChange,
) {
  const name = call.params.name ?? '';
  const pending = await openLogin(services.secrets, { vendor: vendor.name, name }, reference);
  if (pending === undefined) {
    throw new GatewayError(
      'invalid_request',
      'This login was not started for this connection. Start again, without `login`.',
    );
  }
  // The vendor returns the grant once. A caller that repeats the request receives the stored outcome, not `waiting`.
  const ended = `login ${reference}`;
  const notes = notesOf(services.table, services.clock, { vendor: vendor.name, name });
  const outcome = (await notes.read(ended))?.value as Outcome | undefined;
  if (outcome?.refused) throw new GatewayError(outcome.refused.code, outcome.refused.message);
  if (outcome) {
    return { state: 'done', connection: await shown(services, await storedConnection(services, vendors, call)) };
  }
  if (pending.expiresAt < services.clock.now()) return { state: 'expired', login: reference };
  const exists = await services.table.get(keys.connection(vendor.name, name), true);
  const connection = exists
    ? connectionOf(await storedConnection(services, vendors, call))
    : toBeMade(vendor, call, pending.settings ?? {});
  const scope = { requestId: call.request.requestId, signal: call.request.signal };
  const take = async () => {
    const granted = await login.finish(pending.state, vendorCall(services, vendor, connection, scope));
    if (granted === undefined) {
      return { state: 'waiting', login: reference, expiresAt: new Date(pending.expiresAt).toISOString() };
    }
    if (outsideOf(pending.bounds, boundsOf(vendor, connection.settings)) !== undefined) {
      throw new GatewayError(
        'conflict',
        'The address of the connection was changed since this login began. Begin again.',
      );
    }
    // The stored credentials may be missing or bound to another address. The login fixes that.
    const before = exists ? await readCredentials(services.secrets, vendor, connection, true).catch(nothing) : {};
    const credentials = { ...before, ...pending.credentials, ...granted.credentials };
    const settings = { ...pending.settings, ...granted.settings };
    const store = () =>
      exists
        ? changeConnection(services, vendors, call, { settings, credentials }, onChange)
        : createConnection(services, vendor, { name, settings, credentials }, call, onChange);
    for (let attempt = 1; ; attempt++) {
      try {
        const stored = await store();
        await notes.write(ended, {} satisfies Outcome, endedSeconds);
        return { state: 'done', connection: stored };
      } catch (error) {
        if (error instanceof GatewayError || attempt >= storeAttempts) throw error;
        await services.clock.sleep(200 * 2 ** attempt);
      }
    }
  };
  try {
    return await take();
  } catch (error) {
    if (isFinal(error)) {
      const { code, message } = error;
      await notes.write(ended, { refused: { code, message } } satisfies Outcome, endedSeconds);
    }
    throw error;
  }
}

/** True for a refusal that ends a login: the grant is gone or unusable, so that asking again would only show `waiting`. */
function isFinal(error: unknown): error is GatewayError {
  if (!(error instanceof GatewayError) || error.retryable) return false;
  return error.code === 'vendor_malformed' || (error.status >= 400 && error.status < 500);
}

/** No credentials if the stored ones cannot be used. Any other failure is thrown. */
function nothing(error: unknown): object {
  if (error instanceof GatewayError && error.code === 'connection_needs_attention') return {};
  throw error;
}

/** A connection that is not stored yet; its name and settings are checked by the same rules. */
function toBeMade(vendor: Vendor, call: RouteCall<LoginInput>, settings: Record<string, unknown>): Connection {
  const name = call.params.name ?? '';
  if (!isSlug(name)) throw new GatewayError('invalid_request', `The name of a connection is ${slugRule}.`);
  const connection = { vendor: vendor.name, name, version: 0, settings: readSettings(vendor, settings) };
  requireOpenNetwork(call.principal, boundsOf(vendor, connection.settings));
  return connection;
}

/** The login state as encrypted text for the caller to pass back, valid only for this connection. */
async function sealLogin(secrets: SecretStore, { vendor, name }: Connection, login: PendingLogin): Promise<string> {
  const key = await cipherKey(secrets, vendor, 'tokens');
  return seal(key, `login ${vendor}/${name}`, JSON.stringify(login)).toString('base64url');
}

async function openLogin(
  secrets: SecretStore,
  { vendor, name }: Pick<Connection, 'vendor' | 'name'>,
  sealed: string,
): Promise<PendingLogin | undefined> {
  const key = await cipherKey(secrets, vendor, 'tokens');
  try {
    // Only `sealLogin` can have made it.
    return JSON.parse(unseal(key, `login ${vendor}/${name}`, Buffer.from(sealed, 'base64url'))) as PendingLogin;
  } catch {
    return undefined;
  }
}

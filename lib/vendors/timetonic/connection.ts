import * as z from 'zod/mini';
import { GatewayError, vendorError } from '../../core/errors.ts';
import { field, integer, text } from '../../core/field.ts';
import type { InputOf } from '../../core/operation.ts';
import type { LoginCall, VendorCall } from '../../core/vendor.ts';

export const title = 'TimeTonic';
/** An error of this vendor. */
export const timetonicError = vendorError('timetonic');

/** The settings of a TimeTonic connection, in addition to those of every vendor. */
export type TimetonicSettings = InputOf<ReturnType<typeof settings>>;

/**
 * The stored credentials: the oauthkey with the appkey that created it, or a pasted sesskey. `login` and `password` are present
 * only until they are exchanged. Keys of SMS gateways are stored beside them as `gateway:{phone number}`.
 */
export type TimetonicCredentials = InputOf<ReturnType<typeof credentials>> & {
  appkey?: string | undefined;
  /** When `dropAllSessions` killed the oauthkey, ISO 8601. */
  oauthkeyDroppedAt?: string | undefined;
  [gateway: `gateway:${string}`]: string;
};

/** The key that is sent with every request. */
export interface TimetonicSession {
  sesskey: string;
}

export type TimetonicCall = VendorCall<TimetonicSettings, TimetonicCredentials, TimetonicSession>;
export type TimetonicLogin = LoginCall<TimetonicSettings, TimetonicCredentials>;

const defaultSocketPort = 10_100;

/** The schemas are functions, so that a cold start builds only the ones it uses. */
export const settings = () => ({
  baseUrl: field(z.url(), {
    description: 'The server up to /live, without api.php.',
    examples: ['https://timetonic.com/live'],
  }),
  user: field(text(200), {
    description: 'User code of the account (its name in TimeTonic, not the e-mail). Use a dedicated account.',
    examples: ['api_acme'],
    wire: 'o_u',
  }),
  apiVersion: field(
    z.optional(
      z.string().check(z.regex(/^\d+\.\d+[a-z]?(\/\d+\.\d+)?$/, 'must be a version such as 1.47 or 6.49q/6.49')),
    ),
    {
      description: "Sent as `version`. Default 1.47, as in the vendor's document.",
      wire: 'version',
    },
  ),
  uploadUrl: field(z.optional(z.url()), {
    description: 'Where resumable uploads are created; ask TimeTonic for your upload host.',
  }),
  socketUrl: field(z.optional(z.string().check(z.regex(/^wss?:\/\/[^\s]+$/, 'must be a wss:// address'))), {
    description: 'Default wss://{host of baseUrl}:10100.',
  }),
  pivotRequest: field(z.optional(z.string().check(z.regex(/^\w{1,60}$/, 'must be a request name'))), {
    description: "Name of the request for pivot values, which the vendor's document omits. Default getPivotValues.",
  }),
  watchBooks: field(
    z.optional(z.array(z.string().check(z.regex(/^[^/\s]+\/[^/\s]+$/, 'must be owner/code'))).check(z.maxLength(50))),
    {
      description: 'Books to poll for events, as owner/code. Default all.',
      examples: [['acme/operations']],
    },
  ),
  listenSeconds: field(z.optional(integer(1, 20)), {
    description: 'Seconds of each minute to listen on the socket, for events that only it reports. Off by default.',
  }),
});

export const credentials = () => ({
  login: field(z.optional(text(300)), { description: 'Used once, with password; never stored.', writeOnly: true }),
  password: field(z.optional(text(500)), { description: 'Used once, with login; never stored.', writeOnly: true }),
  oauthkey: field(z.optional(text(200)), {
    description: 'An existing oauthkey, from which sessions are created.',
    writeOnly: true,
  }),
  sesskey: field(z.optional(text(200)), {
    description: 'A session key from the profile page; it cannot be renewed once it has expired.',
    writeOnly: true,
  }),
});

/** Requires exactly one credential: login with password, an oauthkey, or a sesskey. */
export function validate(_settings: TimetonicSettings, given: TimetonicCredentials): void {
  const { login, password, oauthkey, sesskey } = given;
  const pair = login !== undefined && password !== undefined;
  const half = (login !== undefined) !== (password !== undefined);
  const ways = [pair, oauthkey !== undefined, sesskey !== undefined].filter(Boolean).length;
  if (ways === 1 && !half) return;
  const message = half ? 'login and password belong together' : 'give one of: login with password, oauthkey, sesskey';
  throw new GatewayError('invalid_input', `The credentials were refused: ${message}.`, {
    errors: [{ pointer: '/credentials', message }],
  });
}

/** Every address that is called; sockets as the https address from which they start. */
export function addresses(given: TimetonicSettings): string[] {
  const { uploadUrl } = given;
  return [given.baseUrl, socketUrlOf(given).replace(/^ws/, 'http'), ...(uploadUrl === undefined ? [] : [uploadUrl])];
}

/** `baseUrl` without trailing slashes. */
export const baseOf = (given: TimetonicSettings): string => given.baseUrl.replace(/\/+$/, '');

/** The socket's address, by default on port 10100 of the same host. */
export function socketUrlOf(given: TimetonicSettings): string {
  if (given.socketUrl !== undefined) return given.socketUrl;
  const { protocol, hostname } = new URL(given.baseUrl);
  return `${protocol === 'http:' ? 'ws' : 'wss'}://${hostname}:${defaultSocketPort}`;
}

/** The unique name of a user of a server among all accounts. */
export function accountOf({ settings }: { settings: TimetonicSettings }, user = settings.user): string {
  return `${placeOf(settings)}/users/${user}`;
}

/** The host and folder of the server: its rows and messages have ids of their own. */
export function placeOf(given: TimetonicSettings): string {
  const { host, pathname } = new URL(baseOf(given));
  return `${host}${pathname}`;
}

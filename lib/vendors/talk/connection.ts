import * as z from 'zod/mini';
import { refusedField, vendorError } from '../../core/errors.ts';
import { field, text } from '../../core/field.ts';
import type { InputOf } from '../../core/operation.ts';
import type { VendorCall } from '../../core/vendor.ts';
import type { Cookies } from './wire/cookies.ts';
import type { ServerFacts } from './wire/dialect.ts';

/** The settings of a Talk connection, in addition to those of every vendor. */
export type TalkSettings = InputOf<ReturnType<typeof settings>>;
export type TalkCredentials = InputOf<ReturnType<typeof credentials>>;

/**
 * The stored state of an account at a server. Talk has no session for ordinary calls; this is the cookie jar that calls need, and
 * the capabilities, read once and shared by all processes. Times are epoch milliseconds.
 */
export interface TalkSession extends ServerFacts {
  /** The account's id, which may differ from its login name; empty for a guest. */
  readonly userId: string;
  readonly cookies: Cookies;
  /** The last `X-Nextcloud-Talk-Hash`; a different one means that the capabilities have changed. */
  readonly hash?: string | undefined;
  readonly readAt: number;
}

export type TalkCall = VendorCall<TalkSettings, TalkCredentials, TalkSession>;

export const title = 'Nextcloud Talk';
/** An error of this vendor. */
export const talkError = vendorError('talk');

const webAddress = () =>
  z.url().check(z.refine((url: string) => !/[?#]/.test(url), 'must be an address without a query or fragment'));

/** The schemas are functions, so that a cold start builds only the ones it uses. */
export const settings = () => ({
  serverUrl: field(webAddress(), {
    description: 'The URL of Nextcloud, including its folder if it has one, without /index.php or /ocs.',
    examples: ['https://cloud.example.com'],
  }),
  user: field(
    z.optional(text(255).check(z.refine((name: string) => !name.includes(':'), 'must not contain a colon'))),
    {
      description: 'The login name. All calls act as this account.',
      examples: ['gateway'],
    },
  ),
  guest: field(z.optional(z.boolean()), {
    description: 'Acts without an account, as a guest in public rooms. Leave out `user` and `appPassword`.',
  }),
  backendUrl: field(z.optional(webAddress()), {
    description: 'The URL that the server sends to bots (`overwrite.cli.url`), if it differs from `serverUrl`.',
  }),
});

export const credentials = () => ({
  appPassword: field(z.optional(text(500)), {
    description: 'An app password, created under Settings > Security, or obtained by `POST …/login`.',
    writeOnly: true,
  }),
  botSecret: field(z.optional(z.string().check(z.minLength(40), z.maxLength(128))), {
    description: 'The secret that the bot was installed with, 40 to 128 characters.',
    writeOnly: true,
  }),
});

/** An account needs its name and app password, a guest has neither. */
export function validate(given: TalkSettings, secret: TalkCredentials): void {
  if (given.guest) {
    if (given.user !== undefined) throw refusedField('/settings/user', 'cannot be combined with guest');
    if (secret.appPassword !== undefined)
      throw refusedField('/credentials/appPassword', 'cannot be combined with guest');
    return;
  }
  if (given.user === undefined) throw refusedField('/settings/user', 'is required');
  if (secret.appPassword === undefined) throw refusedField('/credentials/appPassword', 'is required');
}

/** The server's root, without a trailing slash and without `/index.php`. */
export function rootOf({ serverUrl }: TalkSettings): string {
  return serverUrl.replace(/\/+$/, '').replace(/\/index\.php$/, '');
}

/** The host and folder of the server, as event ids contain it. */
export function placeOf(given: TalkSettings): string {
  const { host, pathname } = new URL(rootOf(given));
  return `${host}${pathname === '/' ? '' : pathname}`;
}

/** The unique name of an account of a server among all accounts. */
export function accountAt(place: string, userId: string): string {
  return `${place}/users/${userId}`;
}

/** Basic auth in UTF-8, or nothing for a guest. */
export async function authorization(call: {
  connection: { settings: TalkSettings };
  credentials(): Promise<TalkCredentials>;
}): Promise<Record<string, string>> {
  const { user, guest } = call.connection.settings;
  if (guest) return {};
  const { appPassword = '' } = await call.credentials();
  return { authorization: `Basic ${Buffer.from(`${user ?? ''}:${appPassword}`, 'utf8').toString('base64')}` };
}

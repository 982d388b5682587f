import type { Clock, Random } from '../../core/clock.ts';
import { equalInConstantTime } from '../../core/constant-time.ts';
import { GatewayError } from '../../core/errors.ts';
import { newId } from '../../core/ids.ts';
import { expiry, keys as itemKeys } from '../../store/items.ts';
import type { Key, Table } from '../../store/table.ts';
import { hashOf } from '../keys/admin-key.ts';

/** Where a browser exchanges its key, or the token of a link, for a cookie. */
export const signInPath = '/v1/sign-in';
/** The lifetime of a sign-in: one shift. It is not extended: afterwards, the key must be entered again. */
const signInMs = 12 * 60 * 60 * 1000;
const linkMs = 60 * 60 * 1000;
const cookieName = 'trunkline_sign_in';

/** The secret of a key at the time of signing in, hashed: when it is revoked or rotated out, the sign-in ends, too. */
export interface SignInKey {
  keyId: string;
  keyHash: string;
}

/** A browser that is signed in, or a link that was not used yet. Its secret is stored only as a hash; `until` is in epoch milliseconds. */
interface SignInItem extends Key, SignInKey {
  hash: string;
  until: number;
  expiresAt: number;
}

/** The payload of a cookie or a link. */
export interface SignInToken {
  id: string;
  secret: string;
}

const form = /^([a-z2-7]{16})_([A-Za-z0-9_-]{43})$/;
const linkPrefix = 'tlo_';

/** Browsers that are signed in with a key, and links that sign in once. */
export class SignIns {
  readonly #table: Table;
  readonly #clock: Clock;
  readonly #random: Random;

  constructor(table: Table, clock: Clock, random: Random) {
    this.#table = table;
    this.#clock = clock;
    this.#random = random;
  }

  async open(key: SignInKey): Promise<{ token: SignInToken; until: number }> {
    const { token, item } = this.#make(signInMs, itemKeys.signIn, key);
    await this.#table.put<SignInItem>(item);
    return { token, until: item.until };
  }

  /** A token that signs in once within an hour. */
  async createLink(key: SignInKey): Promise<string> {
    const { token, item } = this.#make(linkMs, itemKeys.signInLink, key);
    await this.#table.put<SignInItem>(item);
    return `${linkPrefix}${token.id}_${token.secret}`;
  }

  async close({ id }: SignInToken): Promise<void> {
    await this.#table.delete(itemKeys.signIn(id));
  }

  #make(ms: number, keyOf: (id: string) => Key, key: SignInKey): { token: SignInToken; item: SignInItem } {
    const token = { id: newId(this.#random), secret: this.#random.bytes(32).toString('base64url') };
    const until = this.#clock.now() + ms;
    return { token, item: { ...keyOf(token.id), ...key, hash: hashOf(token.secret), until, expiresAt: expiry(until) } };
  }
}

/** The key behind a cookie, or undefined if the cookie is no longer valid. */
export async function findSignIn(
  table: Table,
  { id, secret }: SignInToken,
  now: number,
): Promise<(SignInKey & { until: number }) | undefined> {
  const item = await table.get<SignInItem>(itemKeys.signIn(id), true);
  return item && item.until > now && equalInConstantTime(item.hash, hashOf(secret)) ? item : undefined;
}

/** Consumes a link's token and returns the key behind it, or undefined if the token is used, too old or unknown. */
export async function useLink(table: Table, text: string, now: number): Promise<SignInKey | undefined> {
  const token = tokenOf(text.slice(linkPrefix.length));
  if (!token) return undefined;
  const used = await table.delete<SignInItem>(itemKeys.signInLink(token.id), '#hash = :hash AND #until > :now', {
    hash: hashOf(token.secret),
    now,
  });
  return used.done ? used.item : undefined;
}

export const isLinkToken = (text: string): boolean => text.startsWith(linkPrefix);

/** The token in a `Cookie` header. */
export function signInCookie(header: string | undefined): SignInToken | undefined {
  for (const pair of header?.split(';') ?? []) {
    const [name, value = ''] = pair.trim().split('=');
    if (name === cookieName) return tokenOf(value);
  }
  return undefined;
}

/** A `Set-Cookie` header that no script can read and no other site can use; without a token it removes the cookie. */
export function setCookie(token: SignInToken | undefined, secure: boolean): string {
  return [
    `${cookieName}=${token ? `${token.id}_${token.secret}` : ''}`,
    'Path=/v1',
    `Max-Age=${token ? signInMs / 1000 : 0}`,
    'HttpOnly',
    'SameSite=Strict',
    ...(secure ? ['Secure'] : []),
  ].join('; ');
}

/** What a page must send as `X-CSRF-Token` with everything but a read. */
export function csrfToken({ secret }: SignInToken): string {
  return hashOf(`csrf ${secret}`);
}

/** Throws `forbidden` where a request that may change something does not carry the page's token. */
export function requireCsrfToken(token: SignInToken, method: string, given: string | undefined): void {
  if (method === 'GET' || method === 'HEAD' || equalInConstantTime(given ?? '', csrfToken(token))) return;
  throw new GatewayError(
    'forbidden',
    `A request with the cookie of a sign-in needs the header X-CSRF-Token. GET ${signInPath} returns it.`,
  );
}

function tokenOf(text: string): SignInToken | undefined {
  const [, id, secret] = text.match(form) ?? [];
  return id !== undefined && secret !== undefined ? { id, secret } : undefined;
}

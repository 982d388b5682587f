import * as z from 'zod/mini';
import type { Clock, Random } from '../../core/clock.ts';
import { GatewayError } from '../../core/errors.ts';
import { field, named } from '../../core/field.ts';
import type { Table } from '../../store/table.ts';
import type { KeyCheck, Principal } from '../keys/key-check.ts';
import { Answer, type Route, route } from '../route.ts';
import { serverUrl } from '../server-url.ts';
import { csrfToken, findSignIn, SignIns, type SignInToken, setCookie, signInCookie, signInPath } from './sign-ins.ts';

const shown = () =>
  named(
    'SignIn',
    z.looseObject({
      id: z.string(),
      name: z.string(),
      scopes: z.array(z.string()),
      csrfToken: field(z.string(), { description: 'Send it as X-CSRF-Token with every request other than GET.' }),
      expiresAt: z.string(),
    }),
  );

/** How a browser signs in with a key, stays signed in for twelve hours, and signs out. */
export function signInRoutes(services: { table: Table; clock: Clock; random: Random; keyCheck: KeyCheck }): Route[] {
  const { table, clock } = services;
  const signIns = new SignIns(table, clock, services.random);
  const show = ({ keyId, name, scopes }: Principal, token: SignInToken, until: number) => ({
    id: keyId,
    name,
    scopes,
    csrfToken: csrfToken(token),
    expiresAt: new Date(until).toISOString(),
  });
  const secure = (headers: Readonly<Record<string, string | undefined>>) => serverUrl({ headers }).startsWith('https:');
  return [
    route({
      tag: 'Account',
      call: `POST ${signInPath}`,
      operationId: 'signIn',
      summary: 'Exchange a key, or the one-time token of a console link, for a cookie of twelve hours',
      output: shown,
      handle: async ({ principal, request: { headers } }) => {
        if (principal.keyHash === undefined)
          throw new GatewayError(
            'invalid_request',
            'Signed in already. Sign in with a key as the Authorization header.',
          );
        const { token, until } = await signIns.open({ keyId: principal.keyId, keyHash: principal.keyHash });
        return new Answer(200, show(principal, token, until), {
          'set-cookie': setCookie(token, secure(headers)),
          'cache-control': 'no-store',
        });
      },
    }),
    route({
      tag: 'Account',
      call: `GET ${signInPath}`,
      operationId: 'getSignIn',
      summary: 'Who is signed in with this cookie',
      output: shown,
      handle: async ({ principal, request: { headers } }) => {
        const token = signInCookie(headers.cookie);
        const found = token && (await findSignIn(table, token, clock.now()));
        if (!token || !found) throw new GatewayError('not_found', 'Nobody is signed in: this call came with a key.');
        return new Answer(200, show(principal, token, found.until), { 'cache-control': 'no-store' });
      },
    }),
    route({
      tag: 'Account',
      call: `DELETE ${signInPath}`,
      operationId: 'signOut',
      summary: 'Sign out; the cookie stops working everywhere within ten seconds',
      status: 204,
      handle: async ({ request: { headers } }) => {
        const token = signInCookie(headers.cookie);
        if (token) await signIns.close(token);
        services.keyCheck.forget();
        return new Answer(204, undefined, { 'set-cookie': setCookie(undefined, secure(headers)) });
      },
    }),
  ];
}

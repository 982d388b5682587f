import { GatewayError } from '../../../core/errors.ts';
import { type TimetonicCredentials, type TimetonicLogin, timetonicError } from '../connection.ts';
import { keyIn } from '../session.ts';
import { requestWithoutSession } from '../wire/session-request.ts';

export const applicationName = 'trunkline';

/** Exchanges login and password for the keys to store; login and password are not stored. Other credentials are left unchanged. */
export async function exchangeLogin(given: TimetonicCredentials, call: TimetonicLogin): Promise<TimetonicCredentials> {
  const { login, password } = given;
  if (login === undefined || password === undefined) return given;
  return logIn(call, login, password, await createAppkey(call, applicationName));
}

/** A key for an application of this name. */
export async function createAppkey(call: TimetonicLogin, appname: string): Promise<string> {
  return keyIn(
    await requestWithoutSession(call, { req: 'createAppkey', fields: { appname }, effect: 'session' }),
    'appkey',
  );
}

/** The oauthkey of a user, with the appkey that created it. */
export async function logIn(
  call: TimetonicLogin,
  login: string,
  password: string,
  appkey: string,
): Promise<{ appkey: string; oauthkey: string }> {
  const fields = { login, pwd: password, appkey };
  const body = await requestWithoutSession(call, { req: 'createOauthkey', fields, effect: 'session' }).catch(
    (error: unknown) => {
      if (!(error instanceof GatewayError) || error.session !== 'refused') throw error;
      // The login was wrong, not the connection's session: nothing is renewed or locked because of it.
      throw timetonicError('connection_needs_attention', `${error.message} Correct login and password.`, {
        ...(error.vendorCode !== undefined && { vendorCode: error.vendorCode }),
      });
    },
  );
  const { user } = call.connection.settings;
  if (typeof body.o_u === 'string' && body.o_u !== user) {
    const message = `the login belongs to the user ${body.o_u}; set user to that, or log in as ${user}`;
    throw new GatewayError('invalid_input', `The settings were refused: ${message}.`, {
      errors: [{ pointer: '/settings/user', message }],
    });
  }
  return { appkey, oauthkey: keyIn(body, 'oauthkey') };
}

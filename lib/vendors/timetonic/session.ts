import { GatewayError } from '../../core/errors.ts';
import type { LiveSession, SessionPolicy } from '../../core/vendor.ts';
import {
  accountOf,
  type TimetonicCredentials,
  type TimetonicLogin,
  type TimetonicSession,
  type TimetonicSettings,
  timetonicError,
  title,
} from './connection.ts';
import { requestWithoutSession, requestWithSession } from './wire/session-request.ts';

/** Keys have no fixed lifetime; they are replaced after this long in any case. */
const lifetimeMs = 30 * 24 * 60 * 60_000;
/** No stamp is higher, so the response contains only the stamp. */
const highestStamp = '9223372036854775807';

/** Sessions from the oauthkey, or the pasted key for as long as it lives. TimeTonic has no keepalive. */
export const session: SessionPolicy<TimetonicSettings, TimetonicCredentials, TimetonicSession> = {
  refusalsUntilLocked: 1,

  async login(call): Promise<LiveSession<TimetonicSession>> {
    const { oauthkey, sesskey, oauthkeyDroppedAt } = await call.credentials();
    const shared = { expiresAt: call.clock.now() + lifetimeMs, account: accountOf(call.connection) };
    if (oauthkey !== undefined) return { data: { sesskey: await createSesskey(call, oauthkey) }, ...shared };
    if (sesskey === undefined) throw refused('no oauthkey and no sesskey is stored.');
    try {
      await requestWithSession({ sesskey }, call, {
        req: 'getUserInfo',
        fields: { sstamp: highestStamp },
        effect: 'session',
      });
    } catch (error) {
      if (!(error instanceof GatewayError) || error.session !== 'refused') throw error;
      throw refused(
        oauthkeyDroppedAt === undefined
          ? `the pasted session key has expired (${error.message}) A pasted key cannot be renewed: store a new one, or better login and password or an oauthkey.`
          : `the session key has expired, and the oauthkey behind it was revoked by dropAllSessions on ${oauthkeyDroppedAt}: store login and password again.`,
      );
    }
    return { data: { sesskey }, ...shared };
  },
};

/** Creates a session key from an oauthkey. */
async function createSesskey(call: TimetonicLogin, oauthkey: string): Promise<string> {
  const { user } = call.connection.settings;
  const body = await requestWithoutSession(call, {
    req: 'createSesskey',
    fields: { o_u: user, u_c: user, oauthkey },
    effect: 'session',
  }).catch((error: unknown) => {
    if (!(error instanceof GatewayError) || error.session !== 'refused') throw error;
    throw refused(`it no longer accepts the oauthkey of ${user} (${error.message}) Store login and password again.`);
  });
  return keyIn(body, 'sesskey');
}

/** The key in a response; a response without one is not a login. */
export function keyIn(body: Record<string, unknown>, name: string): string {
  const key = body[name];
  if (typeof key === 'string' && key !== '') return key;
  throw timetonicError('vendor_malformed', `${title} answered without ${name}.`);
}

function refused(why: string): GatewayError {
  return timetonicError('connection_needs_attention', why, { session: 'refused' });
}

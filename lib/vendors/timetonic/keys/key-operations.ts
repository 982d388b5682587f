import { GatewayError } from '../../../core/errors.ts';
import type { SessionState } from '../../../core/vendor.ts';
import { type TimetonicCall, type TimetonicCredentials, timetonicError, title } from '../connection.ts';
import { keyIn } from '../session.ts';
import { requestWithoutSession, requestWithSession } from '../wire/session-request.ts';
import { applicationName, createAppkey, logIn } from './keys.ts';

type Done = { status: 'ok'; [field: string]: unknown };

/** Changes the stored credentials while no login can interfere: read past every cache, changed, written. */
function changing<T>(
  call: TimetonicCall,
  change: (stored: TimetonicCredentials) => Promise<{ stored: TimetonicCredentials; answer: T }>,
): Promise<T> {
  return call.session.exclusively(async () => {
    await call.credentialsAfresh();
    const { stored, answer } = await change(await call.credentials());
    await call.saveCredentials(stored);
    return answer;
  });
}

export function makeAppkey(call: TimetonicCall, appname = applicationName): Promise<Done> {
  return changing(call, async (stored) => ({
    stored: { ...stored, appkey: await createAppkey(call, appname) },
    answer: { status: 'ok', appname },
  }));
}

export async function makeOauthkey(call: TimetonicCall, login: string, password: string): Promise<SessionState> {
  await changing(call, async ({ appkey: known, sesskey: _pasted, oauthkeyDroppedAt: _dropped, ...rest }) => {
    const appkey = known ?? (await createAppkey(call, applicationName));
    return { stored: { ...rest, ...(await logIn(call, login, password, appkey)) }, answer: undefined };
  });
  return call.session.renew();
}

/** Registers a phone as an SMS gateway; its key is stored and removed from the response. */
export function registerGateway(
  call: TimetonicCall,
  input: { phoneNumber: string; appname: string; bookOwner?: string | undefined; bookCode?: string | undefined },
): Promise<Done> {
  const { phoneNumber, appname, bookOwner, bookCode } = input;
  return changing(call, async (stored) => {
    const fields = { o_u: phoneNumber, appname, b_o: bookOwner, b_c: bookCode };
    const { sesskey, ...answer } = await requestWithoutSession(call, {
      req: 'registerSMSGateway',
      fields,
      effect: 'write',
    });
    return {
      stored: { ...stored, [`gateway:${phoneNumber}`]: keyIn({ sesskey }, 'sesskey') },
      answer: { ...answer, status: 'ok' },
    };
  });
}

export function unregisterGateway(call: TimetonicCall, phoneNumber: string): Promise<Done> {
  return changing(call, async (stored) => {
    const { [`gateway:${phoneNumber}` as const]: sesskey, ...rest } = stored;
    if (sesskey === undefined) {
      throw timetonicError(
        'vendor_not_found',
        `This connection has registered no SMS gateway ${phoneNumber}, so it has no key to unregister it with.`,
        { errors: [{ pointer: '/phoneNumber', message: 'is not a gateway of this connection' }] },
      );
    }
    const answer = await requestWithoutSession(call, {
      req: 'unregisterSMSGateway',
      fields: { o_u: phoneNumber, sesskey },
      effect: 'write',
    }).catch((error: unknown) => {
      if (!(error instanceof GatewayError) || error.session !== 'refused') throw error;
      // The gateway's own key is dead, not the connection's session.
      return { status: 'ok', warning: `${title} did not know the key of this gateway any more: ${error.message}` };
    });
    return { stored: rest, answer: { ...answer, status: 'ok' } };
  });
}

/**
 * Drops every session except this one, and all oauthkeys. The remaining key is stored in place of the dead oauthkey, so that
 * nothing tries to renew from that; the response warns of it.
 */
export function dropAllSessions(call: TimetonicCall): Promise<Done> {
  return call.withSession((session) =>
    changing(call, async ({ oauthkey, ...rest }) => {
      const body = await requestWithSession(session, call, {
        req: 'dropAllSessions',
        fields: {},
        effect: 'destructive',
      });
      if (oauthkey === undefined)
        return { stored: { ...rest, sesskey: session.sesskey }, answer: { ...body, status: 'ok' as const } };
      return {
        stored: {
          ...rest,
          sesskey: session.sesskey,
          oauthkeyDroppedAt: new Date(call.clock.now()).toISOString().slice(0, 10),
        },
        answer: {
          ...body,
          status: 'ok' as const,
          warning:
            'The oauthkey of this connection was revoked with the others. Calls continue with the current session key, which cannot be renewed when it expires. Store login and password again with createOauthkey or PATCH /v1/connections.',
        },
      };
    }),
  );
}

import type { GatewayError } from '../../core/errors.ts';
import type { BrowserLogin } from '../../core/vendor.ts';
import { rootOf, type TalkCredentials, type TalkSettings, talkError, title } from './connection.ts';
import { httpRequest, type OcsAnswer, readAnswer, recordOf, textOf, userAgent } from './wire/protocol.ts';
import { refusalOf } from './wire/refusal.ts';

/** How long a server keeps a started login, in milliseconds. */
const lifetimeMs = 20 * 60_000;
const startPath = '/index.php/login/v2';

/** Login Flow v2 (Nextcloud 16): the person grants access in the browser, and the gateway fetches its own app password. */
export const login: BrowserLogin<TalkSettings, TalkCredentials> = {
  async start(call) {
    const root = rootOf(call.connection.settings);
    const doing = 'the start of a login';
    const answer = await post(call, `${root}${startPath}`, '', doing);
    const flow = recordOf(answer.data);
    const poll = recordOf(flow?.poll);
    const url = textOf(flow?.login);
    const state = { token: textOf(poll?.token), endpoint: textOf(poll?.endpoint) };
    if (answer.status === 404 || answer.status === 405) {
      throw talkError(
        'vendor_too_old',
        'This server has no login flow (Nextcloud 16 and newer have one): create an app password in its settings and store it.',
      );
    }
    if (answer.status !== 200) throw refusalOf(answer, { doing, effect: 'read', now: call.clock.now() });
    if (url === '' || state.token === '') throw strange(answer);
    for (const address of [url, state.endpoint]) requireSameHost(address, root);
    return { url, state, expiresAt: call.clock.now() + lifetimeMs };
  },

  async finish(state, call) {
    const root = rootOf(call.connection.settings);
    const { token, endpoint } = state as { token: string; endpoint: string };
    requireSameHost(endpoint, root);
    const doing = 'checking whether the login was granted';
    const answer = await post(call, endpoint, new URLSearchParams({ token }).toString(), doing);
    if (answer.status === 404) return undefined;
    if (answer.status !== 200) throw refusalOf(answer, { doing, effect: 'read', now: call.clock.now() });
    const granted = recordOf(answer.data);
    const user = textOf(granted?.loginName);
    const appPassword = textOf(granted?.appPassword);
    if (user === '' || appPassword === '') throw strange(answer);
    requireSameHost(textOf(granted?.server), root);
    return { settings: { user }, credentials: { appPassword } };
  },
};

type Call = Parameters<typeof login.start>[0];

async function post(call: Call, url: string, form: string, doing: string): Promise<OcsAnswer> {
  const headers = { 'user-agent': `${userAgent} (${call.connection.name})` };
  return readAnswer(await httpRequest(call, { method: 'POST', url, headers, form, effect: 'session', doing }));
}

/** The server supplies addresses itself; credentials are sent only to the server of the connection. */
function requireSameHost(address: string, root: string): void {
  const named = URL.parse(address);
  const own = new URL(root);
  if (named !== null && named.host === own.host && (named.protocol === own.protocol || named.protocol === 'https:'))
    return;
  throw talkError(
    'connection_needs_attention',
    `${title} says that it is at ${(named?.origin ?? address).slice(0, 200) || 'no address'}, but the connection has ${own.origin}. Correct serverUrl, or overwrite.cli.url of the server.`,
  );
}

function strange(answer: OcsAnswer): GatewayError {
  return talkError('vendor_malformed', `${title} answered a login in an unexpected form: status ${answer.status}.`);
}

import type { SandboxReply, SandboxRequest } from '../sandbox-server.ts';
import { type Answer, controllerCache, expires, routerCache } from './ocs.ts';
import { type LoginFlow, randomText, type TalkState, type TalkUser, wordAlphabet } from './state.ts';
import { isTalk, seconds, serverUrl, type Talk, type TalkRequest } from './talk.ts';
import { countFailure, forgiveFailures, isBlocked } from './throttle.ts';
import { nextcloudOf } from './versions.ts';

/** The login of a request: none attempted, an account, a wrong password, or an address that is blocked. */
type Login =
  | { kind: 'none' }
  | { kind: 'account'; user: TalkUser; appPassword: string | null }
  | { kind: 'wrong' }
  | { kind: 'blocked' };

/** Reads Basic auth (UTF-8) and checks it against account and app passwords. */
export function logIn(talk: Talk, authorization: string | undefined): Login {
  if (!authorization?.startsWith('Basic ')) return { kind: 'none' };
  const now = seconds(talk);
  if (isTalk(talk, '12') && isBlocked(talk.state, 'login', now)) return { kind: 'blocked' };
  const decoded = Buffer.from(authorization.slice(6), 'base64').toString('utf8');
  const colon = decoded.indexOf(':');
  const name = decoded.slice(0, colon);
  const password = decoded.slice(colon + 1);
  const user = Object.values(talk.state.users).find((one) => one.id === name || one.loginName === name);
  const byApp = user?.appPasswords.some((one) => one.token === password) ?? false;
  if (user && (byApp || user.password === password)) {
    forgiveFailures(talk.state, 'login', name);
    return { kind: 'account', user, appPassword: byApp ? password : null };
  }
  countFailure(talk.state, 'login', name, now);
  return { kind: 'wrong' };
}

/** `GET /cloud/user`: the account's id may differ from its login name. */
export function cloudUser(r: TalkRequest): Answer {
  const user = r.user as TalkUser;
  const local = { phone: '', address: '', website: '', twitter: '' };
  const data: Record<string, unknown> = {
    id: user.id,
    lastLogin: 0,
    backend: 'Database',
    subadmin: [],
    quota: { quota: 'none', used: 0 },
    email: null,
    displayname: user.displayName,
    'display-name': user.displayName,
    ...local,
    groups: user.groups,
    language: 'en',
    locale: '',
    backendCapabilities: { setDisplayName: true, setPassword: true },
  };
  if (r.era === 'E') {
    Object.assign(data, { manager: '', additional_mail: [], additional_mailScope: [], notify_email: null });
    Object.assign(data, {
      profile_enabled: '1',
      fediverse: '',
      organisation: '',
      role: '',
      headline: '',
      biography: '',
    });
    for (const field of ['avatar', 'email', 'displayname']) data[`${field}Scope`] = 'v2-federated';
    const more = ['fediverse', 'organisation', 'role', 'headline', 'biography', 'profile_enabled'];
    for (const field of [...Object.keys(local), ...more]) data[`${field}Scope`] = 'v2-local';
  }
  return { status: 200, data };
}

/** `GET /core/getapppassword`: turns the account password into an app password. */
export function getAppPassword(r: TalkRequest): Answer {
  if (r.appPassword !== null || !r.user) {
    return { status: 403, message: 'You cannot request an new apppassword with an apppassword' };
  }
  return { status: 200, data: { apppassword: makeAppPassword(r.user, String(r.raw.headers['user-agent'] ?? '')) } };
}

/** `DELETE /core/apppassword`: revokes the app password that this request used. */
export function revokeAppPassword(r: TalkRequest): Answer {
  if (r.appPassword === null || !r.user) return { status: 403, message: 'no app password in use' };
  r.user.appPasswords = r.user.appPasswords.filter((one) => one.token !== r.appPassword);
  return { status: 200 };
}

/** A new app password of an account. */
function makeAppPassword(user: TalkUser, name: string): string {
  const token = randomText(72, wordAlphabet);
  user.appPasswords.push({ token, name });
  return token;
}

/** `status.php`, which answers in maintenance too. */
export function statusPhp(talk: Talk): SandboxReply {
  const { major, minor, micro, string } = nextcloudOf(talk.state.talkVersion);
  const body = {
    installed: true,
    maintenance: talk.state.maintenance,
    needsDbUpgrade: false,
    version: `${major}.${minor}.${micro}.${major === 13 ? 1 : 0}`,
    versionstring: string,
    edition: '',
    productname: 'Nextcloud',
    ...(major >= 20 ? { extendedSupport: false } : {}),
  };
  const headers = { ...expires, ...routerCache, 'content-type': 'application/json' };
  return { status: 200, headers, body: Buffer.from(JSON.stringify(body)) };
}

/** Login Flow v2 below `/index.php/login/v2` (Nextcloud 16): start, the page a person would see, and the poll that answers once. */
export async function loginFlow(talk: Talk, request: SandboxRequest): Promise<SandboxReply> {
  const path = request.path.replace(/^\/index\.php/, '');
  const headers = { ...expires, ...controllerCache, 'content-type': 'application/json; charset=utf-8' };
  const json = (status: number, body: unknown) => ({ status, headers, body: Buffer.from(JSON.stringify(body)) });
  const { state } = talk;
  state.loginFlows = state.loginFlows.filter((flow) => flow.startedAt > seconds(talk) - 1200);

  if (request.method === 'POST' && path === '/login/v2') {
    const flow: LoginFlow = {
      pollToken: randomText(128, wordAlphabet),
      loginToken: randomText(128, wordAlphabet),
      client: String(request.headers['user-agent'] ?? 'unknown'),
      startedAt: seconds(talk),
      granted: null,
    };
    state.loginFlows.push(flow);
    const base = `${serverUrl(talk)}/index.php/login/v2`;
    return json(200, {
      poll: { token: flow.pollToken, endpoint: `${base}/poll` },
      login: `${base}/flow/${flow.loginToken}`,
    });
  }
  if (request.method === 'POST' && path === '/login/v2/poll') {
    const form = new URLSearchParams((await request.body()).toString('utf8'));
    const flow = state.loginFlows.find((one) => one.granted && one.pollToken === form.get('token'));
    if (!flow) return json(404, []);
    state.loginFlows = state.loginFlows.filter((one) => one !== flow);
    return json(200, { server: serverUrl(talk), ...flow.granted });
  }
  const shown = state.loginFlows.find((one) => path === `/login/v2/flow/${one.loginToken}`);
  const page = shown
    ? `<p>${escapeHtml(shown.client)} asks for access. Grant it with POST /__sandbox/login-grants and the control key.</p>`
    : '';
  return {
    status: shown && request.method === 'GET' ? 200 : 404,
    headers: { ...expires, ...controllerCache, 'content-type': 'text/html; charset=UTF-8' },
    body: `<!DOCTYPE html><html><head><title>Nextcloud</title></head><body>${page}</body></html>`,
  };
}

/** Grants a login as a person in the browser would: the one with that link or token, or the newest. */
export function grantLogin(state: TalkState, userId: string, loginToken?: string): LoginFlow['granted'] {
  const user = state.users[userId];
  const waiting = state.loginFlows.filter((one) => one.granted === null);
  const flow = loginToken === undefined ? waiting.at(-1) : waiting.find((one) => loginToken.endsWith(one.loginToken));
  if (!user || !flow) throw new RangeError(user ? 'No login is waiting' : `No account ${userId}`);
  flow.granted = { loginName: user.loginName ?? user.id, appPassword: makeAppPassword(user, flow.client) };
  return flow.granted;
}

function escapeHtml(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;');
}

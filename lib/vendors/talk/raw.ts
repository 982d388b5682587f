import { Readable } from 'node:stream';
import { GatewayError } from '../../core/errors.ts';
import type { HttpAnswer } from '../../core/http/client.ts';
import { type Operation, rawRouteOf } from '../../core/operation.ts';
import { pathTemplate } from '../../core/path-template.ts';
import type { RawMatch, RawRequest, VendorAnswer } from '../../core/vendor.ts';
import { authorization, rootOf, type TalkCall, talkError, title } from './connection.ts';
import { refusedWords } from './session.ts';
import { cookieHeader } from './wire/cookies.ts';
import { routeOf, type TalkRoute } from './wire/dialect.ts';
import { notJoined } from './wire/missing.ts';
import { httpRequest, readAnswer } from './wire/protocol.ts';
import { refusalOf } from './wire/refusal.ts';
import { keepCookies } from './wire/session-request.ts';

/** Requests that create, change or end credentials; only the gateway itself sends them. */
const ofSession =
  /^(index\.php\/)*(login(\/|$)|logout|settings\/(personal\/)?authtokens|ocs\/v[12]\.php\/(core\/(get)?apppassword|settings\/))/i;

const talkPath = /^(?:index\.php\/)*ocs\/v[12]\.php\/apps\/spreed\/api\/v\d+\/(.+)$/i;

const accountPath = /^(?:index\.php\/)*ocs\/v[12]\.php\/cloud\/users\/([^/]+)(\/|$)/i;
/** The fields of its own account that a raw request may change: none on which its password depends. */
const accountFields =
  /^(displayname|phone|address|website|twitter|bluesky|fediverse|organisation|role|headline|biography|birthdate|pronouns|profile_enabled|language|locale)$/;

/** The declared operation that corresponds to a request below the server's root, whatever version its path names. */
export function matchRaw(request: RawRequest, operations: Readonly<Record<string, Operation>>): RawMatch | undefined {
  const path = stepsOf(request.path);
  if (ofSession.test(path)) return 'session';
  if (/^ocs\/v[12]\.php\/cloud\/capabilities$/i.test(path) && request.method === 'GET') {
    return { operation: 'getCapabilities' };
  }
  const below = talkPath.exec(path)?.[1];
  if (below === undefined) return undefined;
  for (const [name, operation] of Object.entries(operations)) {
    const route = rawRouteOf(operation);
    if (route === undefined) continue;
    // Declared with the vendor's own call type, so it is one of its routes.
    for (const form of formsOf(route as TalkRoute)) {
      const [method, template = ''] = form.split(' ');
      const params = method === request.method ? pathTemplate(template).matchAnyCase(below) : undefined;
      // The operation signs bot messages; everything else is sent as received.
      if (params && routeOf(route as TalkRoute).bot)
        return { operation: name, input: { ...fieldsOf(request), ...ids(params) } };
      if (params) return { operation: name };
    }
  }
  return undefined;
}

/** Paths that belong to the session of a joined room, which the connection's cookies identify. */
const ofRoomSession =
  /^(?:index\.php\/)*ocs\/v[12]\.php\/apps\/spreed\/api\/v\d+\/(guest|call|signaling|room\/[^/]+\/participants\/(active|state))(\/|$)/i;

/** Sends a request as the account, and returns the response in the server's form. GET is a read, all other methods are writes. */
export async function sendRaw(request: RawRequest, call: TalkCall): Promise<VendorAnswer> {
  const path = stepsOf(request.path);
  const ocs = path.startsWith('ocs/');
  const query = new URLSearchParams(request.query);
  if (ocs && !query.has('format')) query.set('format', 'json');
  const effect = request.method === 'GET' ? 'read' : 'write';
  const doing = `${request.method} /${path.slice(0, 200)}`;
  const body = request.body !== null && typeof request.body === 'object' ? request.body : undefined;
  const content = request.content ?? (body && { bytes: Buffer.from(JSON.stringify(body)), type: 'application/json' });
  const address = `${rootOf(call.connection.settings)}/${path.split('/').map(encodeURIComponent).join('/')}`;
  // A locked connection sends nothing.
  const withJar = call.connection.settings.guest === true || ofRoomSession.test(path);
  const session = withJar ? await call.session.latest() : await call.withSession((current) => Promise.resolve(current));
  if (changesPassword(path, request, [session.userId, call.connection.settings.user])) throw ownAccount();
  const send = async () =>
    httpRequest(call, {
      method: request.method,
      url: query.size > 0 ? `${address}?${query}` : address,
      headers: { ...(await authorization(call)), ...(withJar && cookieHeader(session.cookies)) },
      content,
      effect,
      doing,
    });
  let whole = await send();
  if (whole.status === 401 && (await call.credentialsAfresh())) whole = await send();
  const answer = readAnswer(whole);
  if (withJar) await keepCookies(call, session, answer);
  if (answer.status === 304) return { body: null };
  if (answer.status === 401) await lockIfRefused(call);
  if (answer.status === 404 && withJar) {
    const token = /\/(?:guest|call|signaling|room)\/([^/]+)/.exec(path)?.[1];
    if (token !== undefined && !path.endsWith('/participants/active')) throw notJoined(token, doing);
  }
  if (answer.status < 200 || answer.status >= 300) throw refusalOf(answer, { doing, effect, now: call.clock.now() });
  if (answer.data === undefined && whole.bytes.length > 0) return fileOf(whole);
  return { body: answer.data ?? null, status: answer.status === 201 ? 201 : 200 };
}

/** Whether a request changes what authenticates the connection's own account: password, e-mail address, devices. */
function changesPassword(path: string, request: RawRequest, own: readonly (string | undefined)[]): boolean {
  const account = accountPath.exec(path)?.[1]?.trim().toLowerCase();
  const isOwn = account !== undefined && own.some((name) => name?.toLowerCase() === account);
  if (!isOwn || request.method === 'GET') return false;
  const body = request.body !== null && typeof request.body === 'object' ? Object.entries(request.body) : [];
  const keys = [...request.query, ...body].filter(([name]) => name === 'key').map(([, value]) => String(value));
  return request.method !== 'PUT' || keys.length === 0 || !keys.every((key) => accountFields.test(key));
}

function ownAccount(): GatewayError {
  return new GatewayError(
    'forbidden',
    "A raw request cannot change the password, the e-mail address or the devices of the connection's own account.",
  );
}

/** A 401 may be specific to the endpoint; a 401 for the account's own data is about the app password. */
async function lockIfRefused(call: TalkCall): Promise<void> {
  if (call.connection.settings.guest) return;
  const answer = readAnswer(
    await httpRequest(call, {
      method: 'GET',
      url: `${rootOf(call.connection.settings)}/ocs/v2.php/cloud/user?format=json`,
      headers: await authorization(call),
      effect: 'read',
      doing: 'reading the account',
    }),
  );
  if (answer.status !== 401 || !answer.enveloped) return;
  const reason = refusedWords(call.connection.settings);
  await call.session.lock(reason);
  throw talkError('connection_needs_attention', `${title} refused this connection's credentials: ${reason}`, {
    vendorCode: '401',
  });
}

function fileOf({ bytes, headers }: HttpAnswer): VendorAnswer {
  const type = String(headers['content-type'] ?? 'application/octet-stream');
  return { file: { stream: Readable.from([bytes]), type, size: bytes.length } };
}

/** The path without leading and trailing slashes. Throws for segments that would lead elsewhere than they appear to. */
function stepsOf(path: string): string {
  const clean = path.replace(/^\/+|\/+$/g, '');
  if (/[?#\\]/.test(clean) || clean.split('/').some((step) => step === '' || step === '.' || step === '..')) {
    throw new GatewayError(
      'invalid_request',
      'The raw path must not contain ?, #, a backslash, empty steps or dots as a step.',
    );
  }
  return clean;
}

/** A route in the form of the v1 document and in that of later servers. */
function formsOf(route: TalkRoute): string[] {
  const { elsewhere } = routeOf(route);
  const shared = {
    signaling: 'v1',
    chat: 'modern',
    systemMessages: true,
    maxLength: 0,
    nameLength: 0,
    descriptionLength: 0,
    reactionPushes: false,
  } as const;
  const servers = (['v1', 'v4'] as const).map((rooms) => ({ ...shared, rooms, ping: true, has: () => true }));
  return [route, ...servers.flatMap((server) => elsewhere?.(server) ?? [])].map((form) => form.replace(' v3/', ' '));
}

function fieldsOf({ query, body }: RawRequest): Record<string, unknown> {
  const fields = { ...Object.fromEntries(query), ...(body !== null && typeof body === 'object' ? body : {}) };
  delete fields.format;
  return fields;
}

/** The values in the path: ids of messages are numbers. */
function ids(params: Readonly<Record<string, string>>): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(params).map(([name, value]) => [name, name === 'messageId' ? Number(value) : value]),
  );
}

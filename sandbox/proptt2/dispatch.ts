import type { Sandbox, SandboxReply, SandboxRequest } from '../sandbox-server.ts';
import { deadSession, errorPage } from './answers.ts';
import { channelEndpoints } from './channels.ts';
import { type Endpoint, type Endpoints, newCall } from './endpoint.ts';
import { messageEndpoints } from './messages.ts';
import { organizationEndpoints } from './organizations.ts';
import { recordEndpoints } from './records.ts';
import { hasVersion } from './server-version.ts';
import {
  answerAuth,
  answerKeepalive,
  answerServer,
  extendSession,
  findSession,
  hidFault,
  sessionParameters,
} from './sessions.ts';
import { companyData, type Proptt2State } from './state.ts';
import { fieldFault, queryFault, readJsonObject } from './strict-fields.ts';
import { userEndpoints } from './users.ts';

const endpoints: Endpoints = {
  ...channelEndpoints,
  ...messageEndpoints,
  ...userEndpoints,
  ...organizationEndpoints,
  ...recordEndpoints,
};
const sessionCalls: Record<string, typeof answerServer | typeof answerKeepalive> = {
  'POST server': answerServer,
  'POST auth': answerAuth,
  'GET keepalive': answerKeepalive,
};
const templates = new Set([...Object.keys(endpoints), ...Object.keys(sessionCalls)].map((key) => key.split(' ')[1]));
const base = '/openapi/1/';

/** Answers one request as the vendor would. `undocumented` holds replies of endpoints that are missing from the document. */
export async function dispatch(
  request: SandboxRequest,
  sandbox: Sandbox<Proptt2State>,
  undocumented: Record<string, object>,
): Promise<SandboxReply> {
  // The body is read before anything is refused, so that the journal contains it.
  const sent = hasBody(request) ? await request.body() : empty;
  const { method, path } = request;
  if (!path.startsWith(base)) return errorPage(404, path, `no such path ${path}`);
  const rest = path.slice(base.length);
  const segments = rest.split('/');
  const template = segments.map((segment, position) => (position === 1 || position === 3 ? '{}' : segment)).join('/');
  const key = `${method} ${template}`;

  const sessionCall = Object.hasOwn(sessionCalls, key) ? sessionCalls[key] : undefined;
  if (sessionCall) return sessionCall(request, sandbox);
  const endpoint = Object.hasOwn(endpoints, key) ? endpoints[key] : undefined;
  if (endpoint) return answerEndpoint(request, sandbox, endpoint, [segments[1], segments[3]], sent);
  const extra = `${method} /${rest}`;
  if (Object.hasOwn(undocumented, extra)) {
    const session = findSession(sandbox.state, request.query, sandbox.now());
    return session ? { status: 200, body: undocumented[extra] ?? null } : deadSession(sandbox.state);
  }
  if (templates.has(template)) return errorPage(405, `Request method '${method}' not supported`, `no ${key}`);
  return errorPage(404, path, `no such endpoint ${key}`);
}

const paging = ['start', 'pageSize'] as const;
const number = /^[1-9]\d{0,9}$/;

function answerEndpoint(
  request: SandboxRequest,
  sandbox: Sandbox<Proptt2State>,
  endpoint: Endpoint,
  segments: (string | undefined)[],
  sent: Buffer,
): SandboxReply {
  const { state } = sandbox;
  const { serverVersion } = state.settings;
  if (endpoint.since && !hasVersion(serverVersion, endpoint.since)) return errorPage(404, request.path);
  const malformed =
    queryFault(request.raw.url ?? '', request.query, sessionParameters, endpoint.paged ? paging : []) ??
    hidFault(request.query);
  if (malformed) return errorPage(500, 'java.lang.IllegalArgumentException', malformed);

  const now = sandbox.now();
  const found = findSession(state, request.query, now);
  if (!found) return deadSession(state);
  if (state.settings.callsExtendSession) extendSession(state, found.session, now);

  const ids = segments.filter((segment) => segment !== undefined);
  const wrong = ids.find((id) => !number.test(id));
  if (wrong !== undefined) {
    return errorPage(500, 'java.lang.NumberFormatException', `${wrong} in the path is no id`);
  }
  const read = readJsonObject(sent);
  if ('fault' in read) return errorPage(500, 'net.sf.json.JSONException', read.fault);
  if (!endpoint.body && sent.length > 0)
    return errorPage(500, 'java.lang.IllegalStateException', 'the body must be empty');
  const fault = endpoint.body && fieldFault(read.body, endpoint.body, serverVersion);
  if (fault) return errorPage(endpoint.malformed ?? 500, 'net.sf.json.JSONException', fault);

  const call = newCall(sandbox, found.company, companyData(found.company, state, now), {
    hid: found.hid,
    ids: ids.map(Number),
    query: pagingOf(request.query),
    now,
  });
  const reply = endpoint.run(call, read.body);
  return request.method === 'GET' ? { ...reply, save: 'later' } : reply;
}

const empty = Buffer.alloc(0);

function hasBody({ headers }: SandboxRequest): boolean {
  return headers['transfer-encoding'] !== undefined || (headers['content-length'] ?? '0') !== '0';
}

function pagingOf(query: URLSearchParams): { start?: number; pageSize?: number } {
  const start = query.get('start');
  const pageSize = query.get('pageSize');
  return {
    ...(start === null ? {} : { start: Number(start) }),
    ...(pageSize === null ? {} : { pageSize: Number(pageSize) }),
  };
}

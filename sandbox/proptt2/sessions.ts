import { createHash, randomBytes } from 'node:crypto';
import type { Sandbox, SandboxReply, SandboxRequest } from '../sandbox-server.ts';
import { errorPage, sessionError } from './answers.ts';
import { type Company, type Host, newHost, type Session } from './company.ts';
import { hasVersion } from './server-version.ts';
import { findCompany, type Proptt2State } from './state.ts';
import { fieldFault, queryFault, readJsonObject } from './strict-fields.ts';

const hids = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10] as const;
const serverFields = {
  id: { type: 'string', mandatory: true },
  hid: { type: 'number', mandatory: true, allow: hids },
} as const;
const authFields = {
  ...serverFields,
  authKey: { type: 'string', mandatory: true, pattern: /^[0-9a-f]{128}$/ },
} as const;

/** The parameters that every call but /server and /auth carries. */
export const sessionParameters = ['id', 'hid', 'skey'] as const;

/** POST /server: a new Rand for (id, hid); the previous one becomes void. */
export async function answerServer(request: SandboxRequest, sandbox: Sandbox<Proptt2State>): Promise<SandboxReply> {
  const { state } = sandbox;
  const read = await readLogin(request, state, serverFields);
  if ('reply' in read) return read.reply;
  const { id, hid } = read.body as { id: string; hid: number };
  const company = findCompany(state, id);
  if (!company) return sessionError(state, 403);
  const host = hostOf(company, hid);
  spendRand(company, host, 'superseded');
  host.rand = randomBytes(5).toString('hex');
  host.serverCalls += 1;
  state.totals.serverCalls += 1;
  return loginReply(state, { ServerURL: state.settings.serverUrl ?? sandbox.url, Rand: host.rand });
}

/** POST /auth: a session for the Rand of the last /server, which becomes void whatever the response. */
export async function answerAuth(request: SandboxRequest, sandbox: Sandbox<Proptt2State>): Promise<SandboxReply> {
  const { state } = sandbox;
  const read = await readLogin(request, state, authFields);
  if ('reply' in read) return read.reply;
  const { id, hid, authKey } = read.body as { id: string; hid: number; authKey: string };
  const company = findCompany(state, id);
  if (!company) return sessionError(state, 401);
  const host = hostOf(company, hid);
  const expected = host.rand === undefined ? undefined : authKeyOf(host.rand, company.interactionKey);
  spendRand(company, host, 'used');
  if (authKey !== expected) {
    host.failedLogins += 1;
    state.totals.failedLogins += 1;
    return sessionError(state, 401, foreignRand(company, host, authKey));
  }
  const { sessionMinutes, authKillsOlderSession } = state.settings;
  const now = sandbox.now();
  for (const [skey, session] of Object.entries(host.sessions)) {
    if (authKillsOlderSession || session.expiresAt <= now) delete host.sessions[skey];
  }
  const skey = randomBytes(16).toString('hex');
  host.sessions[skey] = { startedAt: now, aliveAt: now, expiresAt: now + sessionMinutes * 60_000 };
  host.logins += 1;
  state.totals.logins += 1;
  return loginReply(state, { sessionkey: skey });
}

/** GET /keepalive: ten more minutes for a live session. Servers before 3.1.2 do not have it. */
export function answerKeepalive(request: SandboxRequest, sandbox: Sandbox<Proptt2State>): SandboxReply {
  const { state } = sandbox;
  if (!hasVersion(state.settings.serverVersion, '3.1.2')) return errorPage(404, '/openapi/1/keepalive');
  const fault = queryFault(request.raw.url ?? '', request.query, sessionParameters) ?? hidFault(request.query);
  if (fault) return sessionError(state, 403, fault);
  const now = sandbox.now();
  const found = findSession(state, request.query, now);
  if (!found) return sessionError(state, 401);
  const { host, session } = found;
  host.longestGap = Math.max(host.longestGap, now - session.aliveAt);
  host.keepalives += 1;
  state.totals.keepalives += 1;
  extendSession(state, session, now);
  return { status: 200, body: { code: '200' }, save: 'later' };
}

/** What is wrong with the hid of a query, which must have one. */
export function hidFault(query: URLSearchParams): string | undefined {
  return /^(?:[1-9]|10)$/.test(query.get('hid') ?? '') ? undefined : 'parameter hid must be 1 to 10';
}

/** The live session that a query names, or nothing. */
export function findSession(
  state: Proptt2State,
  query: URLSearchParams,
  now: number,
): { company: Company; host: Host; session: Session; hid: number } | undefined {
  const company = findCompany(state, query.get('id') ?? '');
  const hid = query.get('hid') ?? '';
  const host = company && Object.hasOwn(company.hosts, hid) ? company.hosts[hid] : undefined;
  const skey = query.get('skey') ?? '';
  if (!company || !host || !Object.hasOwn(host.sessions, skey)) return undefined;
  const session = host.sessions[skey];
  return session && session.expiresAt > now ? { company, host, session, hid: Number(hid) } : undefined;
}

/** Resets a session's lifetime. */
export function extendSession(state: Proptt2State, session: Session, now: number): void {
  session.aliveAt = now;
  session.expiresAt = now + state.settings.sessionMinutes * 60_000;
}

/** The key that logs in with this Rand: lower-case hex SHA-512 of `Rand-interactionKey`. */
function authKeyOf(rand: string, interactionKey: string): string {
  return createHash('sha512').update(`${rand}-${interactionKey}`, 'utf8').digest('hex');
}

async function readLogin(
  request: SandboxRequest,
  state: Proptt2State,
  rules: typeof serverFields | typeof authFields,
): Promise<{ body: Record<string, unknown> } | { reply: SandboxReply }> {
  const read = readJsonObject(await request.body());
  if ('fault' in read) {
    const message = "net.sf.json.JSONException: A JSONObject text must begin with '{' at character 1";
    return { reply: errorPage(500, message, read.fault) };
  }
  if (request.query.size > 0 || Object.keys(read.body).length === 0) {
    // The vendor's FAQ: id and hid as URL parameters end in this page.
    const message = 'net.sf.json.JSONException: JSONObject["id"] not found.';
    return { reply: errorPage(500, message, 'id and hid belong into a JSON body, nothing into the query') };
  }
  const fault = fieldFault(read.body, rules, state.settings.serverVersion);
  return fault ? { reply: sessionError(state, 403, fault) } : read;
}

function loginReply(state: Proptt2State, body: object): SandboxReply {
  const named = hasVersion(state.settings.serverVersion, '9.0.x') ? { code: '200', message: 'OK' } : {};
  return { status: 200, body: { ...named, ...body } };
}

function hostOf(company: Company, hid: number): Host {
  company.hosts[hid] ??= newHost();
  return company.hosts[hid];
}

function spendRand(company: Company, host: Host, why: 'used' | 'superseded'): void {
  if (host.rand === undefined) return;
  host.spent.push({ authKey: authKeyOf(host.rand, company.interactionKey), why });
  if (host.spent.length > 10) host.spent.shift();
  delete host.rand;
}

/** Explains why a formerly valid key is not valid; a key that never was valid is not a protocol error. */
function foreignRand(company: Company, host: Host, authKey: string): string | undefined {
  const spent = host.spent.find((key) => key.authKey === authKey);
  if (spent) return spent.why === 'used' ? 'this Rand was used before' : 'this Rand was reset by a later /server';
  for (const [hid, other] of Object.entries(company.hosts)) {
    if (other.rand !== undefined && authKeyOf(other.rand, company.interactionKey) === authKey)
      return `this Rand is of hid ${hid}`;
  }
  return undefined;
}

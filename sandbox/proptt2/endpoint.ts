import type { Sandbox, SandboxReply } from '../sandbox-server.ts';
import { errorPage } from './answers.ts';
import type { Channel, Company, CompanyData, User } from './company.ts';
import { hasVersion } from './server-version.ts';
import type { Proptt2Settings, Proptt2State } from './state.ts';
import type { FieldRules, FieldValues } from './strict-fields.ts';

/** One ordinary call whose session, query and body are valid. */
export interface Call {
  state: Proptt2State;
  settings: Proptt2Settings;
  company: Company;
  data: CompanyData;
  hid: number;
  /** The numbers of the path, left to right. */
  ids: number[];
  query: { start?: number; pageSize?: number };
  now: number;
  /** Reports what people near a radio would hear. */
  effect(text: string): void;
  /** Whether the server is at least this version. */
  since(version: string): boolean;
}

/** An ordinary endpoint as the dispatcher runs it. Its key is `METHOD template`, `{}` standing for a number. */
export interface Endpoint {
  since?: string;
  /** Takes `start` and `pageSize`. */
  paged?: boolean;
  /** Absent is "Body : Nothing". */
  body?: FieldRules;
  /** The status for an invalid field; 500 unless the document says otherwise. */
  malformed?: 400 | 500;
  run(call: Call, body: Record<string, unknown>): SandboxReply;
}

/** Endpoints by `METHOD template`. */
export type Endpoints = Record<string, Endpoint>;

/** Declares an endpoint; the body that `answer` gets is typed by its rules. */
export function endpoint<const Rules extends FieldRules>(declared: {
  since?: string;
  paged?: boolean;
  body?: Rules;
  malformed?: 400 | 500;
  answer(call: Call, body: FieldValues<Rules>): SandboxReply;
}): Endpoint {
  const { answer, ...rest } = declared;
  // The dispatcher has already checked the body against these rules.
  return { ...rest, run: (call, body) => answer(call, body as FieldValues<Rules>) };
}

/** Makes the call of a request. */
export function newCall(
  sandbox: Sandbox<Proptt2State>,
  company: Company,
  data: CompanyData,
  rest: Pick<Call, 'hid' | 'ids' | 'query' | 'now'>,
): Call {
  const { state } = sandbox;
  const { settings } = state;
  const since = (version: string) => hasVersion(settings.serverVersion, version);
  return { state, settings, company, data, ...rest, effect: sandbox.effect, since };
}

/** A successful answer with a body. */
export function ok(body: object): SandboxReply {
  return { status: 200, body };
}

/** The vendor's only answer for something that does not exist. */
export function notFound(): SandboxReply {
  return errorPage(500, 'java.lang.NullPointerException');
}

/** The channel that the first number of the path names. */
export function findChannel(call: Call): Channel | undefined {
  return call.data.channels[String(call.ids[0])];
}

/** The user that the number at `position` of the path names. */
export function findUser(call: Call, position: number): User | undefined {
  return call.data.users[String(call.ids[position])];
}

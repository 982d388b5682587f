import type { Sandbox, SandboxReply } from '../sandbox-server.ts';
import { errorPage } from './answers.ts';
import type { Channel, Company, CompanyData, User } from './company.ts';
import { hasVersion } from './server-version.ts';
import type { Proptt2Settings, Proptt2State } from './state.ts';
import type { FieldRules, FieldValues } from './strict-fields.ts';

/** One ordinary call whose session, query and body are good. */
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
  /** Tells whoever watches what sounded. */
  effect(text: string): void;
  /** Whether the server is at least this version. */
  since(version: string): boolean;
}

/** An ordinary endpoint as it is run. Its key is `METHOD template`, `{}` standing for a number. */
export interface Endpoint {
  since?: string;
  /** Takes `start` and `pageSize`. */
  paged?: boolean;
  /** Absent is "Body : Nothing". */
  body?: FieldRules;
  /** What a wrong field is answered with; 500 unless the document says otherwise. */
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
  // The dispatcher has held the body against these very rules before it calls.
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

/** A good answer with a body. */
export function ok(body: object): SandboxReply {
  return { status: 200, body };
}

/** The vendor's only word for a thing that is not there. */
export function notFound(): SandboxReply {
  return errorPage(500, 'java.lang.NullPointerException');
}

/** The channel of the path's first number. */
export function findChannel(call: Call): Channel | undefined {
  return call.data.channels[String(call.ids[0])];
}

/** The user of the path's number at `position`. */
export function findUser(call: Call, position: number): User | undefined {
  return call.data.users[String(call.ids[position])];
}

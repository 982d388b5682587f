import type { Company, CompanyData } from './company.ts';
import { seedCompany } from './demo-company.ts';

/** The vendor's behaviour; every setting can be changed at run time. */
export interface Proptt2Settings {
  /** Decides which endpoints and fields exist. */
  serverVersion: string;
  /** The ServerURL in the answer of /server; null is the sandbox itself. */
  serverUrl: string | null;
  sessionMinutes: number;
  /** How an ordinary call with a dead or unknown skey is refused. The keepalive always answers 401. */
  sessionTimeoutStatus: '401' | '403' | '500-html' | '200-code-401';
  /** Whether ordinary calls keep a session alive as the keepalive does. */
  callsExtendSession: boolean;
  /** Whether a login ends the older session of the same (id, hid). */
  authKillsOlderSession: boolean;
  /** Whether a PUT empties the optional fields that it leaves out. */
  putClearsOmitted: boolean;
  /** Whether returned fields have the types of the document's tables or of its examples, where the two disagree. */
  answerTypes: 'table' | 'example';
  recordOrder: 'newest' | 'oldest';
  /** The page size of record lists if none is requested. */
  pageSize: number;
  /** A new recording appears after each of the next record pages, this many times. */
  insertWhilePaging: number;
  /** The zone of the dates, which do not name one. */
  utcOffsetMinutes: number;
}

/** An accepted message, newest last; which of `text`, `bytes` and `frame` it has depends on its kind. */
export interface SentMessage {
  kind: 'message' | 'sos' | 'alert' | 'custom';
  company: string;
  channelId?: number;
  userId?: number;
  messageId?: number;
  messageType?: number;
  text?: string;
  /** Base64 of a custom message. */
  bytes?: string;
  frame?: CustomMessageFrame;
  at: number;
  senderHid: number;
}

/** A decoded custom message; `data` is base64. */
export interface CustomMessageFrame {
  command: number;
  messageId: number;
  chunk?: { current: number; count: number };
  image?: 'bmp' | 'jpeg' | 'png';
  data: string;
}

/** The whole state of the vendor, as plain JSON. */
export interface Proptt2State {
  settings: Proptt2Settings;
  /** By owner id. */
  companies: Record<string, Company>;
  /** At most 20,000. */
  sent: SentMessage[];
  totals: {
    sent: number;
    serverCalls: number;
    logins: number;
    failedLogins: number;
    keepalives: number;
    deadSessionCalls: number;
  };
  /** Posted callbacks; status 0 means no answer. At most 1,000. */
  callbacks: { at: number; url: string; body: object; status: number }[];
}

/** The default behaviour of the vendor. */
export const defaultSettings: Proptt2Settings = {
  serverVersion: '9.0.1',
  serverUrl: null,
  sessionMinutes: 10,
  sessionTimeoutStatus: '401',
  callsExtendSession: false,
  authKillsOlderSession: true,
  putClearsOmitted: true,
  answerTypes: 'table',
  recordOrder: 'newest',
  pageSize: 20,
  insertWhilePaging: 0,
  utcOffsetMinutes: 0,
};

const choices: Record<string, readonly unknown[]> = {
  sessionTimeoutStatus: ['401', '403', '500-html', '200-code-401'],
  answerTypes: ['table', 'example'],
  recordOrder: ['newest', 'oldest'],
};

/** Explains what is wrong with external settings; undefined if they are valid. */
export function settingsFault(settings: Record<string, unknown>): string | undefined {
  for (const [name, value] of Object.entries(settings)) {
    if (!Object.hasOwn(defaultSettings, name)) return `No setting ${name}`;
    const known = defaultSettings[name as keyof Proptt2Settings];
    const type = name === 'serverUrl' && value !== null ? 'string' : typeof known;
    if (typeof value !== type) return `${name} must be a ${type}`;
    if (choices[name] && !choices[name].includes(value)) return `${name} must be one of ${choices[name].join(', ')}`;
  }
  return undefined;
}

/** The company of an owner, if any. */
export function findCompany(state: Proptt2State, ownerId: string): Company | undefined {
  return Object.hasOwn(state.companies, ownerId) ? state.companies[ownerId] : undefined;
}

/** The data of a company, created on first access. */
export function companyData(company: Company, state: Proptt2State, now: number): CompanyData {
  company.data ??= seedCompany(company, now, state.settings.utcOffsetMinutes);
  return company.data;
}

/** Appends to a list that keeps its newest `limit` entries. */
export function keepNewest<Entry>(list: Entry[], entry: Entry, limit: number): void {
  list.push(entry);
  if (list.length > limit) list.splice(0, Math.ceil(limit / 10));
}

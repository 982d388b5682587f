import type { Sandbox, SandboxControls } from '../sandbox-server.ts';
import { type Callback, type CallbackResult, postCallback } from './callbacks.ts';
import { type Company, type CompanyData, type User, type VoiceRecord, vendorDate } from './company.ts';
import { type CompanyOptions, demoCompany, newCompany } from './demo-company.ts';
import { insertRecord, type NewRecord } from './records.ts';
import { companyData, findCompany, type Proptt2Settings, type Proptt2State, settingsFault } from './state.ts';

/** Controls for tests and demos behind the vendor's API. `company` (an owner id) defaults to the demo company. */
export interface Proptt2Controls {
  /** Changes how the vendor behaves. Throws a TypeError for a setting or value it does not have. */
  configure(settings: Partial<Proptt2Settings>): void;
  company(company?: string): Company;
  /** Channels, users, organisations and records, created on first access. */
  data(company?: string): CompanyData;
  /** Adds a company, or changes key, licence and mode of an existing one; its data and sessions are kept. */
  putCompany(options: CompanyOptions): void;
  /** Ends the sessions of (company, hid), or of all hids without `hid`; returns how many were live. */
  killSession(company?: string, hid?: number): number;
  /** Adds a recording of now. */
  insertRecord(record?: NewRecord & { company?: string }): VoiceRecord;
  /** Gives a user a new last location as of now, or of `at` (epoch milliseconds). */
  moveUser(move: UserMove): User;
  /** Posts a callback to a loopback URL; the sender defaults to the owner. */
  sendCallback(url: string, callback: PartialSender<Callback>): Promise<CallbackResult>;
}

interface UserMove {
  company?: string;
  userId: number;
  latitude: string;
  longitude: string;
  at?: number;
}

type PartialSender<Full> = Full extends { senderId: string; senderName: string }
  ? Omit<Full, 'senderId' | 'senderName'> & { senderId?: string; senderName?: string }
  : never;

/** The controls of one sandbox. */
export function proptt2Controls(sandbox: Sandbox<Proptt2State>): Proptt2Controls {
  const { state } = sandbox;
  const company = (ownerId = demoCompany.ownerId): Company => {
    const found = findCompany(state, ownerId);
    if (!found) throw new TypeError(`No company of ${ownerId}`);
    return found;
  };
  const data = (ownerId?: string) => companyData(company(ownerId), state, sandbox.now());

  return {
    configure: (settings) => {
      const fault = settingsFault(settings);
      if (fault !== undefined) throw new TypeError(fault);
      Object.assign(state.settings, settings);
    },
    company,
    data,
    putCompany: (options) => {
      const { ownerId, interactionKey, licenceLimit, mode } = options;
      if (!ownerId?.includes('@') || !interactionKey) throw new TypeError('A company needs ownerId and interactionKey');
      const known = findCompany(state, ownerId);
      if (known) {
        known.interactionKey = interactionKey;
        known.licenceLimit = licenceLimit ?? known.licenceLimit;
        known.mode = mode ?? known.mode;
      }
      if (!known) state.companies[ownerId] = newCompany(options);
    },
    killSession: (ownerId, hid) => {
      let killed = 0;
      for (const [name, host] of Object.entries(company(ownerId).hosts)) {
        if (hid !== undefined && String(hid) !== name) continue;
        killed += Object.values(host.sessions).filter((session) => session.expiresAt > sandbox.now()).length;
        host.sessions = {};
      }
      return killed;
    },
    insertRecord: ({ company: ownerId, ...record } = {}) =>
      insertRecord(data(ownerId), record, sandbox.now(), state.settings.utcOffsetMinutes),
    moveUser: ({ company: ownerId, userId, latitude, longitude, at = sandbox.now() }) => {
      const user = data(ownerId).users[userId];
      if (!user) throw new TypeError(`No user ${userId}`);
      const locationDate = vendorDate(at, state.settings.utcOffsetMinutes);
      return Object.assign(user, { latitude: String(latitude), longitude: String(longitude), locationDate });
    },
    sendCallback: (url, callback) => {
      const owner = data().users[1];
      const sender = { senderId: owner?.strId ?? demoCompany.ownerId, senderName: owner?.name ?? 'Owner' };
      // Spreading keeps the cmd and what belongs to it together, which the compiler cannot see.
      return postCallback(state, sandbox.now(), url, { ...sender, ...callback } as Callback);
    },
  };
}

/** The same controls over HTTP, below `/__sandbox/`; each takes one JSON object with the fields of its method. */
export function httpControls(of: () => Proptt2Controls): SandboxControls<Proptt2State> {
  return {
    'GET settings': (_input, sandbox) => sandbox.state.settings,
    'POST settings': (input) => of().configure(input),
    // HTTP input has no type; the controls throw for invalid values.
    'POST companies': (input) => of().putCompany(input as unknown as CompanyOptions),
    'POST kill-session': (input) => {
      const { company, hid } = input as { company?: string; hid?: number };
      return { killed: of().killSession(company, hid) };
    },
    'POST records': (input) => of().insertRecord(input),
    'POST locations': (input) => of().moveUser(input as unknown as UserMove),
    'POST callbacks': ({ url, ...callback }) =>
      of().sendCallback(String(url), callback as unknown as PartialSender<Callback>),
    'GET sent': (_input, sandbox) => sandbox.state.sent,
  };
}

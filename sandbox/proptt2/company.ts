/** One customer of the vendor, as plain JSON. `data` is created by the first call that needs it. */
export interface Company {
  ownerId: string;
  interactionKey: string;
  /** How many users the licence allows, the owner included. */
  licenceLimit: number;
  /** `package`: user ids are full e-mail addresses; `cloud`: the part before the @ only. */
  mode: 'package' | 'cloud';
  /** The data that is created on first access: `demo` a full company, `small` one channel and three users. */
  seed: 'demo' | 'small';
  /** Source hosts by host id (`hid`, 1–10). */
  hosts: Record<string, Host>;
  data?: CompanyData;
}

/** One source host of a company, with its sessions. */
export interface Host {
  /** The Rand that the next /auth must use. */
  rand?: string;
  /** The latest keys that can no longer log in, with the reason. */
  spent: { authKey: string; why: 'used' | 'superseded' }[];
  /** Live and expired sessions by skey. Only one is live while `authKillsOlderSession` is set. */
  sessions: Record<string, Session>;
  serverCalls: number;
  logins: number;
  failedLogins: number;
  keepalives: number;
  /** The longest time between a login or keepalive of a session and the next one, in milliseconds. */
  longestGap: number;
}

/** Times are epoch milliseconds on the vendor's clock. */
export interface Session {
  startedAt: number;
  aliveAt: number;
  expiresAt: number;
}

/** The data of a company, each kind keyed by id. */
export interface CompanyData {
  channels: Record<string, Channel>;
  users: Record<string, User>;
  organizations: Record<string, Organization>;
  /** Oldest first. */
  records: VoiceRecord[];
  nextId: { channel: number; user: number; record: number };
}

/** A channel with its members: roles keyed by user id. */
export interface Channel {
  id: number;
  no: string;
  name: string;
  description: string;
  notification: string;
  TOT: number;
  recordable: boolean;
  encrypted: boolean;
  shareLocations: boolean;
  /** User id. */
  leader: number;
  members: Record<string, number>;
}

/** A user; `hashedPassword` and `authToken` are stored but never returned. */
export interface User {
  id: number;
  strId: string;
  name: string;
  type: number;
  organizationId: number;
  email?: string;
  description?: string;
  latitude?: string;
  longitude?: string;
  locationDate?: string;
  hashedPassword?: string;
  authToken?: string;
}

/** A node of the company's tree; `parentId` 0 is the root. */
export interface Organization {
  id: number;
  parentId: number;
  name: string;
  description: string;
}

/** A recording as the vendor keeps it. `fileSize` is in kB, `createDate` in the vendor's zone. */
export interface VoiceRecord {
  id: number;
  type: number;
  status: number;
  fileSize: number;
  channelId: number;
  channelNo: string;
  channelName: string;
  ownerId: number;
  ownerName: string;
  createDate: string;
  filepath: string;
}

/** Makes an empty source host. */
export function newHost(): Host {
  return { spent: [], sessions: {}, serverCalls: 0, logins: 0, failedLogins: 0, keepalives: 0, longestGap: 0 };
}

/** A time as the vendor writes it: without a zone, to the second. */
export function vendorDate(at: number, utcOffsetMinutes: number): string {
  return new Date(at + utcOffsetMinutes * 60_000).toISOString().slice(0, 19).replace('T', ' ');
}

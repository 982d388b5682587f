/** One customer of the vendor, as plain JSON. `data` is made at the first call that needs it. */
export interface Company {
  ownerId: string;
  interactionKey: string;
  /** How many users the licence allows, the owner included. */
  licenceLimit: number;
  /** `package`: user ids are full e-mail addresses; `cloud`: the part before the @ only. */
  mode: 'package' | 'cloud';
  /** What the first look at the company's data makes: `demo` many things, `small` one channel and three users. */
  seed: 'demo' | 'small';
  /** Source hosts by hid. */
  hosts: Record<string, Host>;
  data?: CompanyData;
}

/** One source host (hid) of a company and what it did. */
export interface Host {
  /** The Rand that the next /auth must use. */
  rand?: string;
  /** The last keys that can no longer log in, and why. */
  spent: { authKey: string; why: 'used' | 'superseded' }[];
  /** Live and expired sessions by skey; one unless older ones are let live. */
  sessions: Record<string, Session>;
  serverCalls: number;
  logins: number;
  failedLogins: number;
  keepalives: number;
  /** The longest time between two signs of life of a session (login or keepalive), in milliseconds. */
  longestGap: number;
}

/** Times are epoch milliseconds on the vendor's clock. */
export interface Session {
  startedAt: number;
  aliveAt: number;
  expiresAt: number;
}

/** What a company has, each kind keyed by id. */
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

/** A user; `hashedPassword` and `authToken` are kept but never answered. */
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

/** A moment as the vendor writes it: no zone, seconds. */
export function vendorDate(at: number, utcOffsetMinutes: number): string {
  return new Date(at + utcOffsetMinutes * 60_000).toISOString().slice(0, 19).replace('T', ' ');
}

import type { Clock, Random } from './clock.ts';
import type { Connection } from './connection.ts';
import type { FileStore } from './files.ts';
import type { HttpClient } from './http/client.ts';
import type { Quota } from './quota.ts';

/** Everything that one call of a vendor may use. Nothing in it outlives the call but `memory`. */
export interface VendorCall<Settings = object, Credentials = object, Session = object> {
  readonly connection: Connection<Settings>;
  readonly requestId: string;
  readonly http: HttpClient;
  readonly clock: Clock;
  readonly random: Random;
  readonly files: FileStore;
  /** Aborts when the call's time is up. */
  readonly signal: AbortSignal;
  /** What this process caches about the connection between calls. It may be lost at any time. */
  readonly memory: Map<string, unknown>;
  /** Reads the credentials; they are cached for minutes. */
  credentials(): Promise<Credentials>;
  /** Reads the credentials past that cache, once per call; true when they have changed, so that another try makes sense. */
  credentialsAfresh(): Promise<boolean>;
  /** Runs one vendor request with a live session, which is renewed once when the vendor refuses it. */
  withSession<T>(attempt: (session: Session) => Promise<T>): Promise<T>;
  readonly session: SessionControl<Session>;
  /** Stores changed credentials (a renewed oauthkey). The connection's next call reads them. */
  saveCredentials(credentials: Credentials): Promise<void>;
  /** The next number of a counter of this connection, 1 to `most`, then 1 again. */
  count(name: string, most: number): Promise<number>;
  /** The quota of the current month; undefined if the connection declares none. */
  quota(): Promise<Quota | undefined>;
  readonly notes: Notes;
  /** Notes that all connections of the vendor share. A name must say to which server or account it belongs. */
  readonly sharedNotes: Notes;
  /** Reports the progress of a long transfer, in bytes. Absent if not needed. */
  progress?(done: number, total: number): Promise<void>;
}

/** What a connection remembers between calls and processes, by name, each with a lifetime in seconds. Values are plain JSON, at most 300 kB. */
export interface Notes {
  read(name: string): Promise<Note | undefined>;
  /** The notes under many names, in their order. */
  readMany(names: readonly string[]): Promise<(Note | undefined)[]>;
  /** Writes where nothing is noted; of several callers at once, one gets true. */
  claim(name: string, value: unknown, seconds: number): Promise<boolean>;
  write(name: string, value: unknown, seconds: number): Promise<void>;
  remove(name: string): Promise<void>;
  /** Adds to a sum and returns it. */
  add(name: string, amount: number, seconds: number): Promise<number>;
}

/** Something noted, with the epoch milliseconds at which it was written. */
export interface Note {
  readonly value: unknown;
  readonly at: number;
}

/** What the few operations on sessions themselves may do; every one of them works under the lease. */
export interface SessionControl<Session = object> {
  /** Makes a new session even if the old one lives. */
  renew(): Promise<SessionState>;
  /** One keepalive now; a refused one renews. */
  keepAlive(): Promise<SessionState>;
  /** Runs something that no login may interrupt. */
  exclusively<T>(run: () => Promise<T>): Promise<T>;
  /** The live session as stored, bypassing this process's cache: another process may have replaced its data. */
  latest(): Promise<Session>;
  /** Replaces the data of the live session (a cookie jar that moved on) without a new login. */
  replace(session: Session): Promise<void>;
  /** Locks the connection: its vendor has just refused credentials that go with every request. */
  lock(reason: string): Promise<void>;
}

/** The part of a session that may be shown: never its key. Times are ISO 8601. */
export type SessionState = {
  generation: number;
  expiresAt: string;
};

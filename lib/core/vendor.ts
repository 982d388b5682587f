import type { Readable } from 'node:stream';
import type { ChoiceSources } from './choices.ts';
import type { Clock, Random } from './clock.ts';
import type { EventSource, FoundEvent, Identified, Push } from './event-type.ts';
import type { FileStore } from './files.ts';
import type { HttpClient } from './http/client.ts';
import type { Operation, Shape } from './operation.ts';

/** A vendor's key in the catalogue, `lib/vendors/index.ts`: the first part of its routes, scopes and event types. */
export type VendorName = string;

/** A connection as a vendor's code sees it: its slug and its settings, never its credentials. */
export interface Connection<Settings = object> {
  readonly vendor: VendorName;
  readonly name: string;
  /** Goes up with every change of settings or credentials. */
  readonly version: number;
  /** Which of the stored credentials belong to these settings; absent where none are stored. */
  readonly credentialsId?: string;
  readonly settings: Settings & CommonSettings;
}

/** Settings that every vendor takes. */
export interface CommonSettings {
  allowHttp?: boolean | undefined;
  allowPrivateNetwork?: boolean | undefined;
  maxConcurrency?: number | undefined;
  pollEvents?: boolean | undefined;
}

/** A vendor's answer: a JSON value, or bytes. Absent `status` is 200; 201 is kept. */
export type VendorAnswer =
  | { readonly body: unknown; readonly status?: 200 | 201 }
  | {
      readonly file: {
        readonly stream: Readable;
        readonly type: string;
        readonly name?: string;
        readonly size?: number;
      };
    };

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
  /** What this process remembers of the connection between calls: caches, never facts. */
  readonly memory: Map<string, unknown>;
  /** Reads the credentials; they are cached for minutes. */
  credentials(): Promise<Credentials>;
  /** Reads the credentials past that cache, once per call; true when they have changed, so that another try makes sense. */
  credentialsAfresh(): Promise<boolean>;
  /** Runs one vendor request with a live session, which is renewed once when the vendor refuses it. */
  withSession<T>(attempt: (session: Session) => Promise<T>): Promise<T>;
  readonly session: SessionControl<Session>;
  /** Stores changed credentials (a renewed oauthkey); the connection's next call reads them. */
  saveCredentials(credentials: Credentials): Promise<void>;
  /** The next number of a counter of this connection, 1 to `most`, then 1 again. */
  count(name: string, most: number): Promise<number>;
  readonly notes: Notes;
  /** Reports the progress of a long transfer, in bytes. Absent if not needed. */
  progress?(done: number, total: number): Promise<void>;
}

/** What a connection remembers between calls and processes, by name, each with a lifetime in seconds. Values are plain JSON, at most 300 kB. */
export interface Notes {
  read(name: string): Promise<Note | undefined>;
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
  /** Runs something that no login may cross. */
  exclusively<T>(run: () => Promise<T>): Promise<T>;
  /** The live session as it is stored, past what this process remembers: another may have replaced its data. */
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

/** How a vendor's short-lived key is got, kept and recognised as dead. Values only: `gateway/sessions` owns lease, storage and retry. */
export interface SessionPolicy<Settings = object, Credentials = object, Session = object> {
  /** How many refused logins lock the connection. */
  readonly refusalsUntilLocked: number;
  /** Milliseconds after which a locked connection is tried once again: an account may have been disabled for a while. */
  readonly retryLockedAfter?: number;
  /** Milliseconds after which a good keepalive is followed by the next; absent where the vendor knows none. */
  readonly keepAliveEvery?: number;
  /** Milliseconds after which a process looks again whether the session it remembers still stands; absent trusts it to its end. */
  readonly trustFor?: number;
  /** Gets a new session. Throws `session: 'refused'` when the credentials were refused. */
  login(call: LoginCall<Settings, Credentials>): Promise<LiveSession<Session>>;
  /** Keeps a session alive and answers until when, or throws `session: 'refused'`. `lazy`: the server knows no keepalive. */
  keepAlive?(session: Session, call: LoginCall<Settings, Credentials>): Promise<{ expiresAt: number; lazy?: boolean }>;
  /** True when a connection with these settings is kept warm by the clock. */
  keepWarm?(settings: Settings): boolean;
}

export type LoginCall<Settings, Credentials> = Omit<
  VendorCall<Settings, Credentials>,
  'withSession' | 'session' | 'count' | 'credentialsAfresh'
>;

/** A session with its end in epoch milliseconds; `lazy` ones are not kept warm. */
export interface LiveSession<Session> {
  readonly data: Session;
  readonly expiresAt: number;
  readonly lazy?: boolean;
  /** The server's version, if the login reported it. */
  readonly serverVersion?: string;
  /** Whose session it is, as `FoundEvent.by` names accounts: what this account does is the installation's own doing. */
  readonly account?: string | undefined;
}

/** One finding of a connection check, in words. */
export interface Finding {
  readonly subject: string;
  readonly state: 'good' | 'warning' | 'bad';
  readonly message: string;
}

/** A login that a person completes in the browser. Between the two steps the gateway keeps `state`, sealed. */
export interface BrowserLogin<Settings, Credentials> {
  /** Begins: the address to open, and until when (epoch milliseconds) it may be completed. */
  start(call: LoginCall<Settings, Partial<Credentials>>): Promise<{ url: string; state: object; expiresAt: number }>;
  /** What the person granted, or undefined while the answer is pending. The vendor returns it once. */
  finish(
    state: object,
    call: LoginCall<Settings, Partial<Credentials>>,
  ): Promise<{ settings: Partial<Settings>; credentials: Credentials } | undefined>;
}

/** A request to a vendor's endpoint that may not be declared. */
export interface RawRequest {
  readonly method: string;
  readonly path: string;
  readonly query: URLSearchParams;
  /** The fields of the body, where it is JSON or a form. */
  readonly body: unknown;
  /** The raw body, for vendors that accept any. */
  readonly content?: { readonly bytes: Buffer; readonly type: string } | undefined;
}

/**
 * What a raw request is: a declared operation, under whose scope it falls, or one that only the session machinery may make. With an
 * `input` it is carried out as that operation, without one it goes out as it is.
 */
export type RawMatch = { operation: string; input?: Record<string, unknown> } | 'session';

/** A vendor as one value: what it can do and how to reach it. */
export interface Vendor<
  Settings extends object = object,
  Credentials extends object = object,
  Session extends object = object,
> {
  readonly name: VendorName;
  readonly title: string;
  /** The vendor page that the declarations follow. */
  readonly documentation: string;
  readonly operations: Readonly<Record<string, Operation>>;
  /** How many requests of one connection may be under way at once: polls of its event sources, and items of one step. */
  readonly concurrency: { readonly polls: number; readonly stepItems: number };
  /** True where the vendor's own code replaces stored credentials (an oauthkey that is minted again), which needs the right to change secrets. */
  readonly renewsCredentials?: true;
  /** The lists that its fields are chosen from, by kind. */
  readonly choices: ChoiceSources;
  readonly connection: {
    readonly settings: () => Shape;
    readonly credentials: () => Shape;
    /** A rule that one schema cannot say (one of several credentials); throws `invalid_input`. */
    validate?(settings: Settings, credentials: Credentials): void;
    /** The fields of the credentials that verify what the vendor pushes. */
    readonly pushCredentials?: readonly string[];
    /** The addresses in the settings that are called; each is held against the address policy. */
    addresses(settings: Settings): string[];
    /** True where an operation's `since` is met by the connection (an unset version passes). */
    supports?(settings: Settings, since: string): boolean;
    /** Turns the given credentials into those to store, with vendor requests (TimeTonic's exchange of login and password). */
    exchange?(credentials: Credentials, call: LoginCall<Settings, Credentials>): Promise<Credentials>;
    /** How a person grants access in the browser instead of typing credentials in. */
    readonly login?: BrowserLogin<Settings, Credentials>;
  };
  readonly session?: SessionPolicy<Settings, Credentials, Session>;
  /** The only code that speaks the vendor's protocol. */
  send(
    name: string,
    operation: Operation,
    input: Record<string, unknown>,
    call: VendorCall<Settings, Credentials, Session>,
  ): Promise<VendorAnswer>;
  /** True where raw requests may have bodies of any kind. */
  readonly takesAnyBody?: true;
  /** What of the declared a raw request is. */
  matchRaw(request: RawRequest): Promise<RawMatch | undefined>;
  sendRaw(request: RawRequest, call: VendorCall<Settings, Credentials, Session>): Promise<VendorAnswer>;
  /** Says in words what is right and wrong with a connection. */
  check(call: VendorCall<Settings, Credentials, Session>): Promise<Finding[]>;
}

/** What a vendor pushes or the clock polls. The function that carries out the vendor's calls does not load it. */
export interface VendorEvents<
  Settings extends object = object,
  Credentials extends object = object,
  Session extends object = object,
> {
  /** The vendor's event types with their sources. */
  readonly events: Readonly<Record<string, EventSource<Settings, Credentials, Session>>>;
  /** What the vendor calls by itself, by the kind of hook that takes it (`talk-bot`, `proptt2-callback`). */
  readonly pushes?: Readonly<Record<string, Push<Settings, Credentials>>>;
  /**
   * Gives an id to a fact for which the vendor has none that every source knows. `known` is what earlier calls for the same subject
   * left (plain JSON, undefined at first). The same fact, reported again, must give the same id.
   */
  identify?(known: unknown, event: FoundEvent): Identified;
}

/** The vendors that a function knows, by name. */
export type Catalogue = Readonly<Record<VendorName, Vendor>>;

export type EventfulVendor = Vendor & VendorEvents;

/** The same with their events. */
export type EventCatalogue = Readonly<Record<VendorName, EventfulVendor>>;

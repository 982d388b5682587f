import type { Readable } from 'node:stream';
import type { ChoiceSources } from './choices.ts';
import type { VendorName } from './connection.ts';
import type { DeclaredCode } from './errors.ts';
import type { EventSource, FoundEvent, Identified, Push } from './event-type.ts';
import type { Operation, Shape } from './operation.ts';
import type { VendorCall } from './vendor-call.ts';

export type { CommonSettings, Connection, VendorName } from './connection.ts';
export type { Note, Notes, SessionState, VendorCall } from './vendor-call.ts';

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

/** How a vendor's session is created, kept alive and recognised as ended. `lib/connections/sessions.ts` leases, stores and retries. */
export interface SessionPolicy<Settings = object, Credentials = object, Session = object> {
  /** How many refused logins lock the connection. */
  readonly refusalsUntilLocked: number;
  /** Milliseconds after which a locked connection is tried once again: an account may have been disabled for a while. */
  readonly retryLockedAfterMs?: number;
  /** Milliseconds after which a good keepalive is followed by the next; absent where the vendor knows none. */
  readonly keepAliveEveryMs?: number;
  /** Milliseconds after which a process reads a session again that it has cached; if absent, it uses the session until it expires. */
  readonly recheckAfterMs?: number;
  /** Gets a new session. Throws `session: 'refused'` when the credentials were refused. */
  login(call: LoginCall<Settings, Credentials>): Promise<LiveSession<Session>>;
  /** Keeps a session alive and answers until when, or throws `session: 'refused'`. `lazy`: the server has no keepalive. */
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

/** One finding of a connection check. */
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
 * `input` it is carried out as that operation, without one it is sent unchanged.
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
  /** Codes that its problems may carry in addition to those of every vendor. */
  readonly errorCodes?: readonly DeclaredCode[];
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
    /** The credentials are ways to log in of which one counts: a change replaces them instead of merging by name. */
    readonly alternatives?: true;
    /** A rule that one schema cannot say (one of several credentials); throws `invalid_input`. */
    validate?(settings: Settings, credentials: Credentials): void;
    /** The fields of the credentials that verify what the vendor pushes. */
    readonly pushCredentials?: readonly string[];
    /** The addresses in the settings that are called; each is checked against the address policy. */
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
  /** Checks a connection and explains the result. */
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

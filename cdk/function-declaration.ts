/** What starts a function. */
export type Trigger =
  /** Routes of the HTTP API, every method. */
  | { readonly http: readonly string[] }
  /** The one-minute tick. */
  | 'clock'
  /** Event items as they enter the table's stream. */
  | 'event-stream'
  /** Other functions, which find its alias in this variable: a durable execution of up to 31 days. */
  | { readonly durable: string };

/** Patterns of partition keys, `*` for the rest of one. */
export interface TableRights {
  readonly read?: readonly string[];
  /** Read and write. */
  readonly write?: readonly string[];
  /** Kinds of the `due` index that may be queried. */
  readonly due?: readonly string[];
}

/** Names of secrets, `*` for the rest of one. */
export interface SecretRights {
  readonly read?: readonly string[];
  /** New values for secrets that exist. */
  readonly change?: readonly string[];
  readonly remove?: readonly string[];
  /** Create, read, change and remove. */
  readonly manage?: readonly string[];
}

/** Prefixes of the file bucket. */
export interface FileRights {
  readonly read?: readonly string[];
  /** Put, and delete what was put. */
  readonly write?: readonly string[];
}

/** A metric that a function writes as a log line (`lib/aws/log.ts`), and when an operator must look at it. */
export interface Signal {
  readonly metric: string;
  readonly dimensions?: Readonly<Record<string, string>>;
  /** What it means, for the mail. */
  readonly meaning: string;
  /** The alarm sounds beyond this sum of five minutes, or this largest value; 0 when absent. */
  readonly above?: number;
  readonly largest?: true;
  /** Written at each tick: five minutes without it are an alarm too. */
  readonly steady?: true;
}

/** One Lambda: the handler of `functions/{name}.ts` with what it gets and what it may do. */
export interface FunctionDeclaration {
  readonly name: string;
  readonly trigger: Trigger;
  /** Megabytes; processor time goes with it. */
  readonly memory: number;
  /** Seconds. */
  readonly timeout: number;
  readonly table?: TableRights;
  readonly secrets?: SecretRights;
  readonly files?: FileRights;
  /** Names of the durable functions that it may start, and of those whose waits it may end. */
  readonly starts?: readonly string[];
  readonly completes?: readonly string[];
  readonly signals?: readonly Signal[];
}

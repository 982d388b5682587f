import { adminKeySecret } from '../lib/core/secrets.ts';
import { type VendorName, vendorNames } from '../lib/core/vendor.ts';
import { vendors } from '../lib/vendors/index.ts';

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
  /** Create, change and delete. */
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

/** API Gateway gives up after 30 s; a call ends itself after 25. */
const http = { memory: 1024, timeout: 29 } as const;
/** A tick ends itself after 55 s, before the next begins. */
const clock = { trigger: 'clock', memory: 512, timeout: 58 } as const;

/** Vendors that renew credentials on their own account. */
const renewing: readonly VendorName[] = ['timetonic'];
const secretsOf = (names: readonly string[]) => names.map((name) => `trunkline/${name}/*`);

const vendorFunction = (vendor: VendorName): FunctionDeclaration => ({
  ...http,
  name: vendor,
  trigger: { http: [`/v1/${vendor}/{proxy+}`] },
  table: { read: [`connection#${vendor}`, 'keys'], write: [`session#${vendor}#*`, 'idempotency#*'] },
  secrets: {
    read: [adminKeySecret, ...secretsOf([vendor])],
    change: secretsOf(renewing.filter((name) => name === vendor)),
  },
  files: { read: ['uploads/'], write: ['answers/', 'idempotency/'] },
  signals: [
    {
      metric: 'SessionLocked',
      dimensions: { vendor },
      meaning: `A ${vendor} connection was locked: its credentials are refused.`,
    },
  ],
});

/** Every Lambda that is deployed. A new one is a file in `functions/` and an entry here. */
export const functions: readonly FunctionDeclaration[] = [
  ...Object.values(vendors).map(({ name }) => vendorFunction(name)),
  {
    ...http,
    name: 'control',
    trigger: { http: ['/v1/{proxy+}'] },
    table: { write: ['connection#*', 'session#*', 'keys', 'audit#*'] },
    secrets: { read: [adminKeySecret], manage: secretsOf(vendorNames) },
    files: { write: ['uploads/'] },
  },
  { ...http, name: 'site', trigger: { http: ['$default'] }, table: { read: ['health'] } },
  {
    ...clock,
    name: 'keep-sessions',
    table: { write: ['session#*'], due: ['keepalive'] },
    secrets: { read: secretsOf(vendorNames), change: secretsOf(renewing) },
    signals: [
      {
        metric: 'KeepAliveGap',
        dimensions: { clock: 'keep-sessions' },
        meaning: 'A session went without a keepalive for more than four minutes, or the clock stands still.',
        above: 4 * 60_000,
        largest: true,
        steady: true,
      },
    ],
  },
];

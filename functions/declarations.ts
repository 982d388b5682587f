import { adminKeySecret, sealingKeySecret } from '../lib/core/secrets.ts';
import { resumption } from '../lib/events/own-event-types.ts';
import { vendorNames, vendors } from '../lib/vendors/index.ts';

/** The triggers of a function. */
export type Trigger =
  /** Routes of the HTTP API, for every method. */
  | { readonly http: readonly string[] }
  /** The one-minute tick. */
  | 'clock'
  /** Event items as they appear in the table's stream. */
  | 'event-stream'
  /** Durable executions that Lambda ended without their code. */
  | 'broken-executions'
  /** Other functions, which find its alias in this variable: a durable execution of up to 31 days. */
  | { readonly durable: string };

/** Patterns of partition keys; `*` matches the rest of a key. */
export interface TableRights {
  readonly read?: readonly string[];
  /** Read and write. */
  readonly write?: readonly string[];
  /** Kinds of the `due` index that may be queried. */
  readonly due?: readonly string[];
}

/** Names of secrets; `*` matches the rest of a name. */
export interface SecretRights {
  readonly read?: readonly string[];
  /** Writes new values for existing secrets. */
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

/** A metric that a function writes as a log line (`lib/aws/log.ts`), and when an operator must respond to it. */
export interface Signal {
  readonly metric: string;
  readonly dimensions?: Readonly<Record<string, string>>;
  /** Its meaning, for the alarm mail. */
  readonly meaning: string;
  /** The alarm fires above this sum over five minutes, or above this maximum; defaults to 0. */
  readonly above?: number;
  readonly largest?: true;
  /** Written at each tick: five minutes without it also fire the alarm. */
  readonly steady?: true;
}

/** One Lambda: the handler in `functions/{name}.ts`, its triggers, its configuration and its permissions. */
export interface FunctionDeclaration {
  readonly name: string;
  readonly trigger: Trigger;
  /** Memory in megabytes; CPU scales with it. */
  readonly memory: number;
  /** Seconds. */
  readonly timeout: number;
  readonly table?: TableRights;
  readonly secrets?: SecretRights;
  readonly files?: FileRights;
  /** Names of the durable functions that it may start, and of those whose waits it may complete. */
  readonly starts?: readonly string[];
  readonly completes?: readonly string[];
  /** A durable function that starts executions of itself. */
  readonly startsItself?: true;
  readonly signals?: readonly Signal[];
}

/** API Gateway times out after 30 s; a call ends itself after 25 s. */
const http = { memory: 1024, timeout: 29 } as const;
/** A tick ends itself after 55 s, before the next one starts. */
const clock = { trigger: 'clock', memory: 512, timeout: 58 } as const;

/** Items that belong together, as patterns of their partition keys. */
const items = {
  /** Appending an event requires nothing else; its position is assigned later, by the first process that needs it. */
  events: ['event#*'],
  /** Distinguishes facts for which the vendor has no id. */
  subjects: ['subject#*'],
  eventOrder: ['log', 'log#*'],
  deliveries: ['delivery#*', 'rate#*'],
  /** The consumers of each event. */
  triggers: ['trigger', 'trigger#*'],
  /** Starting a run of an automation, or preventing its start. What the run does and may do is not read from these. */
  runStarts: ['runs#*', 'flood#*', 'automations#status'],
  runs: ['runs#*', 'calls#*', 'run#*', 'dedupe#*', 'memo#*', 'waiter#*', 'flood#*', 'automations#status'],
};

const oldestDue = (name: string, meaning: string, minutes: number): Signal => ({
  metric: 'OldestDue',
  dimensions: { clock: name },
  meaning: `${meaning} Or the clock has stopped.`,
  above: minutes * 60_000,
  largest: true,
  steady: true,
});

/** The permissions to route events: from the table's stream, and by the sweep after it. */
const routing = {
  table: {
    read: ['automations', ...items.triggers],
    write: [
      'health',
      'subscriptions',
      'waiter#*',
      ...items.events,
      ...items.eventOrder,
      ...items.deliveries,
      ...items.runStarts,
    ],
  },
  files: { write: ['events/'] },
  starts: ['deliver-event', 'run-automation'],
  completes: ['deliver-event', 'run-automation'],
} as const;

/** Vendors whose code replaces stored credentials. */
const renewing = vendorNames.filter((name) => vendors[name]?.renewsCredentials);
const secretsOf = (names: readonly string[]) => names.map((name) => `trunkline/${name}/*`);
/** The secrets that functions calling all vendors may access. */
const allVendors = { read: secretsOf(vendorNames), change: secretsOf(renewing) };

const vendorFunction = (vendor: string): FunctionDeclaration => ({
  ...http,
  name: vendor,
  trigger: { http: [`/v1/${vendor}/{proxy+}`] },
  table: {
    read: [`connection#${vendor}`, 'admin-key', 'keys', 'sign-ins', 'pause'],
    write: [
      `session#${vendor}#*`,
      `account#${vendor}`,
      `usage#${vendor}`,
      `idempotency#${vendor}#*`,
      `calls#${vendor}`,
      ...items.events,
    ],
  },
  secrets: {
    read: secretsOf([vendor]),
    change: secretsOf(renewing.filter((name) => name === vendor)),
  },
  files: { read: ['uploads/'], write: ['answers/', `idempotency/${vendor}/`, `calls/${vendor}/`, 'events/'] },
  starts: ['run-automation'],
  signals: [
    {
      metric: 'SessionLocked',
      dimensions: { vendor },
      meaning: `A ${vendor} connection was locked: its credentials are refused.`,
    },
  ],
});

/**
 * Every function of the product, used by both the deployment and the local product. A new one is a file in `functions/` and an
 * entry here; a vendor's function is declared by the vendor's entry in the catalogue.
 */
export const functions: readonly FunctionDeclaration[] = [
  ...vendorNames.map(vendorFunction),
  {
    ...http,
    name: 'control',
    trigger: { http: ['/v1/{proxy+}'] },
    table: {
      read: ['admin-key'],
      write: [
        'connection#*',
        'session#*',
        'account#*',
        'usage#*',
        'poll#*',
        'keys',
        'sign-ins',
        'audit#*',
        'idempotency#control#*',
        'subscriptions',
        'subscriptions#removed',
        'automations*',
        'pause',
        'health',
        ...items.triggers,
        'hooks*',
        'hook#*',
        ...items.events,
        ...items.eventOrder,
        ...items.deliveries,
        ...items.runs,
        // What a run does that was requested with a key. Only the control function decides it.
        'request#*',
      ],
      // Runs and deliveries by their state; for rehearsals, events that have no position in the log yet.
      due: ['run-*', 'delivery-*', 'route'],
    },
    secrets: {
      read: [sealingKeySecret],
      manage: secretsOf([...vendorNames, 'subscriptions', 'hooks', 'push']),
    },
    files: { read: ['runs/'], write: ['calls/', 'uploads/', 'events/', 'idempotency/control/'] },
    starts: ['deliver-event', 'run-automation'],
    // Cancelling a run ends its waits.
    completes: ['run-automation'],
  },
  {
    ...http,
    name: 'hooks',
    trigger: { http: ['/hooks/{proxy+}', '/links/{token}'] },
    table: {
      read: ['hooks', 'connection#*', 'account#*', 'automations', ...items.triggers],
      write: ['hooks#status', 'hook#*', ...items.events, ...items.subjects, ...items.runStarts],
    },
    // A handshake may set the secret of its hook.
    secrets: { read: [sealingKeySecret, ...secretsOf(['hooks', 'push'])], change: secretsOf(['hooks']) },
    // Files of messages become uploads, which operations accept by id.
    files: { write: ['events/', 'uploads/'] },
    starts: ['run-automation'],
  },
  { ...http, name: 'site', trigger: { http: ['$default'] }, table: { read: ['health'] } },
  {
    ...clock,
    name: 'keep-sessions',
    table: {
      // Whether the credentials that a vendor refused have been replaced since.
      read: ['connection#*'],
      write: ['health', 'session#*', 'account#*', 'usage#*', ...items.events],
      due: ['keepalive'],
    },
    secrets: allVendors,
    files: { write: ['events/'] },
    signals: [
      {
        metric: 'KeepAliveGap',
        dimensions: { clock: 'keep-sessions' },
        meaning: 'A session went without a keepalive for more than four minutes, or the clock has stopped.',
        above: 4 * 60_000,
        largest: true,
        steady: true,
      },
    ],
  },
  {
    ...clock,
    name: 'poll-events',
    table: {
      read: ['connection#*', 'automations', 'subscriptions', 'waiter#*', ...items.triggers],
      write: [
        'health',
        'session#*',
        'account#*',
        'usage#*',
        'poll',
        'poll#*',
        ...items.events,
        ...items.subjects,
        ...items.eventOrder,
      ],
      due: ['poll'],
    },
    secrets: allVendors,
    files: { write: ['events/'] },
    signals: [oldestDue('poll-events', 'An event source is polled more than ten minutes late.', 10)],
  },
  {
    ...clock,
    name: 'start-schedules',
    table: {
      write: ['health', 'automations', ...items.runs, ...items.events],
      due: ['schedule', 'run-flood', 'run-running'],
    },
    files: { read: ['events/'] },
    starts: ['run-automation'],
    // A run whose execution was lost passes its turn on.
    completes: ['run-automation'],
    signals: [oldestDue('start-schedules', 'A schedule fires more than three minutes late.', 3)],
  },
  {
    ...clock,
    name: 'watch',
    table: {
      read: ['hooks', 'hooks#status', 'runs#*', 'calls#*', 'run#*'],
      // The hash of the admin key, which no other function can read or replace.
      write: ['health', 'admin-key', ...items.events],
      due: ['keepalive', 'poll', 'schedule', 'route', 'delivery-*', 'run-running'],
    },
    secrets: { read: [adminKeySecret] },
    files: { write: ['events/'] },
    signals: [
      {
        metric: 'ChecksFailed',
        dimensions: { clock: 'watch' },
        meaning: "The last minute's work was not done: GET /health says what failed.",
        steady: true,
      },
    ],
  },
  {
    name: 'route-events',
    trigger: 'event-stream',
    // One event may start ten thousand runs and as many deliveries, which takes 40 s of a whole processor.
    memory: 1024,
    timeout: 300,
    ...routing,
  },
  {
    ...clock,
    name: 'sweep-events',
    ...routing,
    table: { ...routing.table, due: ['route', 'delivery-pending'] },
    signals: [
      {
        metric: 'EventsSwept',
        dimensions: { clock: 'sweep-events' },
        meaning: 'Events were not routed within two minutes; the sweep routes them.',
      },
    ],
  },
  {
    name: 'deliver-event',
    trigger: { durable: 'TRUNKLINE_DELIVER_FUNCTION' },
    memory: 512,
    timeout: 60,
    table: {
      read: ['pause'],
      write: [
        'subscriptions',
        'subscriptions#removed',
        `waiter#${resumption}`,
        ...items.triggers,
        ...items.deliveries,
        ...items.events,
      ],
    },
    secrets: { read: secretsOf(['subscriptions']), remove: secretsOf(['subscriptions']) },
    files: { write: ['events/', 'runs/'] },
    signals: [
      {
        metric: 'DeliveryGivenUp',
        dimensions: { function: 'deliver-event' },
        meaning: 'An event could not be delivered to a subscription in ten attempts over three days.',
      },
    ],
  },
  {
    name: 'run-automation',
    trigger: { durable: 'TRUNKLINE_RUN_FUNCTION' },
    memory: 1024,
    timeout: 15 * 60,
    table: {
      // A run has the rights of its automation's version, of the key of a single call, or of whoever requested it. A poll at the end
      // of a wait reads what listens to the events that it may find.
      read: ['connection#*', 'keys', 'pause', 'automations', 'automations#versions#*', 'request#*', ...items.triggers],
      write: [
        'session#*',
        'account#*',
        'usage#*',
        'poll#*',
        ...items.subjects,
        ...items.runs,
        ...items.events,
        ...items.eventOrder,
      ],
      // Events that a wait searches for and that have no position in the log yet.
      due: ['route'],
    },
    secrets: { ...allVendors, read: [...allVendors.read, sealingKeySecret] },
    files: { read: ['uploads/', 'calls/'], write: ['answers/', 'events/', 'runs/'] },
    startsItself: true,
    signals: [
      {
        metric: 'RunFailed',
        dimensions: { function: 'run-automation' },
        meaning: 'A run of an automation failed, wholly or in part; its steps say where.',
      },
    ],
  },
  {
    name: 'end-executions',
    trigger: 'broken-executions',
    memory: 512,
    timeout: 60,
    table: { read: ['subscriptions'], write: [...items.runs, ...items.events, ...items.deliveries] },
    files: { write: ['events/'] },
    completes: ['run-automation'],
  },
];

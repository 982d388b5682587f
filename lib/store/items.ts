import { createHash } from 'node:crypto';
import type { Key } from './table.ts';

/** The prefix of the partition keys of events, which the stream's filter on AWS matches. */
export const eventPrefix = 'event#';

const probePartition = `${eventPrefix}probe`;

/** Begins the sort keys of trigger entries that come after all others. */
export const canWaitFrom = '~';

/** Begins the owner of a run that is a single call; a vendor's name follows. No automation's id contains a 0. */
export const callsPrefix = 'calls0';

/** Every key of the table is built here. A vendor's own items start with a word and the vendor, so that rights can be cut by leading key. */
export const keys = {
  /** What the last health check found. */
  health: (): Key => ({ pk: 'health', sk: 'report' }),
  /** Whose database this is, on one machine. */
  installation: (): Key => ({ pk: 'health', sk: 'installation' }),
  /** The time of the last tick over what is due, to notice a clock that was set back. */
  lastTick: (kind: string): Key => ({ pk: 'health', sk: `due#${kind}` }),
  /** The last search for runs that are not being carried out. */
  runSweep: (): Key => ({ pk: 'health', sk: 'run-sweep' }),
  /** The last tick of a function of the clock. */
  clockTick: (name: string): Key => ({ pk: 'health', sk: `clock#${name}` }),
  /** The last probe that came through the table's stream. */
  streamProbe: (): Key => ({ pk: 'health', sk: 'stream' }),
  selfTest: (): Key => ({ pk: 'health', sk: 'self-test' }),
  /** An item that passes through the stream like an event, but is not one. */
  probe: (at: number): Key => ({ pk: probePartition, sk: `probe#${at}` }),
  pause: (): Key => ({ pk: 'pause', sk: 'pause' }),
  connection: (vendor: string, name: string): Key => ({ pk: `connection#${vendor}`, sk: name }),
  connections: (vendor: string): string => `connection#${vendor}`,
  session: (vendor: string, connection: string): Key => ({ pk: `session#${vendor}#${connection}`, sk: 'session' }),
  /** A login, a failure or a lock of a connection's session. */
  sessionChange: (vendor: string, connection: string, at: number): Key => ({
    pk: `session#${vendor}#${connection}`,
    sk: `change#${logPosition(at)}`,
  }),
  counter: (vendor: string, connection: string, name: string): Key => ({
    pk: `session#${vendor}#${connection}`,
    sk: `counter#${name}`,
  }),
  /** The requests that were made over a connection in a month. */
  usage: (vendor: string, month: string, connection: string): Key => ({
    pk: keys.usages(vendor),
    sk: `${month}#${connection}`,
  }),
  usages: (vendor: string): string => `usage#${vendor}`,
  /** What a vendor's code notes for a connection. Stored next to the session, so that the same permissions cover it. */
  note: (vendor: string, connection: string, name: string): Key => ({
    pk: `session#${vendor}#${connection}`,
    sk: `note#${digest(name)}`,
  }),
  /** The same for all connections of a vendor. No connection's name contains an `@`. */
  sharedNote: (vendor: string, name: string): Key => ({ pk: `session#${vendor}#@${digest(name)}`, sk: 'note' }),
  /** The hash of the admin key. */
  adminKey: (): Key => ({ pk: 'admin-key', sk: 'hash' }),
  apiKey: (id: string): Key => ({ pk: 'keys', sk: id }),
  apiKeys: (): string => 'keys',
  /** `area` is the vendor that is called, or `control`: the function of one vendor cannot reach the records of another. */
  idempotency: (area: string, keyId: string, key: string): Key => ({
    pk: `idempotency#${area}#${keyId}#${digest(key)}`,
    sk: 'record',
  }),
  /** A browser that is signed in, or a link that signs in once. */
  signIn: (id: string): Key => ({ pk: 'sign-ins', sk: id }),
  signInLink: (id: string): Key => ({ pk: 'sign-ins', sk: `link#${id}` }),
  audit: (at: string, id: string): Key => ({ pk: `audit#${at.slice(0, 7)}`, sk: `${at}#${id}` }),
  event: (id: string): Key => ({ pk: `${eventPrefix}${id}`, sk: 'event' }),
  /** The last known state of a subject whose facts have no id from the vendor. */
  subject: (vendor: string, connection: string, subject: string): Key => ({
    pk: `subject#${vendor}#${connection}#${digest(subject)}`,
    sk: 'subject',
  }),
  /** An account of a vendor, once for each connection that acts as it. */
  account: (vendor: string, account: string, connection: string): Key => ({
    pk: keys.accounts(vendor),
    sk: `${keys.accountPrefix(account)}${connection}`,
  }),
  accounts: (vendor: string): string => `account#${vendor}`,
  accountPrefix: (account: string): string => `${digest(account)}#`,
  logCounter: (): Key => ({ pk: 'log', sk: 'counter' }),
  /** An event's place in the order of all events, and in that of its connection. */
  logEntry: (position: number): Key => ({ pk: 'log#all', sk: logPosition(position) }),
  connectionLogEntry: (vendor: string, connection: string, position: number): Key => ({
    pk: keys.connectionLog(vendor, connection),
    sk: logPosition(position),
  }),
  log: (): string => 'log#all',
  /** An event's place in the order of its type. */
  typeLogEntry: (type: string, position: number): Key => ({ pk: keys.typeLog(type), sk: logPosition(position) }),
  typeLog: (type: string): string => `log#type#${type}`,
  /** One source of events at one connection; its cursor and its lease. */
  poll: (vendor: string, connection: string, source: string): Key => ({
    pk: keys.polls(vendor, connection),
    sk: `source#${source}`,
  }),
  polls: (vendor: string, connection: string): string => `poll#${vendor}#${connection}`,
  /** The lease on polling a connection, for vendors that allow one poll at a time. */
  pollTurn: (vendor: string, connection: string): Key => ({ pk: keys.polls(vendor, connection), sk: 'turn' }),
  pollPlan: (): Key => ({ pk: 'poll', sk: 'plan' }),
  /** A client that has read the event list recently. */
  eventReader: (digest: string): Key => ({ pk: keys.eventReaders(), sk: digest }),
  eventReaders: (): string => 'poll#readers',
  subscription: (id: string): Key => ({ pk: 'subscriptions', sk: id }),
  subscriptions: (): string => 'subscriptions',
  /** A removed subscription, kept for its deliveries in a separate partition, which no event reads. */
  removedSubscription: (id: string): Key => ({ pk: keys.removedSubscriptions(), sk: id }),
  removedSubscriptions: (): string => 'subscriptions#removed',
  /** What reacts to a trigger: an event type, a pattern of types, or `hook#{id}`. */
  trigger: (kind: string, trigger: string, id: string, canWait = false): Key => ({
    pk: keys.triggers(kind, trigger),
    sk: canWait ? `${canWaitFrom}${id}` : id,
  }),
  triggers: (kind: string, trigger: string): string => `trigger#${kind}#${trigger}`,
  /** Counts the changes of everything that reacts to triggers. */
  triggerVersion: (kind: string): Key => ({ pk: 'trigger', sk: kind }),
  /** A subscription's deliveries in the order in which their events were appended. */
  delivery: (subscriptionId: string, appendedAt: number, eventId: string, replay: number): Key => ({
    pk: keys.deliveries(subscriptionId),
    sk: `${logPosition(appendedAt)}#${eventId}#${replay}`,
  }),
  deliveries: (subscriptionId: string): string => `delivery#${subscriptionId}`,
  /** When the next request to a target may go out. */
  targetRate: (url: string): Key => ({ pk: `rate#${digest(url)}`, sk: 'next' }),
  /** Runs that wait for an event of a type. */
  waiter: (type: string, callbackId: string, alternative: number): Key => ({
    pk: keys.waiters(type),
    sk: `${digest(callbackId)}/${alternative}`,
  }),
  waiters: (type: string): string => `waiter#${type}`,
  /** The waits of a run that end when it is cancelled. */
  runWait: (runId: string, callbackId: string): Key => ({ pk: keys.runWaits(runId), sk: digest(callbackId) }),
  runWaits: (runId: string): string => `waiter#run#${runId}`,
  /** A durable execution on one machine; on AWS the service keeps them. */
  execution: (functionName: string, name: string): Key => ({
    pk: keys.executionItems(functionName, name),
    sk: 'execution',
  }),
  executionOperation: (pk: string, id: string): Key => ({ pk, sk: `operation#${id}` }),
  executionItems: (functionName: string, name: string): string => `execution#${functionName}#${name}`,
  hook: (id: string): Key => ({ pk: 'hooks', sk: id }),
  hooks: (): string => 'hooks',
  /** Claims a name, so that no two hooks have the same. */
  hookName: (name: string): Key => ({ pk: 'hooks#names', sk: digest(name) }),
  /** The counters of a hook, in a separate item, so that a post and a change of the hook never conflict. */
  hookStatus: (id: string): Key => ({ pk: 'hooks#status', sk: id }),
  hookStatuses: (): string => 'hooks#status',
  /** The last refused posts of a hook: a ring of a fixed number of items. */
  hookRefusal: (id: string, place: number): Key => ({ pk: keys.hookRefusals(id), sk: `place#${place}` }),
  hookRefusals: (id: string): string => `hook#${id}#refusals`,
  /** A message that was taken: `owner` is a hook's id, or a vendor's connection; `by` says what the value is. */
  hookClaim: (owner: string, by: string, value: string): Key => ({
    pk: `hook#${owner}#${digest(JSON.stringify([by, value]))}`,
    sk: 'claim',
  }),
  automation: (id: string): Key => ({ pk: 'automations', sk: id }),
  automations: (): string => 'automations',
  /** What an automation was at some time, and who stored it. */
  automationVersion: (id: string, version: number): Key => ({
    pk: keys.automationVersions(id),
    sk: logPosition(version),
  }),
  automationVersions: (id: string): string => `automations#versions#${id}`,
  /** Claims a name, so that no two automations have the same. */
  automationName: (name: string): Key => ({ pk: 'automations#names', sk: digest(name) }),
  /** What a recipe was installed with. */
  recipeInstallation: (name: string): Key => ({ pk: keys.recipeInstallations(), sk: digest(name) }),
  recipeInstallations: (): string => 'automations#installations',
  /** An automation that was deleted, for as long as its runs are kept. */
  formerAutomation: (id: string): Key => ({ pk: 'automations#former', sk: id }),
  formerAutomations: (): string => 'automations#former',
  /** The most recent run of an automation that did something. */
  automationStatus: (id: string): Key => ({ pk: 'automations#status', sk: id }),
  automationStatuses: (): string => 'automations#status',
  /** A run in the list of its automation's runs (or of plain calls), in start order. */
  run: (owner: string, createdAt: number, name: string): Key => ({
    pk: keys.runs(owner),
    sk: `${logPosition(createdAt)}#${name}`,
  }),
  /** Runs of single calls apart from those of automations: what starts an automation cannot write them. */
  runs: (owner: string): string =>
    owner.startsWith(callsPrefix) ? `calls#${owner.slice(callsPrefix.length)}` : `runs#${owner}`,
  /** The request of a run that was made with a key (a replay, an undo, a drill). */
  requestedRun: (runId: string): Key => ({ pk: `request#${runId}`, sk: 'run' }),
  /** One step of a run, or one item of a step that runs for each. */
  runStep: (runId: string, at: number, index: number): Key => ({
    pk: keys.runSteps(runId),
    sk: `${String(at).padStart(3, '0')}#${String(index).padStart(4, '0')}`,
  }),
  runSteps: (runId: string): string => `run#${runId}`,
  /** The runs that wait for others with their key to end, in the order in which they came. */
  turn: (automationId: string, key: string, createdAt: number, runId: string): Key => ({
    pk: keys.turns(automationId, key),
    sk: `${logPosition(createdAt)}#${runId}`,
  }),
  turns: (automationId: string, key: string): string => `dedupe#${automationId}#${digest(key)}#turns`,
  /** What an automation remembers from run to run. */
  memo: (automationId: string, key: string): Key => ({ pk: keys.memos(automationId), sk: digest(key) }),
  memos: (automationId: string): string => `memo#${automationId}`,
  dedupe: (automationId: string, key: string): Key => ({ pk: `dedupe#${automationId}#${digest(key)}`, sk: 'claim' }),
  /** How many runs an automation has started in a minute. */
  flood: (automationId: string, minute: number): Key => ({ pk: `flood#${automationId}`, sk: logPosition(minute) }),
  connectionLog: (vendor: string, connection: string): string => `log#${vendor}#${connection}`,
};

/** True for a run, and for a delivery, among the items of the table. */
export const isRunItem = ({ pk }: Key): boolean => pk.startsWith('runs#') || pk.startsWith('calls#');
export const isDeliveryItem = ({ pk }: Key): boolean => pk.startsWith('delivery#');

/** True for the partition key of an event. */
export const isEventItem = (pk: string): boolean => pk.startsWith(eventPrefix);

/** True for the partition key of what only shows that the stream is read. */
export const isProbe = (pk: string): boolean => pk === probePartition;

/** A number as a sort key: padded, so that text sorts as numbers do. */
export const logPosition = (position: number): string => String(position).padStart(15, '0');

function digest(value: string): string {
  return createHash('sha256').update(value).digest('base64url');
}

/** Seconds since the epoch after which DynamoDB may delete an item; late, so never trusted for correctness. */
export const expiry = (epochMilliseconds: number): number => Math.ceil(epochMilliseconds / 1000);

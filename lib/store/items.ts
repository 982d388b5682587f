import { createHash } from 'node:crypto';
import type { Key } from './table.ts';

/** How the keys of events begin; the stream's filter on AWS asks for it. */
export const eventPrefix = 'event#';

/** Every key of the table is built here. A vendor's own items start with a word and the vendor, so that rights can be cut by leading key. */
export const keys = {
  /** Nothing lies here; reading it shows that the table answers. */
  health: (): Key => ({ pk: 'health', sk: 'health' }),
  connection: (vendor: string, name: string): Key => ({ pk: `connection#${vendor}`, sk: name }),
  connections: (vendor: string): string => `connection#${vendor}`,
  session: (vendor: string, connection: string): Key => ({ pk: `session#${vendor}#${connection}`, sk: 'session' }),
  counter: (vendor: string, connection: string, name: string): Key => ({
    pk: `session#${vendor}#${connection}`,
    sk: `counter#${name}`,
  }),
  apiKey: (id: string): Key => ({ pk: 'keys', sk: id }),
  apiKeys: (): string => 'keys',
  idempotency: (keyId: string, key: string): Key => ({ pk: `idempotency#${keyId}#${digest(key)}`, sk: 'record' }),
  audit: (at: string, id: string): Key => ({ pk: `audit#${at.slice(0, 7)}`, sk: `${at}#${id}` }),
  event: (id: string): Key => ({ pk: `${eventPrefix}${id}`, sk: 'event' }),
  logCounter: (): Key => ({ pk: 'log', sk: 'counter' }),
  /** An event's place in the order of all events, and in that of its connection. */
  logEntry: (position: number): Key => ({ pk: 'log#all', sk: logPosition(position) }),
  connectionLogEntry: (vendor: string, connection: string, position: number): Key => ({
    pk: keys.connectionLog(vendor, connection),
    sk: logPosition(position),
  }),
  log: (): string => 'log#all',
  /** One source of events at one connection; its cursor and its lease. */
  poll: (vendor: string, connection: string, source: string): Key => ({
    pk: keys.polls(vendor, connection),
    sk: `source#${source}`,
  }),
  polls: (vendor: string, connection: string): string => `poll#${vendor}#${connection}`,
  /** The right to poll a connection at all, where its vendor bears one poll at a time. */
  pollTurn: (vendor: string, connection: string): Key => ({ pk: keys.polls(vendor, connection), sk: 'turn' }),
  pollPlan: (): Key => ({ pk: 'poll', sk: 'plan' }),
  subscription: (id: string): Key => ({ pk: 'subscriptions', sk: id }),
  subscriptions: (): string => 'subscriptions',
  /** A subscription's deliveries in the order in which their events were appended. */
  delivery: (subscriptionId: string, appendedAt: number, eventId: string, replay: number): Key => ({
    pk: keys.deliveries(subscriptionId),
    sk: `${logPosition(appendedAt)}#${eventId}#${replay}`,
  }),
  deliveries: (subscriptionId: string): string => `delivery#${subscriptionId}`,
  /** When the next request to a target may go out. */
  targetRate: (url: string): Key => ({ pk: `rate#${digest(url)}`, sk: 'next' }),
  /** Runs that wait for an event of a type. */
  waiter: (type: string, callbackId: string): Key => ({ pk: keys.waiters(type), sk: digest(callbackId) }),
  waiters: (type: string): string => `waiter#${type}`,
  connectionLog: (vendor: string, connection: string): string => `log#${vendor}#${connection}`,
};

/** True for the partition key of an event. */
export const isEventItem = (pk: string): boolean => pk.startsWith(eventPrefix);

/** A number as a sort key: padded, so that text sorts as numbers do. */
export const logPosition = (position: number): string => String(position).padStart(15, '0');

function digest(value: string): string {
  return createHash('sha256').update(value).digest('base64url');
}

/** Seconds since the epoch after which DynamoDB may delete an item; late, so never trusted for correctness. */
export const expiry = (epochMilliseconds: number): number => Math.ceil(epochMilliseconds / 1000);

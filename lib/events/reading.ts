import { adminScope, type ControlArea, controlNeed, covers, mayRead } from '../api/scopes.ts';
import { hookPrefix } from './own-event-types.ts';

/** A vendor's connection, and the read operation that a reader must be allowed to call; absent means any. */
export interface Subject {
  vendor: string;
  connection: string;
  readBy?: string;
}

/** The fields that decide who may read an event. */
export interface EventOwner extends Subject {
  /** For an own event: the connection it is about. */
  about?: Subject;
}

/** An event type as far as reading it is concerned. */
export interface ReadableType {
  type: string;
  vendor: string;
  readBy: string;
}

export const ownVendor = 'trunkline';
/** Represents everything that can be read of a connection: a wildcard covers it, the name of a single operation does not. */
export const everything = '*';

/**
 * Whether a key with these scopes may read an event. This is the only rule: the event list, the live stream, subscriptions,
 * automations, waits, runs and deliveries all ask it.
 *
 * A vendor's event requires the read operation that its type declares, on the event's connection. An own event requires the `read`
 * scope of the control area that its type declares; in addition, what it is about must be readable. An event that was stored
 * without a declaration requires a wildcard for the connection.
 */
export function mayReadEvent(scopes: readonly string[], event: EventOwner): boolean {
  const { vendor, connection, readBy, about } = event;
  if (vendor !== ownVendor) return mayReadSubject(scopes, { vendor, connection, readBy: readBy ?? everything });
  // The type declares an area; only events of earlier versions have none.
  if (!covers(scopes, controlNeed((readBy ?? 'events') as ControlArea, false))) return false;
  if (about) return mayReadSubject(scopes, about);
  return readBy === 'hooks' || connection.startsWith(hookPrefix) || scopes.includes(adminScope);
}

/** The same for a connection and one of its operations. */
function mayReadSubject(scopes: readonly string[], { vendor, connection, readBy }: Subject): boolean {
  if (readBy === undefined) return mayRead(scopes, vendor, connection);
  return covers(scopes, { vendor, connection, operation: readBy });
}

/**
 * Whether a key may read events of a type at all: at the named connection, or at any. `connection` is a slug or `vendor/slug`.
 */
export function mayReadType(scopes: readonly string[], type: ReadableType, connection?: string): boolean {
  return placesOf(scopes, type, connection).length > 0;
}

/** Whether a key may read every event of a type that another key may read. */
export function mayReadAsMuch(
  scopes: readonly string[],
  others: readonly string[],
  type: ReadableType,
  connection?: string,
): boolean {
  return placesOf(others, type, connection).every((place) => mayReadEvent(scopes, place));
}

/** The places whose events of a type a key may read, as far as its scopes name them; `*` stands for all. */
function placesOf(scopes: readonly string[], { vendor, readBy }: ReadableType, named?: string): EventOwner[] {
  const own = { vendor: ownVendor, connection: ownVendor, readBy };
  if (vendor === ownVendor && readBy === 'hooks') return mayReadEvent(scopes, own) ? [own] : [];
  const [first, second] = named?.split('/') ?? [];
  if (vendor !== ownVendor && second !== undefined && first !== vendor) return [];
  return scopes.flatMap((scope) => {
    const [ofVendor = '*', ofConnection = '*'] = scope.split('/');
    if (ofVendor === ownVendor) return [];
    const connection = second ?? first ?? ofConnection;
    if (vendor !== ownVendor) {
      const place = { vendor, connection, readBy };
      return mayReadEvent([scope], place) ? [place] : [];
    }
    // Own events are about connections of every vendor.
    const about = { vendor: second === undefined ? ofVendor : (first ?? ofVendor), connection };
    return mayRead([scope], about.vendor, connection) && mayReadEvent(scopes, { ...own, about })
      ? [{ ...own, about }]
      : [];
  });
}

/** The scope that a key needs to read events of a type, for an error message. `connection` is a slug or `vendor/slug`. */
export function scopeToRead({ vendor, readBy }: ReadableType, connection?: string): string {
  if (vendor === ownVendor) return `${ownVendor}/${readBy}/read`;
  return `${vendor}/${connection?.split('/').at(-1) ?? everything}/${readBy}`;
}

/** What an own event says about another event requires the right to read that one. */
export function aboutEvent({ vendor, connection, readBy, about }: EventOwner): { about?: Subject } {
  if (vendor !== ownVendor) return { about: { vendor, connection, readBy: readBy ?? everything } };
  return about ? { about } : {};
}

/** The scopes that a key needs to read an event, for records that repeat its contents. */
export function scopesToRead({ vendor, connection, readBy, about }: EventOwner): string[] {
  if (vendor !== ownVendor) return [`${vendor}/${connection}/${readBy ?? everything}`];
  const area = `${ownVendor}/${readBy ?? 'events'}/read`;
  return about ? [area, `${about.vendor}/${about.connection}/${about.readBy ?? everything}`] : [area];
}

/** Whether a key has all of these scopes, as `scopesToRead` names them. */
export function mayReadAll(scopes: readonly string[], wanted: readonly string[]): boolean {
  return wanted.every((each) => {
    const [vendor = '', connection = '', operation = ''] = each.split('/');
    return covers(scopes, { vendor, connection, operation });
  });
}

import { GatewayError } from '../core/errors.ts';
import type { Effect } from '../core/operation.ts';

/** `*` and the slugs and names that scopes are made of. */
const part = /^(\*|[A-Za-z][A-Za-z0-9-]{0,63})$/;

export const controlAreas = [
  'connections',
  'keys',
  'hooks',
  'subscriptions',
  'automations',
  'runs',
  'deliveries',
  'events',
  'uploads',
  'pause',
  'metrics',
] as const;
export type ControlArea = (typeof controlAreas)[number];

export const adminScope = '*/*/*';

/** True for a well-formed scope: `vendor/connection/operation` of a known vendor, or `trunkline/{area}/{read|write}`. */
export function isScope(vendorNames: readonly string[], text: string): boolean {
  const parts = text.split('/');
  const [first = '', second = '', third = ''] = parts;
  if (parts.length !== 3 || !parts.every((each) => part.test(each))) return false;
  if (first === 'trunkline') {
    return (
      (second === '*' || (controlAreas as readonly string[]).includes(second)) && ['*', 'read', 'write'].includes(third)
    );
  }
  return first === '*' || vendorNames.includes(first);
}

/** What a caller wants to do, in the form of a scope. */
export interface Need {
  vendor: string;
  connection: string;
  operation: string;
  /** True for what `*` does not cover: destructive and session operations, and raw requests. */
  exact?: boolean;
}

export function operationNeed(vendor: string, connection: string, operation: string, effect: Effect): Need {
  return { vendor, connection, operation, exact: effect === 'destructive' || effect === 'session' };
}

export function controlNeed(area: ControlArea, write: boolean): Need {
  return { vendor: 'trunkline', connection: area, operation: write ? 'write' : 'read' };
}

/** True when one of the scopes covers the need. The admin scope covers everything that a control call can need. */
export function covers(scopes: readonly string[], need: Need): boolean {
  return scopes.some((scope) => {
    const [vendor, connection, operation] = scope.split('/');
    if (scope === adminScope && need.vendor === 'trunkline') return true;
    if (need.vendor === 'trunkline' && vendor !== 'trunkline') return false;
    if (vendor !== '*' && vendor !== need.vendor) return false;
    if (connection !== '*' && connection !== need.connection) return false;
    return operation === need.operation || (operation === '*' && !need.exact);
  });
}

/** Throws `forbidden` that names the scope a key would need. */
export function requireScope(scopes: readonly string[], need: Need): void {
  if (covers(scopes, need)) return;
  throw new GatewayError(
    'forbidden',
    `This key lacks the scope ${need.vendor}/${need.connection}/${need.operation}.${
      need.exact ? ' A wildcard does not cover it: the operation must be named exactly.' : ''
    }`,
  );
}

/** Whether a wildcard does not cover an operation: destructive and session operations, and raw requests. */
export type MustBeNamed = (vendor: string, operation: string) => boolean;

/** True when every right that `wanted` gives is given by `owned` too. Without `mustBeNamed` no wildcard gives a single name. */
export function within(wanted: string, owned: readonly string[], mustBeNamed: MustBeNamed = () => true): boolean {
  if (owned.includes(adminScope)) return true;
  const [vendor = '', connection = '', operation = ''] = wanted.split('/');
  return owned.some((scope) => {
    const [ownVendor, ownConnection, ownOperation] = scope.split('/');
    if ((vendor === 'trunkline') !== (ownVendor === 'trunkline')) return false;
    if (ownVendor !== '*' && ownVendor !== vendor) return false;
    if (ownConnection !== '*' && ownConnection !== connection) return false;
    if (ownOperation === operation) return true;
    return ownOperation === '*' && (vendor === 'trunkline' || (operation !== '*' && !mustBeNamed(vendor, operation)));
  });
}

/** True when the key may see anything of a connection: its events and its settings. As `trunkline/{area}` an area of our own. */
export function mayRead(scopes: readonly string[], vendor: string, connection: string): boolean {
  if (vendor === 'trunkline') return covers(scopes, { vendor, connection, operation: 'read' });
  return scopes.some((scope) => {
    const [ownVendor, ownConnection] = scope.split('/');
    return (ownVendor === '*' || ownVendor === vendor) && (ownConnection === '*' || ownConnection === connection);
  });
}

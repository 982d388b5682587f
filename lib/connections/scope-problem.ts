import type { MustBeNamed } from '../api/scopes.ts';
import { didYouMean } from '../core/nearest.ts';
import type { Effect } from '../core/operation.ts';
import type { Catalogue, Vendor } from '../core/vendor.ts';
import type { Connections } from './connections.ts';
import { noOperation } from './invoke.ts';

/** Why a well-formed scope names nothing that exists, as a sentence; undefined when it does. */
export async function scopeProblem(
  connections: Connections,
  vendors: Catalogue,
  scope: string,
): Promise<string | undefined> {
  const [vendorName = '', connection = '', operation = ''] = scope.split('/');
  if (vendorName === 'trunkline') return undefined;
  const matching = Object.values(vendors).filter(({ name }) => vendorName === '*' || vendorName === name);
  const [first] = matching;
  if (first && operation !== '*' && operation !== 'raw' && !matching.some((vendor) => has(vendor, operation))) {
    return `names an operation that does not exist: ${noOperation(first, operation)}`;
  }
  if (connection === '*') return undefined;
  const names = (await Promise.all(matching.map(({ name }) => connections.list(name)))).flat().map(({ name }) => name);
  if (names.includes(connection)) return undefined;
  return `names a connection that does not exist: ${connection}.${didYouMean(connection, names)}`;
}

/** The operations that a wildcard does not cover; `*` as the vendor means all vendors. */
export function mustBeNamedIn(vendors: Catalogue): MustBeNamed {
  return (vendorName, operation) =>
    operation === 'raw' ||
    Object.values(vendors)
      .filter(({ name }) => vendorName === '*' || vendorName === name)
      .some((vendor) => has(vendor, operation) && isExact(vendor.operations[operation]?.effect));
}

function isExact(effect: Effect | undefined): boolean {
  return effect === 'destructive' || effect === 'session';
}

function has(vendor: Vendor, operation: string): boolean {
  return Object.hasOwn(vendor.operations, operation);
}

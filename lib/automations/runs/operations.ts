import { operationOf } from '../../connections/invoke.ts';
import type { Operation } from '../../core/operation.ts';
import type { Catalogue, Vendor } from '../../core/vendor.ts';

export function vendorIn(vendors: Catalogue, name: string): Vendor | undefined {
  // Its own members are exactly the names of the vendors.
  return Object.hasOwn(vendors, name) ? vendors[name as keyof Catalogue] : undefined;
}

/** The operation that a step calls; undefined if no operation of that name exists any more. */
export function operationIn(vendors: Catalogue, vendorName: string, name: string): Operation | undefined {
  const vendor = vendorIn(vendors, vendorName);
  return vendor && Object.hasOwn(vendor.operations, name) ? operationOf(vendor, name) : undefined;
}

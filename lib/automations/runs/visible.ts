import type { Principal } from '../../api/keys/key-check.ts';
import { covers } from '../../api/scopes.ts';
import type { Catalogue } from '../../core/vendor.ts';
import { mayReadAll, ownVendor } from '../../events/reading.ts';
import { isCall } from '../definition.ts';
import { everyStep } from '../steps.ts';
import { mentions } from './dependencies.ts';
import { definitionOfRun, type RunItem, type StepItem, vendorOfCalls } from './runs.ts';

/**
 * The scopes that a key needs to see what passed through a run, its definition as plain JSON: those of its event, of the events it
 * has waited for, and of the read operations it has called. Expressions can copy any of it into the input of any step. What an
 * automation remembers may come from any of its reads, in an earlier run.
 */
export function scopesToSee(vendors: Catalogue, run: RunItem, steps: readonly StepItem[]): string[] {
  const ofSteps = steps.flatMap(({ call, reads = [] }) => [...reads, ...(call && isRead(vendors, call) ? [call] : [])]);
  const definition = definitionOfRun(run);
  const ofMemory = mentions(definition, 'memo')
    ? everyStep(definition.do).flatMap(({ step }) => (isCall(step) && isRead(vendors, step.call) ? [step.call] : []))
    : [];
  return [...new Set([...scopesOfEvent(run), ...ofSteps, ...ofMemory])];
}

/** True for the key that made a call, or one that may read what its reason quotes: the event and, once it has failed, what it has read. */
export function maySeeReason(run: RunItem, principal: Principal): boolean {
  return isOwnCall(run, principal) || mayReadAll(principal.scopes, scopesOfEvent(run));
}

/** True if a run has read only what was posted to a hook, and nothing at a vendor. */
export function hasReadNoVendor(run: RunItem): boolean {
  return scopesOfEvent(run).every((scope) => scope.startsWith(`${ownVendor}/`));
}

/** Vendor requests and responses are visible only to keys that could make the call themselves and read what went into it. */
export function maySeeStep(run: RunItem, { call }: StepItem, principal: Principal, needed: readonly string[]): boolean {
  if (isOwnCall(run, principal)) return true;
  if (!mayReadAll(principal.scopes, needed)) return false;
  const [vendor = '', connection, operation] = call?.split('/') ?? [];
  return connection === undefined || operation === undefined
    ? true
    : covers(principal.scopes, { vendor, connection, operation });
}

/** True for a single call that the key itself made. */
export function isOwnCall(run: RunItem, principal: Principal): boolean {
  return vendorOfCalls(run.owner) !== undefined && run.keyId === principal.keyId;
}

/** Runs of earlier versions say only from which connection their event came. */
function scopesOfEvent({ reads, source }: RunItem): readonly string[] {
  return reads ?? (source?.connection === undefined ? [] : [`${source.connection}/*`]);
}

function isRead(vendors: Catalogue, call: string): boolean {
  const [vendor = '', , operation = ''] = call.split('/');
  const operations = Object.hasOwn(vendors, vendor) ? vendors[vendor]?.operations : undefined;
  return operations !== undefined && Object.hasOwn(operations, operation) && operations[operation]?.effect === 'read';
}

import { scopesOfKey } from '../../api/keys/keys.ts';
import { keys } from '../../store/items.ts';
import { type AutomationItem, definitionOf, runDefinitionOf } from '../automations.ts';
import { isCall, target } from '../definition.ts';
import { everyStep } from '../steps.ts';
import { findVersion } from '../versions.ts';
import { definitionOfRun, type RunItem, type RunServices, vendorOfCalls, withDefinition } from './runs.ts';

/** A run as it may be carried out, its definition as plain JSON; or why it must not be. */
export type Authorized = { run: RunItem; isOfDeleted?: true } | { problem: string };

/**
 * The run with what it carries out and what it may do. Both are read from where they are defined and not from the run itself, which every
 * function can write that starts runs: the version of the automation, the request of somebody with a key, or, for a single call,
 * its key.
 */
export async function authorize(services: RunServices, stored: RunItem): Promise<Authorized> {
  const vendor = vendorOfCalls(stored.owner);
  if (vendor !== undefined) return authorizeCall(services, await withDefinition(services.files, stored), vendor);
  if (stored.version !== undefined) return authorizeVersion(services, stored, stored.version);
  const requested = await services.table.get<RunItem>(keys.requestedRun(stored.id), true);
  if (!requested) return { problem: 'Nobody with a key has requested it.' };
  return { run: await withDefinition(services.files, { ...requested, ...progressOf(stored) }) };
}

/** The function of a vendor can store runs of single calls: such a run calls this vendor only, with the rights that its key has now. */
async function authorizeCall({ table }: RunServices, run: RunItem, vendor: string): Promise<Authorized> {
  const called = everyStep(definitionOfRun(run).do).map(({ step }) => (isCall(step) ? target(step).vendor : undefined));
  if (called.some((each) => each !== vendor)) return { problem: `A call of ${vendor} cannot call anything else.` };
  const scopes = await scopesOfKey(table, run.keyId);
  return scopes ? { run: { ...run, scopes: [...scopes] } } : { problem: 'The key that made the call was revoked.' };
}

/** If the version is no longer kept, the current automation is used. */
async function authorizeVersion({ table }: RunServices, stored: RunItem, version: number): Promise<Authorized> {
  const kept = await findVersion(table, stored.owner, version);
  const source = kept?.scopes
    ? { ...kept, scopes: kept.scopes }
    : await table.get<AutomationItem>(keys.automation(stored.owner), true);
  if (!source) return { problem: 'Its automation was deleted.' };
  const { eventId, originId, event, reads, alarm, source: origin, linkSecret, depth } = stored;
  const run: RunItem = {
    ...progressOf(stored),
    id: stored.id,
    owner: stored.owner,
    name: stored.name,
    version,
    definition: JSON.stringify(runDefinitionOf(definitionOf(source), source.alarm !== false)),
    scopes: source.scopes,
    keyId: `automation_${stored.owner}`,
    createdAt: stored.createdAt,
    expiresAt: stored.expiresAt,
    ...(eventId !== undefined && { eventId }),
    ...(originId !== undefined && { originId }),
    ...(event !== undefined && { event }),
    ...(reads && { reads }),
    ...(alarm !== undefined && { alarm }),
    ...(origin && { source: origin }),
    ...(linkSecret !== undefined && { linkSecret }),
    ...(depth !== undefined && { depth }),
  };
  return { run, ...(kept?.isDeleted && { isOfDeleted: true }) };
}

/** Where a run is stored and how far it is, which gives it no rights. */
function progressOf({ pk, sk, state, reason, cancelRequested }: RunItem) {
  return {
    pk,
    sk,
    state,
    ...(reason !== undefined && { reason }),
    ...(cancelRequested !== undefined && { cancelRequested }),
  };
}

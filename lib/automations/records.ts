import type { Principal } from '../api/keys/key-check.ts';
import { within } from '../api/scopes.ts';
import type { Random } from '../core/clock.ts';
import { GatewayError } from '../core/errors.ts';
import { newId } from '../core/ids.ts';
import { canonicalJson } from '../core/record.ts';
import type { SecretStore } from '../core/secrets.ts';
import type { Catalogue } from '../core/vendor.ts';
import { packText } from '../store/blobs.ts';
import { due } from '../store/due.ts';
import { expiry, keys } from '../store/items.ts';
import type { Key, Table } from '../store/table.ts';
import { completeTriggers, removeTriggers, triggerWrites } from '../store/triggers.ts';
import { type AutomationItem, definitionOf, listAutomations, triggersFor } from './automations.ts';
import { type Definition, schedulesOf } from './definition.ts';
import { raisesAlarm } from './raises-alarm.ts';
import { type RunServices, retentionMs } from './runs/runs.ts';
import { firstFiring } from './schedule.ts';
import { sealDefinition } from './sealed-definition.ts';
import { retireVersions, versionWrites } from './versions.ts';

export type RecordServices = RunServices & { random: Random; vendors: Catalogue; secrets: SecretStore };

/** Stores a new automation; a name that is already taken is a `conflict`. */
export async function createAutomation(
  services: RecordServices,
  given: Definition,
  principal: Principal,
): Promise<AutomationItem> {
  const definition = await sealDefinition(services, given);
  const now = services.clock.now();
  const id = newId(services.random);
  const at = new Date(now).toISOString();
  const item: AutomationItem = {
    ...keys.automation(id),
    ...fieldsOf(services, definition, principal),
    id,
    anchor: now,
    createdAt: at,
    updatedAt: at,
    version: 1,
    ...dueOf(id, definition, now, now),
  };
  await ensureTriggers(services.table);
  const written = await services.table.transact([
    { put: { ...item }, condition: 'attribute_not_exists(#pk)' },
    nameClaim(item),
    ...triggerWrites('automation', id, triggersFor(item), item.alarm === false),
    ...versionWrites(item, principal),
  ]);
  if (!written.done) throw nameTaken(item.name);
  return item;
}

/** Replaces the definition of an automation. Only enabling or disabling it keeps its creator and rights. */
export async function replaceAutomation(
  services: RecordServices,
  item: AutomationItem,
  given: Definition,
  principal: Principal,
): Promise<AutomationItem> {
  const before = definitionOf(item);
  const definition = await sealDefinition(services, given, before);
  const now = services.clock.now();
  const switchedOnly = onlySwitches(before, definition);
  if (switchedOnly && item.enabled === definition.enabled) return item;
  const next: AutomationItem = {
    ...keys.automation(item.id),
    ...fieldsOf(services, definition, principal),
    ...(switchedOnly && { scopes: item.scopes, creator: item.creator }),
    id: item.id,
    anchor: item.anchor,
    createdAt: item.createdAt,
    updatedAt: new Date(now).toISOString(),
    version: item.version + 1,
    ...dueOf(item.id, definition, now, item.anchor),
  };
  const renamed = next.name !== item.name;
  await ensureTriggers(services.table);
  const written = await services.table.transact([
    { put: { ...next }, condition: '#version = :version', values: { version: item.version } },
    nameClaim(next),
    ...(renamed ? [{ delete: keys.automationName(item.name) }] : []),
    ...triggerWrites('automation', item.id, triggersFor(next), next.alarm === false),
    ...versionWrites(next, principal),
  ]);
  if (written.refused.includes(1)) throw nameTaken(next.name);
  if (!written.done)
    throw new GatewayError(
      'conflict',
      'Another request changed the automation at the same time. Read it and try again.',
    );
  const former = new Set(triggersFor(item)).difference(new Set(triggersFor(next)));
  await removeTriggers(services.table, 'automation', item.id, former);
  return next;
}

/** Deletes an automation; its runs remain listed until their retention ends. */
export async function removeAutomation({ table, clock }: RunServices, item: AutomationItem): Promise<void> {
  const expiresAt = expiry(clock.now() + retentionMs);
  await table.transact([
    { put: { ...keys.formerAutomation(item.id), id: item.id, name: item.name, expiresAt } },
    { delete: keys.automation(item.id) },
    { delete: keys.automationName(item.name) },
    ...triggerWrites('automation', item.id, []),
  ]);
  await removeTriggers(table, 'automation', item.id, triggersFor(item));
  await retireVersions(table, item.id, expiresAt);
}

function ensureTriggers(table: Table): Promise<void> {
  return completeTriggers(table, 'automation', async () =>
    (await listAutomations(table)).map((item) => ({
      id: item.id,
      triggers: triggersFor(item),
      canWait: item.alarm === false,
    })),
  );
}

/** The automation with an id or a name, or `not_found`. */
export async function findAutomation(table: Table, idOrName: string): Promise<AutomationItem> {
  const item = (await automationById(table, idOrName)) ?? (await automationByName(table, idOrName));
  if (item) return item;
  throw new GatewayError(
    'not_found',
    `There is no automation with the id or name ${JSON.stringify(idOrName.slice(0, 100))}.`,
  );
}

export async function automationByName(table: Table, name: string): Promise<AutomationItem | undefined> {
  return (await listAutomations(table)).find((item) => item.name === name);
}

async function automationById(table: Table, id: string): Promise<AutomationItem | undefined> {
  return /^[a-z0-9]{1,40}$/.test(id) ? table.get<AutomationItem>(keys.automation(id), true) : undefined;
}

/**
 * Throws `forbidden` unless the caller's key could have created the automation: a key must not redirect rights that it does not
 * have.
 */
export function mayChange(item: AutomationItem, principal: Principal): void {
  if (item.creator === principal.keyId || item.scopes.every((scope) => within(scope, principal.scopes))) return;
  throw new GatewayError(
    'forbidden',
    'This automation runs with more scopes than your key has, so your key cannot change it.',
  );
}

/** True when two definitions differ in `enabled` at most. */
export function onlySwitches(before: Definition, after: Definition): boolean {
  return canonicalJson({ ...before, enabled: true }) === canonicalJson({ ...after, enabled: true });
}

function fieldsOf({ vendors }: RecordServices, definition: Definition, principal: Principal) {
  const { name, enabled } = definition;
  const packed = packText(JSON.stringify(definition));
  if (packed === undefined) throw new GatewayError('payload_too_large', 'The automation is too large to be stored.');
  return {
    name,
    enabled,
    definition: packed,
    scopes: [...principal.scopes],
    creator: principal.keyId,
    alarm: raisesAlarm(vendors, definition),
  };
}

/** A separate item keeps a name unique; the automation that holds the name may claim it again. */
function nameClaim({ id, name }: AutomationItem) {
  const item: Key & { id: string } = { ...keys.automationName(name), id };
  return { put: { ...item }, condition: 'attribute_not_exists(#pk) OR #id = :id', values: { id } };
}

function nameTaken(name: string): GatewayError {
  return new GatewayError(
    'conflict',
    `There is an automation named ${JSON.stringify(name)} already. Change it with PUT /v1/automations/{name}.`,
  );
}

/** The next firing of a schedule is an entry in the index of due items. */
function dueOf(id: string, definition: Definition, now: number, anchor: number): { duePk?: string; dueAt?: number } {
  const next = definition.enabled ? firstFiring(schedulesOf(definition), now, anchor) : undefined;
  return next === undefined ? {} : due('schedule', id, next);
}

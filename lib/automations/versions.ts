import * as z from 'zod/mini';
import type { Principal } from '../api/keys/key-check.ts';
import { named } from '../core/field.ts';
import { unpackText } from '../store/blobs.ts';
import { keys } from '../store/items.ts';
import type { Key, Table } from '../store/table.ts';
import type { AutomationItem } from './automations.ts';
import type { Definition } from './definition.ts';
import { shownDefinition } from './sealed-definition.ts';

/** How many versions of an automation are kept. */
export const keptVersions = 50;

/** A version of an automation as stored: its definition, and who stored it. */
interface VersionItem extends Key {
  version: number;
  /** ISO 8601. */
  at: string;
  keyId: string;
  keyName: string;
  /** Packed JSON. */
  definition: string;
  /** What runs of this version may do; absent in versions that were stored before runs read it here. */
  scopes?: string[];
  alarm?: boolean;
  /** Set when the automation was deleted: kept only for the replays of its runs. */
  isDeleted?: boolean;
  expiresAt?: number;
}

export const shownVersion = () =>
  named(
    'AutomationVersion',
    z.looseObject({
      version: z.int(),
      at: z.string(),
      keyId: z.string(),
      keyName: z.string(),
      definition: z.record(z.string(), z.unknown()),
    }),
  );

/** The writes that record a version of an automation and remove the one that is too old. */
export function versionWrites(item: AutomationItem, { keyId, name }: Principal) {
  const { id, version, updatedAt: at, definition, scopes, alarm } = item;
  const put: VersionItem = {
    ...keys.automationVersion(id, version),
    version,
    at,
    keyId,
    keyName: name,
    definition,
    scopes,
    ...(alarm !== undefined && { alarm }),
  };
  const tooOld = version - keptVersions;
  return [{ put: { ...put } }, ...(tooOld > 0 ? [{ delete: keys.automationVersion(id, tooOld) }] : [])];
}

/** A version of an automation; undefined if it is no longer kept. */
export function findVersion(table: Table, id: string, version: number): Promise<VersionItem | undefined> {
  return table.get<VersionItem>(keys.automationVersion(id, version), true);
}

/** The recorded versions of an automation, newest first. */
export async function listVersions(table: Table, id: string) {
  const items = await table.queryAll<VersionItem>({ pk: keys.automationVersions(id), consistent: true });
  return items.reverse().map(({ version, at, keyId, keyName, definition }) => ({
    version,
    at,
    keyId,
    keyName,
    // Written by the control call after its schema accepted it.
    definition: shownDefinition(JSON.parse(unpackText(definition)) as Definition),
  }));
}

/** Marks the versions of an automation as those of a deleted one, whose runs can be replayed until `expiresAt`. */
export async function retireVersions(table: Table, id: string, expiresAt: number): Promise<void> {
  const items = await table.queryAll<VersionItem>({ pk: keys.automationVersions(id), consistent: true });
  const retire = 'SET #isDeleted = :true, #expiresAt = :expiresAt';
  await Promise.all(items.map(({ pk, sk }) => table.update({ pk, sk }, retire, { true: true, expiresAt })));
}

import * as z from 'zod/mini';
import type { Principal } from '../api/key-check.ts';
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
}

export const shownVersion = () =>
  z.looseObject({
    version: z.int(),
    at: z.string(),
    keyId: z.string(),
    keyName: z.string(),
    definition: z.record(z.string(), z.unknown()),
  });

/** The writes that record a version of an automation and remove the one that is too old. */
export function versionWrites(item: AutomationItem, { keyId, name }: Principal) {
  const { id, version, updatedAt: at, definition } = item;
  const put: VersionItem = { ...keys.automationVersion(id, version), version, at, keyId, keyName: name, definition };
  const tooOld = version - keptVersions;
  return [{ put: { ...put } }, ...(tooOld > 0 ? [{ delete: keys.automationVersion(id, tooOld) }] : [])];
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

/** Removes the versions of an automation that was deleted. */
export async function removeVersions(table: Table, id: string): Promise<void> {
  const items = await table.queryAll<VersionItem>({ pk: keys.automationVersions(id) });
  await Promise.all(items.map(({ pk, sk }) => table.delete({ pk, sk })));
}

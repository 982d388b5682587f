import { keys } from '../../store/items.ts';
import type { Key, Table } from '../../store/table.ts';
import { listAutomations } from '../automations.ts';

/** A recipe that was installed under a name. Times are ISO 8601. */
export interface Installed {
  name: string;
  /** The name of the recipe. */
  recipe: string;
  /** The values of its inputs, defaults included. No input of a recipe is a secret. */
  inputs: Record<string, unknown>;
  /** The names of the hooks and automations that it consists of. */
  hooks: string[];
  automations: string[];
  installedAt: string;
  updatedAt: string;
}

/** `inputs` is JSON, because the table cannot store every value. */
type InstallationItem = Key & Omit<Installed, 'inputs'> & { inputs: string };

/** Records what a recipe was installed with, or is installed with now. */
export async function recordInstallation(
  { table, clock }: { table: Table; clock: { now(): number } },
  installed: Omit<Installed, 'installedAt' | 'updatedAt'>,
): Promise<void> {
  const { name, recipe, inputs, hooks, automations } = installed;
  await table.update(
    keys.recipeInstallation(name),
    `SET #name = :name, #recipe = :recipe, #inputs = :inputs, #hooks = :hooks, #automations = :automations,
      #updatedAt = :now, #installedAt = if_not_exists(#installedAt, :now)`,
    { name, recipe, inputs: JSON.stringify(inputs), hooks, automations, now: new Date(clock.now()).toISOString() },
  );
}

/** The installed recipes by name. One whose automations have all been deleted is no longer installed. */
export async function listInstallations(table: Table): Promise<Installed[]> {
  const [items, automations] = await Promise.all([
    table.queryAll<InstallationItem>({ pk: keys.recipeInstallations(), consistent: true }),
    listAutomations(table),
  ]);
  const existing = new Set(automations.map(({ name }) => name));
  return items
    .filter((item) => item.automations.some((name) => existing.has(name)))
    .map(({ pk: _, sk: __, inputs, ...item }) => ({ ...item, inputs: JSON.parse(inputs) as Installed['inputs'] }))
    .sort((one, other) => (one.name < other.name ? -1 : 1));
}

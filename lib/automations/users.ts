import type { HookItem } from '../hooks/hooks.ts';
import { keys } from '../store/items.ts';
import type { Table } from '../store/table.ts';
import { listSubscriptions } from '../subscriptions/subscriptions.ts';
import { type AutomationItem, definitionOf, listAutomations } from './automations.ts';

/** Describes what uses a connection: `automation "Alarm opened"`, `hook "Panel"`. */
export async function connectionUsers(table: Table, vendor: string, name: string): Promise<string[]> {
  const hooks = await table.queryAll<HookItem>({ pk: keys.hooks(), consistent: true });
  const automations = await automationsThat(
    table,
    (part) =>
      (typeof part.call === 'string' && part.call.startsWith(`${vendor}/${name}/`)) ||
      part.connection === `${vendor}/${name}` ||
      (part.connection === name && typeof part.event === 'string' && mayComeFrom(vendor, part.event)),
  );
  const subscriptions = (await listSubscriptions(table)).filter(
    ({ connection, types }) =>
      connection === `${vendor}/${name}` || (connection === name && types.some((type) => mayComeFrom(vendor, type))),
  );
  return [
    ...automations,
    ...hooks
      .filter(({ verify }) => 'connection' in verify && verify.vendor === vendor && verify.connection === name)
      .map((hook) => `hook ${JSON.stringify(hook.name)}`),
    ...subscriptions.map(({ id }) => `subscription ${id}`),
  ];
}

/** Describes what uses a hook, in the same form. */
export async function hookUsers(table: Table, id: string): Promise<string[]> {
  const subscriptions = (await listSubscriptions(table)).filter(({ connection }) => connection === id);
  return [
    ...(await automationsThat(table, (part) => part.hook === id || part.connection === id)),
    ...subscriptions.map((subscription) => `subscription ${subscription.id}`),
  ];
}

async function automationsThat(table: Table, uses: (part: Record<string, unknown>) => boolean): Promise<string[]> {
  const using = (await listAutomations(table)).filter((item) => partsOf(item).some(uses));
  return using.map(({ name }) => `automation ${JSON.stringify(name)}`);
}

/** Every object of a definition except the inputs of calls, whose fields are the vendor's. */
function partsOf(item: AutomationItem): Record<string, unknown>[] {
  const { when, do: steps } = definitionOf(item);
  const parts: Record<string, unknown>[] = [];
  const collect = (value: unknown): void => {
    if (typeof value !== 'object' || value === null) return;
    if (!Array.isArray(value)) parts.push({ ...value });
    for (const [key, member] of Object.entries(value)) if (key !== 'input') collect(member);
  };
  collect([when, steps]);
  return parts;
}

function mayComeFrom(vendor: string, type: string): boolean {
  const [family] = type.split('.');
  return family === vendor || family === '*' || family === 'trunkline';
}

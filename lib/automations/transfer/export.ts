import { mayRead } from '../../api/scopes.ts';
import type { Connections } from '../../connections/connections.ts';
import { GatewayError } from '../../core/errors.ts';
import { defined } from '../../core/record.ts';
import type { Hooks } from '../../hooks/hooks.ts';
import { writtenHook } from '../../hooks/records.ts';
import type { Table } from '../../store/table.ts';
import { listSubscriptions, type SubscriptionItem } from '../../subscriptions/subscriptions.ts';
import { definitionOf, listAutomations } from '../automations.ts';
import { listInstallations } from '../recipes/installations.ts';
import { withHookNames } from './references.ts';

export interface ExportServices {
  table: Table;
  connections: Connections;
  hooks: Hooks;
}

export type Document = Record<string, unknown>;

/** An installation without secrets, ids and times: each list sorted by name, so that two exports differ only in what differs. */
export interface Installation {
  version: 1;
  connections: Document[];
  hooks: Document[];
  automations: Document[];
  /** Installed recipes. Their hooks and automations are in the lists above, as they are now. */
  recipes: Document[];
  subscriptions: Document[];
}

/** A response of Lambda has at most 6 MB. */
const maxBytes = 5_500_000;

/** Everything that a key may see of an installation, in the form that `importInstallation` takes. */
export async function exportInstallation(
  { table, connections, hooks }: ExportServices,
  vendorNames: readonly string[],
  scopes: readonly string[],
): Promise<Installation> {
  const [accounts, everyHook, automations, installations, subscriptions] = await Promise.all([
    Promise.all(vendorNames.map((vendor) => connections.list(vendor))),
    hooks.list(),
    listAutomations(table),
    listInstallations(table),
    listSubscriptions(table),
  ]);
  const names = new Map(everyHook.map(({ id, name }) => [id, name]));
  const named = <T>(definition: T) => withHookNames(definition, (id) => names.get(id));
  const whole: Installation = {
    version: 1,
    connections: accounts
      .flat()
      .filter(({ vendor, name }) => mayRead(scopes, vendor, name))
      .map(({ vendor, name, settings }) => ({ vendor, name, settings: { ...settings } }))
      .sort(by(connectionName)),
    hooks: everyHook.map(writtenHook).sort(by(({ name }) => name)),
    automations: automations
      .map((item): Document & { name: string } => ({ ...named(definitionOf(item)), enabled: item.enabled }))
      .sort(by(({ name }) => name)),
    recipes: installations.map(({ recipe, name, inputs }) => ({ recipe, name, inputs })),
    subscriptions: subscriptions.map((item) => named(writtenSubscription(item))).sort(by(subscriptionName)),
  };
  const bytes = Buffer.byteLength(JSON.stringify(whole));
  if (bytes <= maxBytes) return whole;
  throw new GatewayError(
    'payload_too_large',
    `The installation has ${bytes} bytes, and an answer at most ${maxBytes}. List /v1/automations, /v1/hooks, /v1/connections and /v1/subscriptions instead.`,
  );
}

/** The name by which an imported connection finds the existing one. */
export function connectionName({ vendor, name }: Document): string {
  return `${String(vendor)}/${String(name)}`;
}

/** The same for a subscription, which has no name of its own. */
export function subscriptionName({ url, types, connection }: Document): string {
  const where = connection === undefined ? '' : ` ${String(connection)}`;
  return `${String(url)} ${[types].flat().map(String).sort().join(' ')}${where}`;
}

function writtenSubscription({ url, types, connection, filter, description, state }: SubscriptionItem): Document {
  return {
    url,
    types,
    ...defined({ connection, filter, description }),
    enabled: state === 'active',
  };
}

function by<T>(nameOf: (item: T) => string): (one: T, other: T) => number {
  return (one, other) => (nameOf(one) < nameOf(other) ? -1 : 1);
}

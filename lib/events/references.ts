import type { Connections } from '../connections/connections.ts';
import { GatewayError } from '../core/errors.ts';
import { didYouMean } from '../core/nearest.ts';
import { keys } from '../store/items.ts';
import type { Table } from '../store/table.ts';
import { isKnownPattern, type KnownEventType } from './event-types.ts';
import { matchesType } from './list.ts';
import { hookPrefix, type OwnEventType } from './own-event-types.ts';

const hookType: OwnEventType = 'trunkline.hook.received';

/** Explains in a sentence why an event type or a pattern (`talk.*`) can match no event; undefined when it can. */
export function typeProblem(types: readonly KnownEventType[], pattern: string): string | undefined {
  if (isKnownPattern(types, pattern)) return undefined;
  const names = types.map(({ type }) => type);
  return `is not an event type.${didYouMean(pattern, names)} GET /v1/event-types lists them`;
}

export interface ReferenceServices {
  connections: Connections;
  table: Table;
  vendorNames: readonly string[];
}

/**
 * Explains in a sentence why a connection (`dispatch`, `proptt2/dispatch`) or hook id can have no event of the types; undefined
 * when it can. `mayRead` hides connections that the caller may not know about.
 */
export async function connectionProblem(
  services: ReferenceServices,
  wanted: string,
  types: readonly string[],
  mayRead: (vendor: string, connection: string) => boolean = () => true,
): Promise<string | undefined> {
  const matching = matchingConnections(services, wanted, types).filter(({ vendor, connection }) =>
    mayRead(vendor, connection),
  );
  const found = await Promise.all(
    matching.map(({ vendor, connection }) => services.connections.find(vendor, connection).then(() => true, isMissing)),
  );
  if (found.includes(true)) return undefined;
  const asHook = wanted.startsWith(hookPrefix) && types.some((pattern) => matchesType(pattern, hookType));
  if (asHook && (await services.table.get(keys.hook(wanted), true))) return undefined;
  const names = await namesOf(services, types, mayRead);
  return `is neither a connection nor a hook that can have such events.${didYouMean(wanted, names)}`;
}

/** The connections that `name` or `vendor/name` may refer to, given the requested types. */
function matchingConnections(
  { vendorNames }: ReferenceServices,
  wanted: string,
  types: readonly string[],
): { vendor: string; connection: string }[] {
  const [first = '', second] = wanted.split('/');
  return vendorsOf(vendorNames, types)
    .filter((vendor) => second === undefined || first === vendor)
    .map((vendor) => ({ vendor, connection: second ?? first }));
}

/** Trunkline's own events can be about a connection of any vendor. */
function vendorsOf(vendorNames: readonly string[], types: readonly string[]): readonly string[] {
  const families = new Set(types.filter((type) => type !== hookType).map((type) => type.split('.')[0] ?? '*'));
  if (families.has('*') || families.has('trunkline')) return vendorNames;
  return vendorNames.filter((vendor) => families.has(vendor));
}

async function namesOf(
  { connections, vendorNames }: ReferenceServices,
  types: readonly string[],
  mayRead: (vendor: string, connection: string) => boolean,
): Promise<string[]> {
  const lists = await Promise.all(vendorsOf(vendorNames, types).map((vendor) => connections.list(vendor)));
  return lists.flat().flatMap(({ vendor, name }) => (mayRead(vendor, name) ? [name] : []));
}

function isMissing(error: unknown): false {
  if (error instanceof GatewayError && error.code === 'not_found') return false;
  throw error;
}

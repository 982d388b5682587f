import type { Principal } from '../../api/keys/key-check.ts';
import { GatewayError } from '../../core/errors.ts';
import type { EventCatalogue } from '../../core/vendor.ts';
import { shownEvent } from '../../events/log.ts';
import { type AdmissionServices, admit } from '../admission.ts';
import { type AutomationItem, definitionOf } from '../automations.ts';
import { type Definition, isCall, target } from '../definition.ts';
import { raisesAlarm } from '../raises-alarm.ts';
import type { AutomationServices } from '../runs/run-context.ts';
import { startRun } from '../runs/runs.ts';
import { everyStep } from '../steps.ts';
import { readableEvent, sampleEvent } from './rehearse.ts';
import type { DrillInput } from './schemas.ts';

/** The connection that stands in for every account of a vendor, unless the request names another. */
const standIn = 'demo';
const loopback = /^(localhost|127(\.\d{1,3}){3}|\[::1\])$/;
/** Fields whose values are data of vendors or of expressions. */
const opaque: ReadonlySet<string> = new Set(['input', 'set', 'value', 'expect']);

/**
 * Starts a run of an automation in which every connection is replaced by one to a simulated vendor: all of its calls are really
 * made, but only to this machine. It has a separate memory, holds no dedupe key, and reports no failure. Returns its id. Throws
 * `conflict` where there is no stand-in.
 */
export async function startDrill(
  services: AutomationServices & AdmissionServices,
  vendors: EventCatalogue,
  item: AutomationItem,
  input: DrillInput,
  caller: { principal: Principal; requestId: string },
): Promise<{ id: string; connections: Record<string, string> }> {
  const { principal, requestId } = caller;
  const definition = definitionOf(item);
  const connections: Record<string, string> = {};
  for (const account of accountsOf(definition))
    connections[account] = await standInFor(services, vendors, account, input.connections?.[account]);
  const mapped = withConnections(definition, connections);
  const now = services.clock.now();
  await admit(services, vendors, mapped, principal, { now, pastMoments: true, alongside: startedBy(mapped) });
  if (startedBy(mapped).length > 0)
    throw new GatewayError(
      'conflict',
      'This automation starts others, whose connections are real. Drill each of them instead.',
    );
  const stored = input.eventId === undefined ? undefined : await readableEvent(services, input.eventId, principal);
  const event = stored ? await shownEvent(services.files, stored) : sampleEvent(vendors, item, input.event ?? {}, now);
  const id = await startRun(services, {
    owner: `drill${item.id}`,
    name: `Drill: ${item.name}`,
    definition: {
      do: mapped.do,
      ...(mapped.if !== undefined && { if: mapped.if }),
      ...(mapped.cancelOn && { cancelOn: mapped.cancelOn }),
    },
    scopes: principal.scopes,
    keyId: principal.keyId,
    cause: `drill ${requestId}`,
    createdAt: now,
    event,
    isDrill: true,
    alarm: raisesAlarm(vendors, mapped),
  });
  return { id, connections };
}

/** Every `vendor/connection` that an automation calls. */
function accountsOf({ do: steps }: Definition): Set<string> {
  const calls = everyStep(steps).flatMap(({ step }) => (isCall(step) ? [step, ...(step.undo ? [step.undo] : [])] : []));
  return new Set(
    calls.map((call) => {
      const { vendor, connection } = target(call);
      return `${vendor}/${connection}`;
    }),
  );
}

function startedBy({ do: steps }: Definition): string[] {
  return everyStep(steps).flatMap(({ step }) => ('start' in step ? [step.start] : []));
}

/** The name of a connection to a simulated vendor: one whose every address is on this machine. */
async function standInFor(
  { connections }: AutomationServices,
  vendors: EventCatalogue,
  account: string,
  name = standIn,
): Promise<string> {
  const [vendorName = ''] = account.split('/');
  const vendor = Object.hasOwn(vendors, vendorName) ? vendors[vendorName] : undefined;
  const found = vendor && (await connections.find(vendor.name, name).catch(() => undefined));
  const addresses = found ? vendor.connection.addresses(found.settings) : [];
  if (addresses.length > 0 && addresses.every((address) => loopback.test(new URL(address).hostname))) return name;
  throw new GatewayError(
    'conflict',
    `${account} has no stand-in: there is no connection ${vendorName}/${name} to a simulated vendor on this machine. Start them with \`npm run sandbox\`, create a connection to them, and name it in \`connections\`.`,
  );
}

/** The same definition with other connections, in calls and in the events that it waits for. */
function withConnections<T>(value: T, connections: Readonly<Record<string, string>>): T {
  const names = new Map(Object.entries(connections).map(([account, name]) => [account.split('/')[1], name]));
  const replaced = <Part>(part: Part): Part => {
    if (typeof part !== 'object' || part === null) return part;
    if (Array.isArray(part)) return part.map(replaced) as Part;
    const members = Object.entries(part).map(([field, member]: [string, unknown]) => {
      if (field === 'call' && typeof member === 'string') {
        const { vendor, connection, operation } = target({ call: member });
        return [field, `${vendor}/${connections[`${vendor}/${connection}`] ?? connection}/${operation}`];
      }
      if (field === 'connection' && typeof member === 'string') {
        const [first = '', second] = member.split('/');
        if (second === undefined) return [field, names.get(first) ?? first];
        return [field, `${first}/${connections[member] ?? second}`];
      }
      return [field, opaque.has(field) ? member : replaced(member)];
    });
    // Only texts were replaced by texts.
    return Object.fromEntries(members) as Part;
  };
  return replaced(value);
}

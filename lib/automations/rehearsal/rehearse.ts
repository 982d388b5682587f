import { randomUUID } from 'node:crypto';
import type { Principal } from '../../api/keys/key-check.ts';
import { within } from '../../api/scopes.ts';
import { GatewayError, refusedField } from '../../core/errors.ts';
import type { TrunklineEvent } from '../../core/event-type.ts';
import type { EventCatalogue } from '../../core/vendor.ts';
import { eventTypesOf } from '../../events/event-types.ts';
import { type EventItem, findEvent, shownEvent } from '../../events/log.ts';
import { ownEventTypes } from '../../events/own-event-types.ts';
import { mayReadEvent } from '../../events/reading.ts';
import { keys } from '../../store/items.ts';
import { type AutomationItem, definitionOf, isTriggeredBy, startOne } from '../automations.ts';
import { type Definition, isCall, triggersOf } from '../definition.ts';
import { raisesAlarm } from '../raises-alarm.ts';
import type { AutomationServices } from '../runs/run-context.ts';
import { everyStep } from '../steps.ts';
import { RehearsalEngine } from './rehearsal-engine.ts';
import type { Rehearsal, RehearsalInput } from './schemas.ts';
import { showRehearsed, showUndo, unsavedId } from './shown-run.ts';

/**
 * The run that an event would start, carried out by the engine without side effects: no vendor is called unless `reads`
 * says so, nothing is stored, and waits take no time.
 */
export async function rehearse(
  services: AutomationServices,
  vendors: EventCatalogue,
  item: AutomationItem,
  input: RehearsalInput,
  caller: { principal: Principal; signal: AbortSignal },
): Promise<Rehearsal> {
  const definition = definitionOf(item);
  if (input.event && input.eventId !== undefined) throw refusedField('/eventId', 'cannot be combined with event');
  const stored =
    input.eventId === undefined ? undefined : await readableEvent(services, input.eventId, caller.principal);
  const now = stored?.appendedAt ?? services.clock.now();
  const event = stored ? await shownEvent(services.files, stored) : sampleEvent(vendors, item, input.event ?? {}, now);
  const engine = new RehearsalEngine(services, vendors, {
    now,
    owner: item.id,
    principal: caller.principal,
    signal: caller.signal,
    ...(input.reads !== undefined && { reads: input.reads }),
    ...(input.outputs && { outputs: input.outputs }),
    hidden: hiddenFor(item, caller.principal, stored !== undefined),
  });
  let runId: string | undefined;
  const start = async () => {
    runId = await startOne(engine.services, item, {
      cause: `rehearsal ${randomUUID()}`,
      createdAt: now,
      isUnsaved: true,
      ...(stored ? { eventId: stored.id } : { event }),
      ...otherOutputs(definition, input.outputs),
    });
  };
  await engine.run([{ at: now, start }]);
  if (runId === undefined) throw new GatewayError('unavailable', 'The rehearsal could not start. Try again.');
  const others = engine.runIds.filter((id) => id !== runId);
  const isStarted =
    stored === undefined || isTriggeredBy({ ...item, createdAt: '1970', updatedAt: '1970' }, stored, now);
  return {
    ...(await showRehearsed(engine, vendors, runId)),
    complete: engine.isComplete,
    ...(!isStarted && { problem: 'Its `when` does not match this event, so the event starts no run.' }),
    event: { ...event },
    undo: await showUndo(engine, vendors, runId),
    started: await Promise.all(others.map((id) => showRehearsed(engine, vendors, id))),
  };
}

/** An automation that is not stored, with the rights of the caller. */
export function unsavedAutomation(
  vendors: EventCatalogue,
  definition: Definition,
  principal: Principal,
): AutomationItem {
  return {
    ...keys.automation(unsavedId),
    id: unsavedId,
    name: definition.name,
    enabled: true,
    definition: JSON.stringify(definition),
    scopes: [...principal.scopes],
    creator: principal.keyId,
    anchor: 0,
    createdAt: new Date(0).toISOString(),
    updatedAt: new Date(0).toISOString(),
    version: 1,
    alarm: raisesAlarm(vendors, definition),
  };
}

/**
 * What a rehearsal must not see: at the time of a past event, the runs of that time; and for a key with fewer rights than the
 * automation, what the automation remembers.
 */
export function hiddenFor(item: AutomationItem, principal: Principal, isPast: boolean): (pk: string) => boolean {
  const seesMemory = item.scopes.every((scope) => within(scope, principal.scopes));
  return (pk) =>
    (isPast && (pk.startsWith(`dedupe#${item.id}#`) || pk === keys.flood(item.id, 0).pk)) ||
    (!seesMemory && pk.startsWith('memo#'));
}

/** A stored event that a key may see. */
export async function readableEvent(
  services: AutomationServices,
  id: string,
  { scopes }: Principal,
): Promise<EventItem> {
  const item = await findEvent(services, id);
  if (item && mayReadEvent(scopes, item)) return item;
  throw refusedField('/eventId', 'names no event that this key may see. Events are kept 30 days');
}

/** Outputs for steps that are not calls. The overrides supply those of calls, whose inputs are rendered all the same. */
export function otherOutputs({ do: steps }: Definition, outputs: Record<string, unknown> = {}) {
  const calls = new Set(everyStep(steps).flatMap(({ step, name }) => (isCall(step) ? [name] : [])));
  const names = new Set(everyStep(steps).map(({ name }) => name));
  const unknown = Object.keys(outputs).find((name) => !names.has(name));
  if (unknown !== undefined)
    throw refusedField(`/outputs/${unknown}`, `names no step; there are ${[...names].join(', ')}`);
  return { outputs: Object.fromEntries(Object.entries(outputs).filter(([name]) => !calls.has(name))) };
}

/** A sample of what starts an automation, with what is given of it. */
export function sampleEvent(
  vendors: EventCatalogue,
  item: AutomationItem,
  given: Record<string, unknown>,
  now: number,
): TrunklineEvent {
  const [when] = triggersOf(definitionOf(item));
  const timestamp = new Date(now).toISOString();
  const own = { vendor: 'trunkline', connection: item.id, timestamp, id: `sample-${item.id}` };
  if (!when || 'schedule' in when)
    return { ...own, type: 'trunkline.schedule.fired', data: { automationId: item.id, dueAt: timestamp }, ...given };
  if ('hook' in when) {
    const data = { ...ownEventTypes['trunkline.hook.received'].sample, hookId: when.hook, body: {} };
    return { ...own, type: 'trunkline.hook.received', connection: when.hook, data, ...given };
  }
  const known = eventTypesOf(vendors).find(({ type }) => type === (given.type ?? when.event));
  return {
    ...own,
    type: when.event,
    data: {},
    ...(known && { vendor: known.vendor, data: { ...known.sample } }),
    ...(when.connection !== undefined && { connection: when.connection.split('/').at(-1) ?? '' }),
    ...given,
  };
}

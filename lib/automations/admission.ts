import type { Principal } from '../api/keys/key-check.ts';
import { controlNeed, covers, operationNeed, within } from '../api/scopes.ts';
import type { Connections } from '../connections/connections.ts';
import { noOperation, operationOf } from '../connections/invoke.ts';
import { type ErrorCode, type FieldError, refusedInput } from '../core/errors.ts';
import { didYouMean } from '../core/nearest.ts';
import { inputErrors, schemasOf } from '../core/operation.ts';
import { isSealed } from '../core/sealed-text.ts';
import type { EventCatalogue } from '../core/vendor.ts';
import { eventTypesOf } from '../events/event-types.ts';
import { matchesType } from '../events/list.ts';
import { mayReadType, scopeToRead } from '../events/reading.ts';
import { connectionProblem, typeProblem } from '../events/references.ts';
import { inspect } from '../expressions/expression.ts';
import { hasExpression } from '../expressions/template.ts';
import type { Table } from '../store/table.ts';
import { listAutomations } from './automations.ts';
import {
  type Awaited,
  awaitedBy,
  type CallStep,
  cancelledBy,
  type Definition,
  isCall,
  isWaitFor,
  nameOf,
  type Trigger,
  target,
  triggersOf,
  unlessOf,
} from './definition.ts';
import { maxOperations, operationsOf, operationsOfStep, operationsPerItem } from './runs/durable-operations.ts';
import { scheduleProblem } from './schedule.ts';
import { everyStep } from './steps.ts';

export interface AdmissionServices {
  connections: Connections;
  table: Table;
  vendorNames: readonly string[];
  /** The existing hooks. */
  listHooks(): Promise<{ id: string; name: string; verify: { vendor?: string | undefined; connection?: string } }[]>;
}

export interface AdmissionOptions {
  /** Epoch milliseconds; a scheduled time before it is rejected. */
  now: number;
  /** Accepts a time in the past: what is already stored remains valid. */
  pastMoments?: boolean;
  /** The names of automations that are stored together with this one, which may start them. */
  alongside?: readonly string[];
}

/** The maximum duration of a run, in seconds: Lambda's limit for a durable execution, less an hour for the steps themselves. */
const longestRunSeconds = 31 * 86_400 - 3_600;

/** The event of a run that another automation started; an automation may be created for such runs alone. */
const startedType = 'trunkline.automation.started';

interface Check {
  services: AdmissionServices;
  vendors: EventCatalogue;
  maker: Principal;
  errors: FieldError[];
  refuse(pointer: string, message: string): void;
}

/**
 * Checks that an automation can run: every expression compiles and refers to existing steps and functions, every call names an
 * operation and a connection and fits its schema, every event type and hook exists, the schedule fires, and its creator's key
 * covers all of it. Throws `invalid_input` or `forbidden` with every problem.
 */
export async function admit(
  services: AdmissionServices,
  vendors: EventCatalogue,
  definition: Definition,
  maker: Principal,
  options: AdmissionOptions,
): Promise<void> {
  const errors: FieldError[] = [];
  const refuse = (pointer: string, message: string) => errors.push({ pointer, message });
  const check: Check = { services, vendors, maker, errors, refuse };

  const names = checkNames(definition, check);
  await checkExpressions(definition, names, check);
  for (const { step, pointer } of everyStep(definition.do)) {
    if (isCall(step)) {
      await checkCall(step, pointer, check);
      if (step.undo) await checkCall(step.undo, `${pointer}/undo`, check);
    }
    if ('start' in step) await checkStart(step.start, `${pointer}/start`, definition, check, options);
    checkAfter(step.after ?? [], names, `${pointer}/after`, check);
    for (const { pointer: below, ...awaited } of isWaitFor(step) ? awaitedBy(step) : unlessOf(step))
      await checkAwaited(awaited, `${pointer}${below}`, check);
  }
  for (const { pointer, ...awaited } of cancelledBy(definition)) await checkAwaited(awaited, pointer, check);
  const isList = Array.isArray(definition.when);
  for (const [at, trigger] of triggersOf(definition).entries())
    await checkTrigger(trigger, isList ? `/when/${at}` : '/when', check, options);
  checkDuration(definition, check);
  checkOperations(definition, check);

  if (errors.length > 0) throw refusedInput(errors, 'The automation', codeOf(errors));
}

function codeOf(errors: readonly FieldError[]): ErrorCode {
  return errors.some((error) => error.message.startsWith('needs the scope')) ? 'forbidden' : 'invalid_input';
}

/** The names of all steps; duplicate names are rejected. */
function checkNames(definition: Definition, { refuse }: Check): Set<string> {
  const names = new Set<string>();
  for (const { step, pointer, at } of everyStep(definition.do)) {
    const name = nameOf(step, at);
    if (names.has(name)) refuse(`${pointer}/name`, `is used twice: ${name}`);
    names.add(name);
  }
  return names;
}

async function checkExpressions(definition: Definition, names: ReadonlySet<string>, { refuse }: Check): Promise<void> {
  const { problems, steps } = await inspect(definition);
  for (const { pointer, message, position } of problems) {
    const place = position === undefined ? '' : ` (at character ${position})`;
    refuse(pointer, `is not a valid expression: ${message}${place}`);
  }
  for (const { pointer, name } of steps) {
    if (!names.has(name)) refuse(pointer, `refers to steps.${name}, which does not exist.${didYouMean(name, names)}`);
  }
}

async function checkCall(
  step: Pick<CallStep, 'call' | 'input'>,
  pointer: string,
  { services, vendors, maker, refuse }: Check,
): Promise<void> {
  const { vendor: vendorName, connection, operation: name } = target(step);
  const at = `${pointer}/call`;
  const vendor = Object.hasOwn(vendors, vendorName) ? vendors[vendorName as keyof EventCatalogue] : undefined;
  if (!vendor) return refuse(at, `names no vendor; there are ${Object.keys(vendors).join(', ')}`);
  if (!Object.hasOwn(vendor.operations, name)) return refuse(at, noOperation(vendor, name));
  const operation = operationOf(vendor, name);
  if (!covers(maker.scopes, operationNeed(vendorName, connection, name, operation.effect)))
    return refuse(at, `needs the scope ${vendorName}/${connection}/${name}, which your key lacks`);
  const found = await services.connections.find(vendor.name, connection).catch(() => undefined);
  if (!found) {
    const others = (await services.connections.list(vendor.name)).map((each) => each.name);
    return refuse(
      at,
      `names a ${vendor.title} connection that does not exist: ${connection}.${didYouMean(connection, others)}`,
    );
  }
  const input = step.input ?? {};
  // The result of an expression is known only at run time; every other field is checked as in a direct call.
  // So is a value that was sealed when it was stored.
  const open = Object.keys(input).filter((field) => hasExpression(input[field]) || isSealed(input[field]));
  for (const error of inputErrors(schemasOf(operation).input, input)) {
    const [, field = ''] = error.pointer.split('/');
    if (open.includes(field) || (error.pointer === '' && open.length > 0)) continue;
    refuse(`${pointer}/input${error.pointer}`, error.message);
  }
}

/** A run must find the automation that it starts, and have its rights. */
async function checkStart(
  idOrName: string,
  pointer: string,
  { name }: Definition,
  { services, maker, refuse }: Check,
  { alongside = [] }: AdmissionOptions,
): Promise<void> {
  if (idOrName === name || alongside.includes(idOrName)) return;
  const all = await listAutomations(services.table);
  const item = all.find(({ id }) => id === idOrName) ?? all.find((each) => each.name === idOrName);
  if (!item) {
    const names = all.map((each) => each.name);
    return refuse(pointer, `names no automation: ${idOrName}.${didYouMean(idOrName, names)}`);
  }
  if (!item.scopes.every((scope) => within(scope, maker.scopes)))
    refuse(pointer, `names an automation that has more scopes than your key: ${item.name}`);
}

async function checkAwaited({ event, connection }: Awaited, pointer: string, check: Check): Promise<void> {
  if (event.includes('*')) check.refuse(`${pointer}/event`, 'must be one type, without a wildcard');
  else await checkEvent(event, connection, pointer, check);
}

function checkAfter(after: readonly string[], names: ReadonlySet<string>, pointer: string, { refuse }: Check): void {
  for (const [at, name] of after.entries())
    if (!names.has(name)) refuse(`${pointer}/${at}`, `names no step: ${name}.${didYouMean(name, names)}`);
}

async function checkTrigger(when: Trigger, pointer: string, check: Check, options: AdmissionOptions): Promise<void> {
  const { services, vendors, maker, refuse } = check;
  if ('hook' in when) {
    const hooks = await services.listHooks();
    const hook = hooks.find(({ id }) => id === when.hook);
    const pushed = hook?.verify.vendor === undefined ? undefined : pushedTypes(vendors, hook.verify.vendor);
    if (!hook) {
      const named = hooks.find(({ name }) => name === when.hook);
      const near = named ? ` Did you mean ${named.id}?` : ' Create it with POST /v1/hooks';
      refuse(`${pointer}/hook`, `is not the id of a hook.${near}`);
    } else if (!covers(maker.scopes, controlNeed('hooks', false)))
      refuse(`${pointer}/hook`, 'needs the scope trunkline/hooks/read, which your key lacks');
    else if (pushed?.every((type) => !mayReadType(maker.scopes, type, hook.verify.connection))) {
      const [first] = pushed;
      const needed = first ? scopeToRead(first, hook.verify.connection) : '';
      refuse(`${pointer}/hook`, `needs the scope ${needed}, which your key lacks`);
    }
  }
  if ('event' in when && when.event !== startedType) await checkEvent(when.event, when.connection, pointer, check);
  if ('schedule' in when) {
    const problem = scheduleProblem(when, options.now);
    const passed = problem?.pointer.endsWith('/at') && options.pastMoments;
    if (problem && !passed) refuse(`${pointer}${problem.pointer}`, problem.message);
  }
}

/** The event types that a vendor's pushes to a hook may contain. */
function pushedTypes(vendors: EventCatalogue, vendor: string) {
  return eventTypesOf(vendors).filter((type) => type.vendor === vendor);
}

async function checkEvent(
  type: string,
  connection: string | undefined,
  at: string,
  { services, vendors, maker, refuse }: Check,
): Promise<void> {
  const unknown = typeProblem(eventTypesOf(vendors), type);
  if (unknown !== undefined) return refuse(`${at}/event`, unknown);
  const matched = eventTypesOf(vendors).filter((each) => matchesType(type, each.type));
  const [first] = matched;
  // Of a pattern, the automation gets the part that its creator may read.
  if (first && !matched.some((each) => mayReadType(maker.scopes, each, connection)))
    return refuse(at, `needs the scope ${scopeToRead(first, connection)}, which your key lacks`);
  const problem = connection === undefined ? undefined : await connectionProblem(services, connection, [type]);
  if (problem !== undefined) refuse(`${at}/connection`, problem);
}

/** Waits that together exceed the lifetime of a durable execution would lose the steps after them. */
function checkDuration(definition: Definition, { refuse }: Check): void {
  let seconds = 0;
  for (const { step, pointer } of everyStep(definition.do)) {
    if ('wait' in step) seconds += step.wait.seconds;
    if (isWaitFor(step)) seconds += step.waitFor.seconds;
    if (seconds > longestRunSeconds) {
      refuse(pointer, 'makes the waits longer than a run may take, which is 31 days together');
      return;
    }
  }
}

/** A run is one durable execution, whose operations are limited. How long its lists may be is decided when they are known. */
function checkOperations(definition: Definition, { refuse }: Check): void {
  const placed = everyStep(definition.do);
  const total = operationsOf(definition) + placed.reduce((sum, each) => sum + operationsPerItem(each), 0);
  if (total <= maxOperations) return;
  const [largest] = placed.toSorted((one, other) => operationsOfStep(other) - operationsOfStep(one));
  refuse(
    largest?.pointer ?? '/do',
    `makes the run take up to ${total} operations, and it may have ${maxOperations}: lower \`max\`, or start another automation`,
  );
}

import type { Principal } from '../api/key-check.ts';
import { controlNeed, covers, mayRead, operationNeed } from '../api/scopes.ts';
import type { Connections } from '../connections/connections.ts';
import { operationOf } from '../connections/invoke.ts';
import { type FieldError, GatewayError } from '../core/errors.ts';
import { schemasOf } from '../core/operation.ts';
import type { Catalogue } from '../core/vendor.ts';
import { validate } from '../expressions/expression.ts';
import { hasExpression } from '../expressions/template.ts';
import { awaitedBy, type CallStep, type Definition, isCall, isWaitFor, nameOf, target } from './definition.ts';
import { scheduleProblem } from './schedule.ts';

export interface AdmissionServices {
  connections: Connections;
  /** Whether a hook exists. */
  hookExists(id: string): Promise<boolean>;
}

/**
 * Holds an automation against what there is and what its creator's key may do: every expression compiles, every call names an
 * operation of a connection and is covered by the key, every input without an expression fits its schema.
 */
export async function admit(
  services: AdmissionServices,
  vendors: Catalogue,
  definition: Definition,
  maker: Principal,
): Promise<void> {
  const errors: FieldError[] = [];
  const refuse = (pointer: string, message: string) => errors.push({ pointer, message });
  for (const problem of await validate(definition))
    refuse(problem.pointer, `is no valid expression: ${problem.message}`);

  const names = new Set<string>();
  for (const [at, step] of definition.do.entries()) {
    const name = nameOf(step, at);
    if (names.has(name)) refuse(`/do/${at}/name`, `is used twice: ${name}`);
    names.add(name);
    if (isCall(step)) await checkCall(services, vendors, step, `/do/${at}`, maker, refuse);
    for (const { event, connection, pointer } of isWaitFor(step) ? awaitedBy(step) : []) {
      if (event.includes('*')) refuse(`/do/${at}${pointer}/event`, 'must be one type, without a wildcard');
      checkEvent(event, connection, `/do/${at}${pointer}`, maker, refuse);
    }
  }
  const { when } = definition;
  if ('hook' in when) {
    if (!(await services.hookExists(when.hook))) refuse('/when/hook', 'is no hook; create it with POST /v1/hooks');
    else if (!covers(maker.scopes, controlNeed('hooks', false)))
      refuse('/when/hook', 'needs the scope trunkline/hooks/read, which your key lacks');
  }
  if ('event' in when) checkEvent(when.event, when.connection, '/when', maker, refuse);
  if ('schedule' in when) {
    const problem = scheduleProblem(when);
    if (problem !== undefined) refuse('/when/schedule', problem);
  }
  const [first] = errors;
  if (!first) return;
  const scope = errors.some((error) => error.message.startsWith('needs the scope'));
  throw new GatewayError(
    scope ? 'forbidden' : 'invalid_input',
    `The automation was refused: ${first.pointer} ${first.message}`,
    { errors },
  );
}

async function checkCall(
  services: AdmissionServices,
  vendors: Catalogue,
  step: CallStep,
  at: string,
  maker: Principal,
  refuse: (pointer: string, message: string) => void,
): Promise<void> {
  const { vendor: vendorName, connection, operation: name } = target(step);
  const vendor = Object.hasOwn(vendors, vendorName) ? vendors[vendorName as keyof Catalogue] : undefined;
  if (!vendor) return refuse(`${at}/call`, `names no vendor; there are ${Object.keys(vendors).join(', ')}`);
  if (!Object.hasOwn(vendor.operations, name)) {
    return refuse(`${at}/call`, `names no operation of ${vendor.title}`);
  }
  const operation = operationOf(vendor, name);
  const need = operationNeed(vendorName, connection, name, operation.effect);
  if (!covers(maker.scopes, need))
    return refuse(`${at}/call`, `needs the scope ${vendorName}/${connection}/${name}, which your key lacks`);
  try {
    await services.connections.find(vendor.name, connection);
  } catch {
    return refuse(`${at}/call`, `names no connection of ${vendor.title}: ${connection}`);
  }
  const input = step.input ?? {};
  const { shape, input: schema } = schemasOf(operation);
  for (const field of Object.keys(input))
    if (!Object.hasOwn(shape, field)) refuse(`${at}/input/${field}`, 'is not a field of this operation');
  if (hasExpression(input)) return;
  const parsed = schema.safeParse(input);
  const issue = parsed.success ? undefined : parsed.error.issues[0];
  if (issue) refuse(`${at}/input/${issue.path.join('/')}`, 'does not fit the operation');
}

function checkEvent(
  type: string,
  connection: string | undefined,
  at: string,
  maker: Principal,
  refuse: (pointer: string, message: string) => void,
): void {
  const vendor = type.split('.')[0] ?? '*';
  const [first, second] = connection?.split('/') ?? [];
  const name = second ?? first ?? '*';
  const own = vendor === 'trunkline' || vendor === 'hook' || vendor === '*';
  const allowed = covers(maker.scopes, controlNeed('events', false)) || (!own && mayRead(maker.scopes, vendor, name));
  if (!allowed)
    refuse(at, `needs the scope ${own ? 'trunkline/events/read' : `${vendor}/${name}/*`}, which your key lacks`);
}

import { GatewayError } from '../../../core/errors.ts';
import { wireName } from '../../../core/field.ts';
import { carryOut, type Operation, type SendRequest, schemasOf } from '../../../core/operation.ts';
import { pathTemplate } from '../../../core/path-template.ts';
import type { VendorAnswer } from '../../../core/vendor.ts';
import { type Proptt2Call, sessionRequest } from './session-request.ts';

/** Method and path below `/openapi/1`, with `{fields}` of the input in the path; the rest is sent in the body or query. */
export type Proptt2Path = `${'GET' | 'POST' | 'PUT' | 'DELETE'} /${string}`;

/** Ids in the message frame have two bytes. */
const highestMessageId = 32_767;

/** Carries out one declared operation. */
export async function send(
  _name: string,
  operation: Operation,
  input: Record<string, unknown>,
  call: Proptt2Call,
): Promise<VendorAnswer> {
  const { shape } = schemasOf(operation);
  const filled =
    Object.hasOwn(shape, 'messageId') && input.messageId === undefined
      ? { ...input, messageId: await call.count('messageId', highestMessageId) }
      : input;
  const one: SendRequest<Proptt2Path> = (path, fields) => request(operation, path, fields, call);
  return { body: await carryOut(operation, filled, one, call) };
}

const wireNames = new WeakMap<Operation, ReadonlyMap<string, string>>();

/** The wire names of an operation's fields, computed once. */
function wireNamesOf(operation: Operation): ReadonlyMap<string, string> {
  let names = wireNames.get(operation);
  if (!names) {
    const { shape } = schemasOf(operation);
    names = new Map(Object.entries(shape).map(([name, schema]) => [name, wireName(name, schema)]));
    wireNames.set(operation, names);
  }
  return names;
}

/** Sends one vendor request in a live session; throws what the document defines as an error. */
async function request(
  operation: Operation,
  path: Proptt2Path,
  fields: Record<string, unknown>,
  call: Proptt2Call,
): Promise<unknown> {
  const [method = 'GET', template = '/'] = path.split(' ');
  const { names, fill } = pathTemplate(template);
  const route = fill(fields);
  const namesOnWire = wireNamesOf(operation);
  const wire: Record<string, unknown> = {};
  let query = '';
  let hasBody = false;
  for (const [name, value] of Object.entries(fields)) {
    if (value === undefined || names.includes(name)) continue;
    const wireField = namesOnWire.get(name) ?? name;
    if (method === 'GET') query += `&${wireField}=${encodeURIComponent(String(value))}`;
    else {
      wire[wireField] = value;
      hasBody = true;
    }
  }
  const doing = `${method} ${template}`;
  const effect = method === 'GET' ? 'read' : operation.effect;
  try {
    return await sessionRequest(
      call,
      effect,
      method,
      route,
      query,
      hasBody ? wire : undefined,
      doing,
      operation.errors,
    );
  } catch (error) {
    if (!(error instanceof GatewayError) || error.vendorCode !== '500') throw error;
    const { lookUp } = await import('./look-up.ts');
    throw await lookUp(error, template, fields, call);
  }
}

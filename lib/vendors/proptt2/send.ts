import { GatewayError } from '../../core/errors.ts';
import { wireName } from '../../core/field.ts';
import { type Composed, type Operation, type SendCall, schemasOf } from '../../core/operation.ts';
import type { VendorAnswer } from '../../core/vendor.ts';
import { exchange, type Proptt2Call } from './exchange.ts';
import { lookUp } from './look-up.ts';

/** Method and path below `/openapi/1`, with `{fields}` of the input in the path; the rest goes into body or query. */
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
  const one: SendCall<Proptt2Path> = (path, fields) => request(operation, path, fields, call);
  if (typeof operation.call === 'function') {
    // Declared as a function: its own schema has checked the input it is given.
    const composed = operation.call as Composed<Proptt2Path, Record<string, unknown>, unknown, Proptt2Call>;
    return { body: await composed(filled, one, call) };
  }
  return { body: await one(operation.call as Proptt2Path, filled) };
}

/** One vendor request in a live session; what the document calls an error is thrown. */
async function request(
  operation: Operation,
  path: Proptt2Path,
  fields: Record<string, unknown>,
  call: Proptt2Call,
): Promise<unknown> {
  const [method = 'GET', template = '/'] = path.split(' ');
  const rest = { ...fields };
  const route = template.replace(/\{(\w+)\}/g, (_, name: string) => {
    const value = rest[name];
    delete rest[name];
    return encodeURIComponent(String(value));
  });
  const { shape } = schemasOf(operation);
  const wire = Object.fromEntries(
    Object.entries(rest)
      .filter(([, value]) => value !== undefined)
      .map(([name, value]) => [shape[name] ? wireName(name, shape[name]) : name, value]),
  );
  const hasBody = method !== 'GET' && Object.keys(wire).length > 0;
  const query =
    method === 'GET'
      ? Object.entries(wire)
          .map(([name, value]) => `&${name}=${encodeURIComponent(String(value))}`)
          .join('')
      : '';
  const doing = `${method} ${template}`;
  const effect = method === 'GET' ? 'read' : operation.effect;
  try {
    return await exchange(call, effect, method, route, query, hasBody ? wire : undefined, doing, operation.errors);
  } catch (error) {
    throw error instanceof GatewayError && error.vendorCode === '500'
      ? await lookUp(error, template, fields, call)
      : error;
  }
}

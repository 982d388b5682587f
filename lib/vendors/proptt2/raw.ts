import { GatewayError } from '../../core/errors.ts';
import { wireName } from '../../core/field.ts';
import { type Operation, schemasOf } from '../../core/operation.ts';
import { pathTemplate } from '../../core/path-template.ts';
import type { RawMatch, RawRequest, VendorAnswer } from '../../core/vendor.ts';
import { exchange, type Proptt2Call } from './wire/exchange.ts';

/** What the gateway puts into each query; a raw request may not bring its own. */
const supplied = ['id', 'hid', 'skey'];

/** The declared operation that a request below `/openapi/1` is, with its input under our names. */
export function matchRaw(request: RawRequest, operations: Readonly<Record<string, Operation>>): RawMatch | undefined {
  const path = `/${request.path.replace(/^\/+|\/+$/g, '')}`;
  if (['/server', '/auth', '/keepalive'].includes(path.toLowerCase())) return 'session';
  for (const [name, operation] of Object.entries(operations)) {
    const call = callOf(name, operation);
    const [method, template = ''] = call.split(' ');
    if (method !== request.method) continue;
    const params = pathTemplate(template).match(path);
    if (params) return { operation: name, input: inputOf(operation, params, request) };
  }
  return undefined;
}

/** Sends what is not declared, with the session put in. GET is a read, the rest a write. */
export async function sendRaw(request: RawRequest, call: Proptt2Call): Promise<VendorAnswer> {
  const path = `/${request.path.replace(/^\/+/, '')}`;
  if (/(^|\/)\.\.?(\/|$)/.test(path) || /[?#\\]/.test(path)) {
    throw new GatewayError('invalid_request', 'The raw path must not contain dots as a step, ?, # or a backslash.');
  }
  const query = [...request.query].filter(([name]) => !supplied.includes(name));
  const encoded = query.map(([name, value]) => `&${encodeURIComponent(name)}=${encodeURIComponent(value)}`).join('');
  const route = path.split('/').map(encodeURIComponent).join('/');
  const body = request.body !== null && typeof request.body === 'object' ? request.body : undefined;
  const effect = request.method === 'GET' ? 'read' : 'write';
  return { body: await exchange(call, effect, request.method, route, encoded, body, `${request.method} ${path}`) };
}

/** Composed operations and their one telling request. */
const composed: Readonly<Record<string, string>> = {
  updateChannel: 'PUT /channels/{channelId}',
  linkUserToChannel: 'POST /channels/{channelId}/users/{userId}',
  sendCustomMessageToChannel: 'POST /channels/{channelId}/sendCustomMessage',
  createUser: 'POST /users',
  updateUser: 'PUT /users/{userId}',
};

function callOf(name: string, operation: Operation): string {
  return typeof operation.call === 'string' ? operation.call : (composed[name] ?? ' ');
}

function inputOf(operation: Operation, path: Record<string, string>, request: RawRequest): Record<string, unknown> {
  const names = new Map(
    Object.entries(schemasOf(operation).shape).map(([name, schema]) => [wireName(name, schema), name]),
  );
  const input: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(path)) input[name] = /^\d+$/.test(value) ? Number(value) : value;
  for (const [name, value] of request.query) {
    if (!supplied.includes(name)) input[names.get(name) ?? name] = /^\d+$/.test(value) ? Number(value) : value;
  }
  for (const [name, value] of Object.entries((request.body ?? {}) as Record<string, unknown>)) {
    if (name === 'hashedPassword') {
      throw new GatewayError(
        'invalid_input',
        'The input was refused: /hashedPassword is made by the gateway; give the plain password to createUser.',
        {
          errors: [{ pointer: '/hashedPassword', message: 'is made by the gateway' }],
        },
      );
    }
    const ours = names.get(name) ?? name;
    input[ours] =
      name === 'messageContent' && ours === 'message' ? Buffer.from(String(value), 'base64').toString('utf8') : value;
  }
  return 'messageContent' in input && !names.has('messageContent') ? rawFrame(input) : input;
}

/** A custom message given in the vendor's own form is its bytes. */
function rawFrame(input: Record<string, unknown>): Record<string, unknown> {
  const { messageContent, ...rest } = input;
  return { ...rest, data: messageContent, raw: true };
}

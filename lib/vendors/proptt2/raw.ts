import { GatewayError, refusedField } from '../../core/errors.ts';
import { wireName } from '../../core/field.ts';
import { type Operation, rawRouteOf, schemasOf } from '../../core/operation.ts';
import { pathTemplate } from '../../core/path-template.ts';
import type { RawMatch, RawRequest, VendorAnswer } from '../../core/vendor.ts';
import { type Proptt2Call, sessionRequest } from './wire/session-request.ts';

/** The parameters that the gateway adds to each query; a raw request must not contain them. */
const supplied = ['id', 'hid', 'skey'];

/** The declared operation that corresponds to a request below `/openapi/1`, with its input under our field names. */
export function matchRaw(request: RawRequest, operations: Readonly<Record<string, Operation>>): RawMatch | undefined {
  const path = pathOf(request);
  for (const [name, operation] of Object.entries(operations)) {
    const [method, template = ''] = (rawRouteOf(operation) ?? '').split(' ');
    const params = pathTemplate(template).matchAnyCase(path);
    if (!params) continue;
    // Regardless of the method: these requests create, keep or end sessions.
    if (operation.effect === 'session') return 'session';
    if (method === request.method) return { operation: name, input: inputOf(operation, params, request) };
  }
  return undefined;
}

/**
 * The path as it is sent. Throws for a path that the vendor's server could read differently: it merges empty segments, drops what
 * follows a semicolon and blanks at the ends, and resolves dots.
 */
function pathOf({ path, query }: RawRequest): string {
  const clean = path.replace(/^\/|\/$/g, '');
  const isPlain = clean
    .split('/')
    .every((segment) => segment !== '' && segment !== '.' && segment !== '..' && segment.trim() === segment);
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are the ones that are refused.
  if (!isPlain || /[?#\\;%\x00-\x1f\x7f]/.test(clean) || !clean.isWellFormed()) {
    throw new GatewayError(
      'invalid_request',
      'The raw path must be plain segments: none empty or dots alone, no blanks at their ends, no ?, #, %, ; or backslash.',
    );
  }
  const strange = [...query.keys()].find((name) => !/^[A-Za-z]\w*$/.test(name));
  if (strange !== undefined) {
    throw new GatewayError(
      'invalid_request',
      `The name ${JSON.stringify(strange.slice(0, 80))} must begin with a letter and consist of letters, digits and underscores.`,
    );
  }
  return `/${clean}`;
}

/** Sends an undeclared request with the session added. GET is a read, all other methods are writes. */
export async function sendRaw(request: RawRequest, call: Proptt2Call): Promise<VendorAnswer> {
  const path = pathOf(request);
  const query = [...request.query].filter(([name]) => !isSupplied(name));
  const encoded = query.map(([name, value]) => `&${encodeURIComponent(name)}=${encodeURIComponent(value)}`).join('');
  const route = path.split('/').map(encodeURIComponent).join('/');
  const body = request.body !== null && typeof request.body === 'object' ? request.body : undefined;
  const effect = request.method === 'GET' ? 'read' : 'write';
  return {
    body: await sessionRequest(call, effect, request.method, route, encoded, body, `${request.method} ${path}`),
  };
}

function isSupplied(name: string): boolean {
  return supplied.includes(name.toLowerCase());
}

function inputOf(operation: Operation, path: Record<string, string>, request: RawRequest): Record<string, unknown> {
  const names = new Map(
    Object.entries(schemasOf(operation).shape).map(([name, schema]) => [wireName(name, schema), name]),
  );
  const input: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(path)) input[name] = /^\d+$/.test(value) ? Number(value) : value;
  for (const [name, value] of request.query) {
    if (!isSupplied(name)) input[names.get(name) ?? name] = /^\d+$/.test(value) ? Number(value) : value;
  }
  for (const [name, value] of Object.entries((request.body ?? {}) as Record<string, unknown>)) {
    if (name === 'hashedPassword') {
      throw refusedField('/hashedPassword', 'is made by the gateway; give the plain password to createUser');
    }
    const ours = names.get(name) ?? name;
    input[ours] =
      name === 'messageContent' && ours === 'message' ? Buffer.from(String(value), 'base64').toString('utf8') : value;
  }
  return 'messageContent' in input && !names.has('messageContent') ? rawFrame(input) : input;
}

/** A custom message in the vendor's own form consists of its bytes. */
function rawFrame(input: Record<string, unknown>): Record<string, unknown> {
  const { messageContent, ...rest } = input;
  return { ...rest, data: messageContent, raw: true };
}

import { GatewayError } from '../../core/errors.ts';
import { wireName } from '../../core/field.ts';
import { parseJson } from '../../core/json.ts';
import { type Operation, rawRouteOf, schemasOf } from '../../core/operation.ts';
import type { RawMatch, RawRequest, VendorAnswer } from '../../core/vendor.ts';
import { type TimetonicCall, title } from './connection.ts';
import { download } from './files/downloads.ts';
import { fieldText } from './wire/send.ts';
import { sessionRequest } from './wire/session-request.ts';

/** The fields that the gateway adds to each request; a raw request must not contain them. */
const supplied = ['version', 'req', 'r', 'o_u', 'u_c', 'sesskey', 'oauthkey', 'appkey'];
/** A request that creates a session key and is not a declared operation. */
const keyRequest = 'getorcreatesesskey';

/** The declared operation that corresponds to a request name, or to a file address below `/live`. */
export function matchRaw(request: RawRequest, operations: Readonly<Record<string, Operation>>): RawMatch | undefined {
  const path = request.path.replace(/^\/+|\/+$/g, '');
  checkNames(request);
  if (path.toLowerCase() === keyRequest) return 'session';
  if (path.startsWith('dbi/')) return matchFile(path, operations);
  // The vendor may treat names as case-insensitive; the scope of the declared operation must apply all the same.
  const found = Object.entries(operations).find(
    ([, operation]) => rawRouteOf(operation)?.toLowerCase() === `req=${path.toLowerCase()}`,
  );
  if (found === undefined) return undefined;
  const [name, operation] = found;
  return operation.effect === 'session' ? 'session' : { operation: name, input: inputOf(operation, request) };
}

/**
 * Rejects field names that PHP would rewrite: it trims blanks, ends a name at NUL, and turns dots, blanks and brackets into
 * underscores or lists, so that ` req` becomes `req`.
 */
function checkNames(request: RawRequest): void {
  const strange = fieldsOf(request).find(([name]) => !/^[A-Za-z_]\w*$/.test(name))?.[0];
  if (strange === undefined) return;
  throw new GatewayError(
    'invalid_request',
    `The field name ${JSON.stringify(strange.slice(0, 80))} must consist of letters, digits and underscores and not begin with a digit.`,
  );
}

/** Sends an undeclared request with the session added. GET is a read, all other methods are writes. */
export function sendRaw(request: RawRequest, call: TimetonicCall): Promise<VendorAnswer> {
  const path = request.path.replace(/^\/+|\/+$/g, '');
  if (path.startsWith('dbi/')) {
    const steps = path.split('/');
    const isPlain = steps.every((step) => step !== '' && step !== '.' && step !== '..' && step.trim() === step);
    if (!isPlain || /[?#\\]/.test(path) || !path.isWellFormed()) throw badPath();
    const address = `/${steps.map(encodeURIComponent).join('/')}` as const;
    return download(address as `/dbi/${string}`, {}, call, steps.slice(0, 2).join('/'));
  }
  if (!/^\w{1,80}$/.test(path)) throw badPath();
  checkNames(request);
  const fields = Object.fromEntries(given(request).map(([name, value]) => [name, fieldText(value)]));
  const effect = request.method === 'GET' ? 'read' : 'write';
  return sessionRequest(call, { req: path, fields, effect, repeatDeadlock: effect === 'read' }).then((body) => ({
    body,
  }));
}

/** The fields of query and body, except those that the gateway supplies. */
function given(request: RawRequest): [string, unknown][] {
  return fieldsOf(request).filter(([name]) => !supplied.includes(name.toLowerCase()));
}

function fieldsOf({ query, body }: RawRequest): [string, unknown][] {
  return [...query, ...(body !== null && typeof body === 'object' ? Object.entries(body) : [])];
}

function matchFile(
  path: string,
  operations: Readonly<Record<string, Operation>>,
): { operation: string; input: Record<string, unknown> } | undefined {
  const steps = path.split('/');
  for (const [operation, { call }] of Object.entries(operations)) {
    if (typeof call !== 'string' || !call.startsWith(`/${steps[0]}/${steps[1]}/`)) continue;
    const names = [...call.matchAll(/\{(\w+)\??\}/g)].map((match) => match[1] ?? '');
    const values = steps.slice(2);
    if (values.length > names.length) return undefined;
    return {
      operation,
      input: Object.fromEntries(
        values.map((value, at) => [names[at] ?? '', value]).filter(([, value]) => value !== ''),
      ),
    };
  }
  return undefined;
}

/** A raw input under our field names; JSON text in a form field is parsed. */
function inputOf(operation: Operation, request: RawRequest): Record<string, unknown> {
  const { shape } = schemasOf(operation);
  const names = new Map(Object.entries(shape).map(([name, schema]) => [wireName(name, schema), name]));
  return Object.fromEntries(
    given(request).map(([name, value]) => {
      const ours = names.get(name) ?? name;
      return [ours, typeof value === 'string' ? read(value, ours) : value];
    }),
  );
}

const texts = ['msg', 'body', 'value', 'search_string', 'linkSeparator', 'uuid'];

/** The value of a form field: ids stay text, switches and JSON are converted. */
function read(value: string, name: string): unknown {
  if (texts.includes(name)) return value;
  if (value === 'true' || value === 'false') return value === 'true';
  if (/^\s*[[{]/.test(value)) {
    try {
      return parseJson(value);
    } catch {
      return value;
    }
  }
  return /^\d{1,6}$/.test(value) ? Number(value) : value;
}

function badPath(): GatewayError {
  return new GatewayError('invalid_request', `The raw path is the name of a ${title} request, or dbi/… for a file.`);
}

import type { SandboxRequest } from '../sandbox-server.ts';
import type { Route } from './routes.ts';

/** The parameters of a request, and what a strict check finds wrong with them. */
export interface Parameters {
  input: Record<string, unknown>;
  /** A required parameter that is missing: typed controllers throw for it. */
  missing: string | undefined;
  /** What real servers ignore: unknown names, malformed numbers, unused bodies. */
  complaint: string | undefined;
}

const integers = new Set([
  'roomType',
  'modifiedSince',
  'noStatusUpdate',
  'attendeeId',
  'flags',
  'offset',
  'notOlderThanTimestamp',
  'timeout',
  'lookIntoFuture',
  'limit',
  'lastKnownMessageId',
  'lastCommonReadId',
  'setReadMarker',
  'includeLastKnown',
  'markNotificationsAsRead',
  'replyTo',
  'lastReadMessage',
  'state',
  'timer',
  'resultMode',
  'maxVotes',
  'threadId',
  'sendAt',
  'timestamp',
  'pinUntil',
  'seconds',
  'level',
  'status',
  'permissions',
  'readOnly',
  'lobbyState',
  'listable',
  'shareType',
]);

/** Reads query and body (form or JSON) as Nextcloud merges them, and checks the names against the route; `optional` are allowed as well. */
export async function readParameters(
  request: SandboxRequest,
  route: Route,
  variables: Record<string, string>,
  optional: readonly string[],
): Promise<Parameters> {
  const complaints: string[] = [];
  const body = await readBody(request, complaints);
  const given = { ...nested([...request.query]), ...body };
  delete given.format;
  for (const [name, value] of Object.entries(given)) {
    if (!route.params.has(name)) complaints.push(`unknown parameter ${name}`);
    else if (integers.has(name) && !/^-?\d+$/.test(String(value))) complaints.push(`${name} is not an integer`);
  }
  const required = route.required.filter((name) => !optional.includes(name));
  const missing = required.find((name) => given[name] === undefined || given[name] === null);
  if (missing !== undefined) complaints.push(`parameter ${missing} is missing`);
  return { input: { ...given, ...variables }, missing, complaint: complaints.join('; ') || undefined };
}

async function readBody(request: SandboxRequest, complaints: string[]): Promise<Record<string, unknown>> {
  const text = (await request.body()).toString('utf8');
  if (text === '') return {};
  const type = String(request.headers['content-type'] ?? '');
  if (request.method === 'GET') complaints.push('a body on a GET');
  else if (type.includes('json')) {
    try {
      const value: unknown = JSON.parse(text);
      if (value !== null && typeof value === 'object' && !Array.isArray(value)) return value as Record<string, unknown>;
      complaints.push('a JSON body that is no object');
    } catch {
      complaints.push('a JSON body that cannot be read');
    }
  } else if (type.startsWith('application/x-www-form-urlencoded')) {
    return nested([...new URLSearchParams(text)]);
  } else complaints.push('a body without a content type that is read');
  return {};
}

/** `options[]=a&options[]=b` and `options[0]=a` are lists, as PHP reads them. */
function nested(pairs: [string, string][]): Record<string, unknown> {
  const result: Record<string, unknown> = {};
  for (const [key, value] of pairs) {
    const list = /^(\w+)\[\d*\]$/.exec(key)?.[1];
    if (list === undefined) result[key] = value;
    else result[list] = [...(Array.isArray(result[list]) ? (result[list] as unknown[]) : []), value];
  }
  return result;
}

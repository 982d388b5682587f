import type { SandboxReply } from '../sandbox-server.ts';

/** What a handler answers, before it is wrapped into the OCS envelope. */
export interface Answer {
  status: number;
  /** The code in the envelope, if it is not the HTTP status: 997 for a caller that is not logged in. */
  code?: number;
  data?: unknown;
  /** Absent means `OK`, or the message of the server's era if the request failed. */
  message?: string | null;
  headers?: Record<string, string>;
  /** Answers of Nextcloud's router instead of a controller: XML unless `format=json`, and other cache headers. */
  routing?: boolean;
  /** The controller regenerated the PHP session, so the instance cookie is sent again. */
  reopened?: boolean;
}

/** Thrown by a handler to end with that answer. */
export class Stop extends Error {
  readonly answer: Answer;
  constructor(status: number, data: unknown = [], headers: Record<string, string> = {}) {
    super(`Talk answers ${status}`);
    this.answer = { status, data, headers };
  }
}

export const routerCache = { 'cache-control': 'no-store, no-cache, must-revalidate' };
export const expires = { expires: 'Thu, 19 Nov 1981 08:52:00 GMT' };

/** The message of Nextcloud's router for a path that no app has. */
export const noRoute: Answer = {
  status: 404,
  routing: true,
  message:
    'Invalid query, please check the syntax. API specifications are here: http://www.freedesktop.org/wiki/Specifications/open-collaboration-services.\n',
};

/** The answer to a call that needs an account and has none. */
export const notLoggedIn: Answer = { status: 401, code: 997, message: 'Current user is not logged in' };

/** The answer of Nextcloud when a controller throws. */
export const serverError: Answer = { status: 500, routing: true, message: 'Internal Server Error\n' };

/** The form in which the caller requested its answer. */
export interface Asked {
  format: string | null;
  accept: string;
  /** `/ocs/v1.php`: HTTP 200 always, the status in the envelope. */
  v1: boolean;
  /** What a failed controller puts into `meta.message`: null on old servers, empty on new ones. */
  silent: string | null;
}

/** Wraps an answer the way the server would: envelope, JSON or XML, status line. */
export function envelope(answer: Answer, asked: Asked): SandboxReply {
  const headers: Record<string, string> = { ...expires, ...(answer.routing ? routerCache : controllerCache) };
  Object.assign(headers, answer.headers);
  const ok = answer.status < 400;
  const meta: Record<string, unknown> = {
    status: ok ? 'ok' : 'failure',
    statuscode: answer.code ?? (asked.v1 && answer.status === 200 ? 100 : answer.status),
    message: answer.message !== undefined ? answer.message : ok ? 'OK' : asked.silent,
  };
  if (asked.v1) Object.assign(meta, { totalitems: '', itemsperpage: '' });
  const ocs = { meta, data: answer.data ?? (answer.data === null ? null : []) };
  const status = asked.v1 && answer.status !== 401 ? 200 : answer.status;
  const json = asked.format === 'json' || (!answer.routing && asked.format === null && asked.accept.includes('json'));
  if (answer.status === 304 || (answer.status === 405 && answer.routing)) {
    headers['content-type'] = `application/${json ? 'json' : 'xml'}; charset=utf-8`;
    return { status: answer.status, headers, body: '' };
  }
  if (json) {
    headers['content-type'] = 'application/json; charset=utf-8';
    return { status, headers, body: Buffer.from(JSON.stringify({ ocs })) };
  }
  headers['content-type'] = answer.routing ? 'text/xml; charset=UTF-8' : 'application/xml; charset=utf-8';
  return { status, headers, body: xml({ ocs }) };
}

export const controllerCache = { 'cache-control': 'no-cache, no-store, must-revalidate' };

/** Nextcloud's XML of a JSON value: list items are `element`, true is 1, false and null are empty. */
export function xml(value: Record<string, unknown>): string {
  return `<?xml version="1.0"?>\n${xmlNodes(Object.entries(value), 0)}`;
}

function xmlNodes(entries: [string, unknown][], depth: number): string {
  const indent = ' '.repeat(depth);
  return entries
    .map(([name, value]) => {
      const tag = /^\d+$/.test(name) ? 'element' : name;
      if (value !== null && typeof value === 'object') {
        const inner = xmlNodes(Object.entries(value), depth + 1);
        return inner === '' ? `${indent}<${tag}/>\n` : `${indent}<${tag}>\n${inner}${indent}</${tag}>\n`;
      }
      const text = value === true ? '1' : value === false || value === null ? '' : String(value);
      return `${indent}<${tag}>${text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')}</${tag}>\n`;
    })
    .join('');
}

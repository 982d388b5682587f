import type { IncomingHttpHeaders } from 'node:http';
import type { HttpAnswer, HttpClient } from '../../../core/http/client.ts';
import { parseJson } from '../../../core/json.ts';
import type { Effect } from '../../../core/operation.ts';
import { isRecord } from '../../../core/record.ts';
import { failureOf } from '../../../core/vendor-failure.ts';
import { title } from '../connection.ts';

/** The name that servers and their log know us by; one of the official clients' names could be refused as outdated. */
export const userAgent = 'Trunkline';

/** A response of Nextcloud with its effective meaning, without its envelope. */
export interface OcsAnswer {
  /** The effective status: that of the envelope where `/ocs/v1.php` says 200 for everything. */
  readonly status: number;
  /** True when it arrived in an OCS envelope, as JSON or XML. */
  readonly enveloped: boolean;
  /** The server's message; empty if there is none. */
  readonly message: string;
  /** `ocs.data`, or the body of a JSON response without an envelope; undefined if there is neither. */
  readonly data: unknown;
  readonly headers: IncomingHttpHeaders;
  /** At most 300 characters of the body, for messages. */
  readonly excerpt: string;
}

export interface OcsRequest {
  method: string;
  url: string;
  headers?: Readonly<Record<string, string>>;
  /** Sent unchanged. */
  content?: { readonly bytes: Uint8Array; readonly type: string } | undefined;
  /** Sent as JSON. */
  body?: object | undefined;
  /** Sent as a form instead. */
  form?: string;
  timeoutMs?: number | undefined;
  effect: Effect;
  doing: string;
}

/** Sends one request of the OCS protocol. Throws the error from `failureOf` for an incomplete response. */
export async function ocsRequest(call: { http: HttpClient }, request: OcsRequest): Promise<OcsAnswer> {
  return readAnswer(await httpRequest(call, request));
}

/** The same for any kind of response, including bytes. */
export async function httpRequest(call: { http: HttpClient }, request: OcsRequest): Promise<HttpAnswer> {
  const json = request.body === undefined ? undefined : JSON.stringify(request.body);
  const body = request.content?.bytes ?? request.form ?? json;
  const type =
    request.content?.type ?? (request.form === undefined ? 'application/json' : 'application/x-www-form-urlencoded');
  const sent = call.http.request({
    method: request.method,
    url: request.url,
    headers: {
      accept: 'application/json',
      'ocs-apirequest': 'true',
      'user-agent': userAgent,
      ...(body !== undefined && { 'content-type': type }),
      ...request.headers,
    },
    ...(body !== undefined && { body }),
    timeoutMs: request.timeoutMs ?? 10_000,
    maxBytes: 16_000_000,
  });
  return sent.catch((error: unknown) => {
    throw failureOf(error, { name: 'talk', title }, request.effect, request.doing);
  });
}

/** Parses a response: JSON with or without the envelope, XML, or nothing at all. */
export function readAnswer(answer: HttpAnswer): OcsAnswer {
  const { status, headers } = answer;
  const text = answer.text();
  const plain = { status, enveloped: false, message: '', data: undefined, headers, excerpt: text.slice(0, 300) };
  const type = String(headers['content-type'] ?? '');
  if (text === '') return plain;
  if (/xml/i.test(type) || text.startsWith('<?xml')) return fromXml(text, plain);
  let body: unknown;
  try {
    body = parseJson(text);
  } catch {
    return plain;
  }
  const envelope = recordOf(body)?.ocs;
  const meta = recordOf(recordOf(envelope)?.meta);
  if (meta === undefined) return { ...plain, data: body, message: textOf(recordOf(body)?.message) };
  const content = { enveloped: true, message: textOf(meta.message).trim(), data: recordOf(envelope)?.data };
  return { ...plain, ...content, status: statusOf(status, Number(meta.statuscode)) };
}

/** An object of unknown fields, or undefined for anything else. */
export function recordOf(value: unknown): Record<string, unknown> | undefined {
  return isRecord(value) ? value : undefined;
}

/** A string as it is; undefined for other values. */
export function textOf(value: unknown): string {
  return typeof value === 'string' ? value : '';
}

function fromXml(text: string, plain: OcsAnswer): OcsAnswer {
  const code = /<statuscode>\s*(\d+)\s*<\/statuscode>/.exec(text)?.[1];
  if (code === undefined) return plain;
  const message = /<message>([\s\S]*?)<\/message>/.exec(text)?.[1] ?? '';
  const words = message.replaceAll('&lt;', '<').replaceAll('&gt;', '>').replaceAll('&amp;', '&').trim();
  return { ...plain, enveloped: true, message: words, status: statusOf(plain.status, Number(code)) };
}

/** `/ocs/v1.php` answers 200 and its code counts: 100 is success, 997 is 401. */
function statusOf(http: number, code: number): number {
  if (http !== 200 || code === 100 || Number.isNaN(code)) return http;
  if (code === 997) return 401;
  return code >= 200 && code < 600 ? code : 502;
}

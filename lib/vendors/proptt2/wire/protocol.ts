import type { HttpClient } from '../../../core/http/client.ts';
import { parseJson, parseLenientJson } from '../../../core/json.ts';
import type { Effect } from '../../../core/operation.ts';
import { failureOf } from '../../../core/vendor-failure.ts';

export const title = 'ProPTT2';

/** A response with its effective status: the body's `code` where HTTP said 200. */
export interface Proptt2Answer {
  status: number;
  /** The parsed body; undefined if it was not JSON. */
  body: unknown;
  html: boolean;
  /** At most 512 characters of the body, for messages. */
  excerpt: string;
  headers: Readonly<Record<string, string | string[] | undefined>>;
}

/** Sends one request of the ProPTT2 protocol. Throws the error from `failureOf` for an incomplete response. */
export async function protocolRequest(
  call: { http: HttpClient },
  method: string,
  url: string,
  options: { body?: object | undefined; timeoutMs?: number; effect: Effect; doing: string },
): Promise<Proptt2Answer> {
  const body = options.body === undefined ? undefined : JSON.stringify(options.body);
  const sent = call.http.request({
    method,
    url,
    headers: {
      accept: 'application/json',
      ...(body !== undefined && { 'content-type': 'application/json; charset=utf-8' }),
    },
    ...(body !== undefined && { body }),
    timeoutMs: options.timeoutMs ?? 10_000,
    maxBytes: 8 * 1024 * 1024,
  });
  const answer = await sent.catch((error: unknown) => {
    throw failureOf(error, { name: 'proptt2', title }, options.effect, options.doing);
  });
  const text = answer.text();
  const parsed = parse(text);
  return {
    status: answer.status >= 200 && answer.status < 300 ? codeOf(parsed) : answer.status,
    body: parsed,
    html: parsed === undefined && /^\s*</.test(text),
    excerpt: text.slice(0, 512),
    headers: answer.headers,
  };
}

function parse(text: string): unknown {
  try {
    return parseJson(text);
  } catch {
    try {
      return parseLenientJson(text);
    } catch {
      return undefined;
    }
  }
}

/** 200 only if the body agrees: no `code`, or one that equals 200; a body that is not JSON counts as 502. */
function codeOf(body: unknown): number {
  if (body === null || typeof body !== 'object' || Array.isArray(body)) return 502;
  const code = (body as Record<string, unknown>).code;
  if (code === undefined || String(code) === '200') return 200;
  return /^[1-5]\d\d$/.test(String(code)) ? Number(code) : 502;
}

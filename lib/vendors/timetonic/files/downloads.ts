import { Readable } from 'node:stream';
import { maxUploadBytes } from '../../../core/files.ts';
import type { HttpStream } from '../../../core/http/client.ts';
import { parseJson } from '../../../core/json.ts';
import type { VendorAnswer } from '../../../core/vendor.ts';
import { failureOf } from '../../../core/vendor-failure.ts';
import { baseOf, type TimetonicCall, type TimetonicSession, timetonicError, title } from '../connection.ts';
import { formText, statusError } from '../wire/protocol.ts';
import { refusalOf } from '../wire/refusal.ts';
import { callerFields, defaultVersion } from '../wire/session-request.ts';

/** The address of a file below `/live`, with `{fields}` of the input; `{name?}` is optional. */
export type FileAddress = `/dbi/${string}`;

/** Files by internal name are public to everybody who knows it: they are requested without a key. */
const open = /^\/dbi\/(?:o?in|o?dn)\//;
const downloadTimeoutMs = 14 * 60_000;
/** The maximum size of a refusal, or of a page in place of a file. */
const maxRefusalBytes = 64 * 1024;

/** Fetches a file as a stream with its content type. A refusal in its place is thrown. */
export async function download(
  address: FileAddress,
  input: Record<string, unknown>,
  call: TimetonicCall,
  doing: string,
): Promise<VendorAnswer> {
  const path = pathOf(address, input);
  const get = (session?: TimetonicSession) => fetchFile(path, session, call, doing);
  const answer = open.test(address) ? await get() : await call.withSession(get);
  const { headers } = answer;
  const size = Number(headers['content-length']);
  const name =
    nameIn(String(headers['content-disposition'] ?? '')) ??
    (typeof input.fileName === 'string' ? input.fileName : undefined);
  return {
    file: {
      stream: withFailures(answer.body, doing),
      type: String(headers['content-type'] ?? 'application/octet-stream'),
      ...(name !== undefined && { name }),
      ...(Number.isSafeInteger(size) && headers['content-length'] !== undefined && { size }),
    },
  };
}

export function pathOf(address: string, input: Record<string, unknown>): string {
  return address.replace(/\/\{(\w+)(\??)\}/g, (_, name: string) => {
    const value = input[name];
    return value === undefined ? '' : `/${encodeURIComponent(String(value))}`;
  });
}

async function fetchFile(
  path: string,
  session: TimetonicSession | undefined,
  call: TimetonicCall,
  doing: string,
): Promise<HttpStream> {
  const { settings } = call.connection;
  const form = session && formText({ version: settings.apiVersion ?? defaultVersion, ...callerFields(call, session) });
  const answer = await call.http
    .stream({
      method: form === undefined ? 'GET' : 'POST',
      url: `${baseOf(settings)}${path}`,
      headers: form === undefined ? {} : { 'content-type': 'application/x-www-form-urlencoded' },
      ...(form !== undefined && { body: form }),
      timeoutMs: downloadTimeoutMs,
      maxBytes: maxUploadBytes,
    })
    .catch((error: unknown) => {
      throw failureOf(error, { name: 'timetonic', title }, 'read', doing);
    });
  const { status, headers } = answer;
  const type = String(headers['content-type'] ?? '');
  const named = /filename/i.test(String(headers['content-disposition'] ?? ''));
  if (status >= 200 && status < 300 && (named || !/^(?:application\/json|text\/html)/i.test(type))) return answer;
  const start = await startOf(answer.body);
  const no = parsed(start.toString('utf8'));
  const asking = { effect: 'read', doing, now: call.clock.now() } as const;
  if (no?.status === 'nok') throw refusalOf(no, doing);
  if (status === 404) {
    throw timetonicError('vendor_not_found', `${title} has no such file (${doing}).`, {
      vendorCode: '404',
      outcome: 'refused',
    });
  }
  if (status < 200 || status >= 300) throw statusError(answer, start.toString('utf8'), asking);
  if (/html/i.test(type)) {
    throw timetonicError('vendor_malformed', `${title} answered ${doing} with a web page in place of the file.`);
  }
  return { ...answer, body: Readable.from(joined(start, answer.body)) };
}

/** The first bytes of a body, up to the maximum size of a refusal; the rest remains in it. */
async function startOf(body: Readable): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let size = 0;
  const reader = body.iterator({ destroyOnReturn: false }) as AsyncIterator<Buffer>;
  while (size < maxRefusalBytes) {
    const next = await reader.next().catch(() => ({ done: true, value: undefined }) as const);
    if (next.done || next.value === undefined) break;
    chunks.push(next.value);
    size += next.value.length;
  }
  await reader.return?.();
  return Buffer.concat(chunks);
}

async function* joined(start: Buffer, rest: Readable): AsyncGenerator<Buffer> {
  yield start;
  if (!rest.readableEnded && !rest.destroyed) yield* rest as AsyncIterable<Buffer>;
}

/** A stream whose interruption is reported as an error of the vendor. */
function withFailures(body: Readable, doing: string): Readable {
  return Readable.from(
    (async function* () {
      try {
        yield* body as AsyncIterable<Buffer>;
      } catch (error) {
        throw failureOf(error, { name: 'timetonic', title }, 'read', doing);
      }
    })(),
    { objectMode: false },
  );
}

function parsed(text: string): Record<string, unknown> | undefined {
  try {
    const body = parseJson(text);
    return body !== null && typeof body === 'object' ? (body as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}

function nameIn(disposition: string): string | undefined {
  const encoded = /filename\*=UTF-8''([^;]+)/i.exec(disposition)?.[1];
  const plain = /filename="?([^";]+)"?/i.exec(disposition)?.[1];
  try {
    return encoded === undefined ? plain : decodeURIComponent(encoded);
  } catch {
    return plain;
  }
}

import type { GatewayError } from '../../../core/errors.ts';
import type { Source } from '../../../core/given-file.ts';
import type { HttpAnswer } from '../../../core/http/client.ts';
import { parseJson } from '../../../core/json.ts';
import type { Effect } from '../../../core/operation.ts';
import { failureOf } from '../../../core/vendor-failure.ts';
import { type TimetonicCall, type TimetonicSession, timetonicError, title } from '../connection.ts';
import { readAnswer, statusError } from '../wire/protocol.ts';
import { refusalOf } from '../wire/refusal.ts';
import { callerFields, defaultVersion } from '../wire/session-request.ts';

type Ok = { status: 'ok'; [field: string]: unknown };

export const tusHeaders = { 'tus-resumable': '1.0.0' };

/** Where an upload continues. */
export interface Place {
  url: string;
  offset: number;
}

/** The cell to which a file belongs. */
export interface Cell {
  bookOwner: string;
  bookCode: string;
  rowId: string;
  fieldId: string;
}

/** The upload host of a connection; TimeTonic does not publish it. */
export function hostOf(call: TimetonicCall): string {
  const { uploadUrl } = call.connection.settings;
  if (uploadUrl !== undefined) return uploadUrl.replace(/\/+$/, '');
  throw timetonicError(
    'invalid_request',
    'This connection has no uploadUrl. Ask TimeTonic for your upload host and set it, or use fileUpload.',
  );
}

/**
 * Creates an upload: by POST as in TUS, or by HEAD as in TimeTonic's document, which also finds an existing upload with the same
 * uuid.
 */
export async function createUpload(call: TimetonicCall, source: Source, cell: Cell, uuid: string): Promise<Place> {
  const known = call.memory.get('creation') as 'POST' | 'HEAD' | undefined;
  const methods = known === undefined ? (['POST', 'HEAD'] as const) : [known];
  return call.withSession(async (session) => {
    const headers = {
      ...tusHeaders,
      'upload-length': String(source.size),
      'upload-metadata': metadataOf(call, session, source, cell, uuid),
    };
    let answer: HttpAnswer | undefined;
    for (const method of methods) {
      answer = await request(call, method, hostOf(call), headers, 'session');
      if (answer.status === 404 || answer.status === 405 || answer.status === 501) continue;
      const place = placeOf(answer, hostOf(call));
      call.memory.set('creation', method);
      return place;
    }
    call.memory.delete('creation');
    throw statusError(answer ?? { status: 404, headers: {} }, 'no upload can be created here; check uploadUrl', {
      effect: 'session',
      doing: 'resumableUpload',
      now: call.clock.now(),
    });
  });
}

function placeOf(answer: HttpAnswer, host: string): Place {
  const { status, headers } = answer;
  if (status < 200 || status >= 300) throw tusError(answer);
  if (headers.location === undefined) {
    throw timetonicError('vendor_malformed', `${title}'s upload host names no place for the upload.`);
  }
  const offset = Number(headers['upload-offset'] ?? 0);
  return { url: new URL(headers.location, `${host}/`).href, offset: Number.isSafeInteger(offset) ? offset : 0 };
}

/** The offset of an upload; undefined if the host no longer knows it. */
export async function offsetOf(call: TimetonicCall, url: string): Promise<number | undefined> {
  const answer = await request(call, 'HEAD', url, tusHeaders, 'read');
  if (answer.status === 404 || answer.status === 410 || answer.status === 403) return undefined;
  const offset = answer.headers['upload-offset'];
  if (answer.status < 200 || answer.status >= 300 || typeof offset !== 'string') throw tusError(answer);
  return Number(offset);
}

/** The outcome of an upload; the session key that the host echoes is removed. */
export async function readMeta(call: TimetonicCall, fileId: string): Promise<Ok> {
  const host = hostOf(call);
  const asking = { effect: 'read', doing: 'getUploadMeta', now: call.clock.now() } as const;
  const headers = { accept: 'application/json' };
  const path = `/upload_meta/${encodeURIComponent(fileId)}`;
  let answer = await request(call, 'GET', `${host}${path}`, headers, 'read');
  const root = new URL(host).origin;
  if (answer.status === 404 && root !== host) answer = await request(call, 'GET', `${root}${path}`, headers, 'read');
  const { sesskey: _, ...body } = readAnswer(answer, asking);
  return body as Ok;
}

function request(
  call: TimetonicCall,
  method: string,
  url: string,
  headers: Record<string, string>,
  effect: Effect,
): Promise<HttpAnswer> {
  return call.http.request({ method, url, headers, timeoutMs: 10_000 }).catch((error: unknown) => {
    throw failureOf(error, { name: 'timetonic', title: `${title}'s upload host` }, effect, `${method} of the upload`);
  });
}

/** The host's refusal: 403 is a dead key; otherwise its message or status decides. */
export function tusError(answer: Pick<HttpAnswer, 'status' | 'headers'> & { text(): string }): GatewayError {
  const text = answer.text();
  if (answer.status === 403) {
    return timetonicError('connection_needs_attention', `${title}'s upload host refused the session key.`, {
      vendorCode: '403',
      session: 'refused',
    });
  }
  try {
    const body = parseJson(text) as Record<string, unknown> | null;
    if (body?.status === 'nok') return refusalOf(body, 'resumableUpload');
  } catch {
    // Not every refusal has a message.
  }
  return statusError(answer, text, { effect: 'session', doing: 'resumableUpload', now: 0 });
}

/** Names and Base64 values, as in TUS. */
function metadataOf(call: TimetonicCall, session: TimetonicSession, source: Source, cell: Cell, uuid: string): string {
  const { apiVersion } = call.connection.settings;
  const values = {
    version: apiVersion ?? defaultVersion,
    ...callerFields(call, session),
    b_o: cell.bookOwner,
    b_c: cell.bookCode,
    rowId: cell.rowId,
    fieldId: cell.fieldId,
    uuid,
    filename: source.name,
    filetype: source.type,
  };
  return Object.entries(values)
    .map(([name, value]) => `${name} ${Buffer.from(value, 'utf8').toString('base64')}`)
    .join(',');
}

import { GatewayError, refusedField } from '../../../core/errors.ts';
import { type GivenFile, openSource, type Source } from '../../../core/given-file.ts';
import { failureOf } from '../../../core/vendor-failure.ts';
import { authorization, rootOf, type TalkCall, talkError, title } from '../connection.ts';
import { errorCodes } from '../error-codes.ts';
import { type Dialect, dialectOf } from '../wire/dialect.ts';
import { type OcsAnswer, ocsRequest, readAnswer, recordOf } from '../wire/protocol.ts';
import { refusalOf } from '../wire/refusal.ts';
import { checkFields } from '../wire/request.ts';
import { sessionFor } from '../wire/session-request.ts';
import type { ChatMessage } from './message.ts';
import { findSent, sendOnce } from './settle.ts';

interface FileToSend {
  token: string;
  file: GivenFile;
  caption?: string | undefined;
  replyTo?: number | undefined;
  silent?: boolean | undefined;
  threadId?: number | undefined;
}

/** The chat line, if it was found, with what is known of the file. */
interface SentFile {
  [field: string]: unknown;
  id: number | null;
  token: string;
  referenceId: string;
  path: string;
  size: number;
}

const doing = 'sendFile';
/** `shareType` of a Talk room. */
const roomShare = 10;
/** The time limit for a file, in milliseconds. */
const uploadTimeoutMs = 14 * 60_000;
/** How often another name is tried for a file whose name is taken. */
const maxNames = 5;

/**
 * Uploads a file into the account's attachment folder and shares it into a room. The server returns the share, not the message;
 * the message is found by its reference.
 */
export async function sendFile(input: FileToSend, call: TalkCall): Promise<SentFile> {
  if (call.connection.settings.guest) {
    throw talkError('vendor_forbidden', 'A guest has no files at the server: sendFile needs an account.');
  }
  const session = await sessionFor(call);
  const { token, file, ...manner } = input;
  const dialect: Dialect = dialectOf(session);
  checkFields(
    // `silent-send` is about messages only: files may be shared silently since they have captions.
    { caption: 'media-caption', replyTo: 'media-caption', silent: 'media-caption', threadId: 'threads' },
    manner,
    dialect,
    doing,
    session,
  );
  const source = await openSource(file, call);
  const folder = `/${(session.attachmentFolder ?? '/Talk').replace(/^\/+|\/+$/g, '')}`.replace(/^\/$/, '');
  const path = await upload(call, session.userId, folder, source);
  const sent = { token, referenceId: call.random.bytes(32).toString('hex'), doing };
  const body = {
    shareType: roomShare,
    shareWith: token,
    path,
    referenceId: sent.referenceId,
    ...(Object.keys(manner).length > 0 && { talkMetaData: JSON.stringify(manner) }),
  };
  const share = await sendOnce(call, sent, () => shareInto(call, body)).catch(async (error: unknown) => {
    if (error instanceof GatewayError && error.outcome !== 'unknown') await discard(call, session.userId, path);
    throw error;
  });
  const isMessage = recordOf(share)?.referenceId === sent.referenceId;
  // The file was sent: failing to read its message now is not a failure.
  const line = isMessage ? (share as ChatMessage) : await findSent(call, sent).catch(() => undefined);
  return { ...line, id: line?.id ?? null, token, referenceId: sent.referenceId, path, size: source.size };
}

/** Stores a file without overwriting another, and returns its path below the account's files. */
async function upload(call: TalkCall, userId: string, folder: string, source: Source): Promise<string> {
  for (let attempt = 0; attempt < maxNames; attempt++) {
    const path = `${folder}/${nameFor(source.name, attempt, call)}`;
    let answer = await put(call, userId, path, source);
    if (answer.status === 404 || answer.status === 409) {
      await dav(call, 'MKCOL', userId, folder);
      answer = await put(call, userId, path, source);
    }
    if (answer.status >= 200 && answer.status < 300) return path;
    // The name is taken.
    if (answer.status !== 412) throw uploadRefused(call, answer);
  }
  throw refusedField('/file/name', 'is taken, and so are the names like it');
}

/** The name as given, then with a few random digits before its extension. */
function nameFor(name: string, attempt: number, call: TalkCall): string {
  if (attempt === 0) return name;
  const at = name.lastIndexOf('.') > 0 ? name.lastIndexOf('.') : name.length;
  return `${name.slice(0, at)} (${call.random.bytes(3).toString('hex')})${name.slice(at)}`;
}

async function put(call: TalkCall, userId: string, path: string, source: Source): Promise<OcsAnswer> {
  const headers = { 'content-type': source.type, 'content-length': String(source.size), 'if-none-match': '*' };
  return dav(call, 'PUT', userId, path, { headers, body: await source.open(0, source.size) });
}

/** One request to the account's files. */
async function dav(
  call: TalkCall,
  method: string,
  userId: string,
  path: string,
  more: { headers?: Record<string, string>; body?: Awaited<ReturnType<Source['open']>> } = {},
): Promise<OcsAnswer> {
  const steps = [userId, ...path.split('/').filter((step) => step !== '')].map(encodeURIComponent);
  const answer = await call.http
    .request({
      method,
      url: `${rootOf(call.connection.settings)}/remote.php/dav/files/${steps.join('/')}`,
      headers: { ...(await authorization(call)), 'user-agent': 'Trunkline', ...more.headers },
      ...(more.body && { body: more.body }),
      timeoutMs: more.body ? uploadTimeoutMs : 10_000,
      signal: call.signal,
    })
    .catch((error: unknown) => {
      // An unshared file is visible to nobody.
      throw failureOf(error, { name: 'talk', title }, 'read', 'the upload of the file');
    });
  return readAnswer(answer);
}

/** Removes a file that could not be shared. */
async function discard(call: TalkCall, userId: string, path: string): Promise<void> {
  await dav(call, 'DELETE', userId, path).catch(() => undefined);
}

async function shareInto(call: TalkCall, body: object): Promise<unknown> {
  const answer = await ocsRequest(call, {
    method: 'POST',
    url: `${rootOf(call.connection.settings)}/ocs/v2.php/apps/files_sharing/api/v1/shares?format=json`,
    headers: await authorization(call),
    body,
    effect: 'write',
    doing,
  });
  if (answer.status >= 200 && answer.status < 300 && answer.enveloped) return answer.data;
  const meanings = {
    403: 'Files may not be shared into this room: it is read-only, or sharing is not allowed',
    404: 'There is no such room, or the account is not in it',
  };
  throw refusalOf(answer, {
    doing,
    effect: 'write',
    now: call.clock.now(),
    meanings,
    codes: { 404: errorCodes.room_not_found },
  });
}

function uploadRefused(call: TalkCall, answer: OcsAnswer): GatewayError {
  const meanings = { 403: 'The account may not write into its folder for attachments' };
  if (answer.status === 507) {
    return talkError('vendor_too_large', `${title} has no room left for the files of this account.`, {
      vendorCode: '507',
      outcome: 'refused',
    });
  }
  return refusalOf(answer, { doing: 'the upload of the file', effect: 'read', now: call.clock.now(), meanings });
}

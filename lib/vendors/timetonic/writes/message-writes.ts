import { GatewayError } from '../../../core/errors.ts';
import { type GivenFile, openSource, type Source } from '../../../core/given-file.ts';
import type { SendRequest } from '../../../core/operation.ts';
import { type TimetonicCall, timetonicError } from '../connection.ts';
import { uploadFile } from '../files/file-upload.ts';
import type { TimetonicRequest } from '../wire/send.ts';
import { sessionRequest } from '../wire/session-request.ts';
import { makeOnce, nameOf } from './made-once.ts';

type Ok = { status: 'ok'; [field: string]: unknown };

interface MessageInput {
  bookOwner: string;
  bookCode: string;
  msg: string;
  msg_id?: string | undefined;
  uuid?: string | undefined;
  nbMedias?: number | undefined;
  nbDocs?: number | undefined;
  files?: GivenFile[] | undefined;
  [field: string]: unknown;
}

/** The prefix of the uuids created here, by which polls recognise our own messages. */
export const uuidPrefix = 'tl-';

/** Sends or changes a message; with files, it announces them, determines its own id and attaches them. */
export async function sendMessage(
  input: MessageInput,
  sendRequest: SendRequest<TimetonicRequest>,
  call: TimetonicCall,
): Promise<Ok> {
  const answer = await sendOnce(input, sendRequest, call);
  const id = answer.createMessageId ?? answer.smid ?? input.msg_id;
  return { ...answer, ...(id !== undefined && { id: String(id) }) };
}

async function sendOnce(
  { files, ...input }: MessageInput,
  sendRequest: SendRequest<TimetonicRequest>,
  call: TimetonicCall,
): Promise<Ok> {
  // A change is idempotent.
  if (input.msg_id !== undefined && !files) return (await sendRequest('req=sendMsg', input)) as Ok;
  const sources = await Promise.all((files ?? []).map((each) => openSource(each, call)));
  const uuid = input.uuid ?? `${uuidPrefix}${call.random.bytes(16).toString('hex')}`;
  const fields = { ...input, uuid, ...announced(input, sources) };
  const make = async () => trimmed((await sendRequest('req=sendMsg', fields)) as Ok, uuid);
  const find = () => findMessage(call, input, uuid);
  const once =
    input.uuid === undefined
      ? makeAndFind(make, find)
      : makeOnce(call, nameOf('message', [input.bookOwner, input.bookCode, uuid]), `the message ${uuid}`, make, find);
  const { answer, existing } = await once;
  if (sources.length === 0 || existing) return existing ? { ...answer, existing: true } : answer;
  return attach(call, input, sources, answer, (await smidOf(answer, find)) ?? '');
}

/** After a lost response, the message itself shows that it arrived. */
async function makeAndFind(
  make: () => Promise<Ok>,
  find: () => Promise<Ok | undefined>,
): Promise<{ answer: Ok; existing: boolean }> {
  try {
    return { answer: await make(), existing: false };
  } catch (error) {
    if (!(error instanceof GatewayError) || error.code !== 'outcome_unknown') throw error;
    const found = await find().catch(() => undefined);
    if (!found) throw error;
    return { answer: found, existing: false };
  }
}

function announced({ nbMedias, nbDocs }: MessageInput, sources: Source[]): object {
  if (sources.length === 0) return {};
  const medias = sources.filter(({ type }) => /^(?:image|audio|video)\//.test(type)).length;
  return { nbMedias: (nbMedias ?? 0) + medias, nbDocs: (nbDocs ?? 0) + sources.length - medias };
}

function trimmed(answer: Ok, uuid: string): Ok {
  return { uuid, ...answer };
}

async function smidOf(answer: Ok, find: () => Promise<Ok | undefined>): Promise<string | undefined> {
  const smid = answer.createMessageId ?? answer.smid ?? (await find())?.smid;
  return smid === undefined ? undefined : String(smid);
}

/** The message with a uuid among the newest of its book. */
async function findMessage(
  call: TimetonicCall,
  { bookOwner, bookCode }: MessageInput,
  uuid: string,
): Promise<Ok | undefined> {
  const body = await sessionRequest(call, {
    req: 'getBookMessages',
    fields: { b_o: bookOwner, b_c: bookCode, nbMax: '100' },
    effect: 'read',
  });
  const messages = Array.isArray(body.bookMessages) ? (body.bookMessages as Record<string, unknown>[]) : [];
  const found = messages.find((message) => message.uuid === uuid);
  return found && { status: 'ok', smid: found.smid, uuid, sstamp: found.sstamp };
}

async function attach(
  call: TimetonicCall,
  input: MessageInput,
  sources: Source[],
  answer: Ok,
  smid: string,
): Promise<Ok> {
  const files: Record<string, unknown>[] = [];
  for (const source of sources) {
    try {
      if (smid === '') throw new Error('the message was not found again');
      const place = { b_o: input.bookOwner, b_c: input.bookCode, smid };
      const { status: _, ...file } = await uploadFile(
        call,
        source,
        place,
        `${uuidPrefix}${call.random.bytes(16).toString('hex')}`,
      );
      files.push(file);
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      throw timetonicError(
        'vendor_failed',
        `The message was sent${smid === '' ? '' : ` as ${smid}`} with ${files.length} of ${sources.length} files; ${source.name} could not be attached: ${why} Attach what is missing with fileUpload and that smid; sending the message again would create a second one.`,
        { outcome: 'refused', cause: error },
      );
    }
  }
  return { ...answer, smid, files };
}

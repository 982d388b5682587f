import { Readable } from 'node:stream';
import type { Source } from '../../../core/given-file.ts';
import { failureOf } from '../../../core/vendor-failure.ts';
import { baseOf, type TimetonicCall, title } from '../connection.ts';
import { readAnswer } from '../wire/protocol.ts';
import { callerFields, defaultVersion } from '../wire/session-request.ts';

/** What a file is attached to: a message or a cell. */
export interface UploadPlace {
  b_o: string;
  b_c: string;
  smid?: string | undefined;
  rowId?: string | undefined;
  fieldId?: string | undefined;
}

/** For a file of any size: the call's own deadline comes first. */
const uploadTimeoutMs = 14 * 60_000;

/** Sends a file in one multipart request, streaming its bytes. */
export function uploadFile(
  call: TimetonicCall,
  source: Source,
  place: UploadPlace,
  uuid: string,
): Promise<Record<string, unknown>> {
  const doing = 'fileUpload';
  const asking = { effect: 'write', doing, now: call.clock.now() } as const;
  return call.withSession(async (session) => {
    const { settings } = call.connection;
    const fields = {
      version: settings.apiVersion ?? defaultVersion,
      req: doing,
      ...callerFields(call, session),
      ...place,
      uuid,
    };
    const boundary = `trunkline-${call.random.bytes(18).toString('hex')}`;
    const head = Buffer.from(`${fieldParts(fields, boundary)}${fileHead(source, boundary)}`);
    const tail = Buffer.from(`\r\n--${boundary}--\r\n`);
    // Opened for each attempt: bytes that were sent once cannot be sent again.
    const content = await source.open(0, source.size);
    const answer = await call.http
      .request({
        method: 'POST',
        url: `${baseOf(settings)}/api.php`,
        headers: {
          'content-type': `multipart/form-data; boundary=${boundary}`,
          'content-length': String(head.length + source.size + tail.length),
          accept: 'application/json',
        },
        body: Readable.from(withProgress(call, source.size, head, content, tail)),
        timeoutMs: uploadTimeoutMs,
      })
      .catch((error: unknown) => {
        throw failureOf(error, { name: 'timetonic', title }, 'write', doing);
      })
      .finally(() => content.destroy());
    return readAnswer(answer, asking);
  });
}

/** The body part by part, with progress reports. */
async function* withProgress(
  call: TimetonicCall,
  size: number,
  head: Buffer,
  content: Readable,
  tail: Buffer,
): AsyncGenerator<Buffer> {
  yield head;
  let [sent, last] = [0, 0];
  for await (const chunk of content as AsyncIterable<Buffer>) {
    yield chunk;
    sent += chunk.length;
    if (sent - last < 4_000_000) continue;
    last = sent;
    await call.progress?.(sent, size);
  }
  yield tail;
}

function fieldParts(fields: Record<string, string | undefined>, boundary: string): string {
  return Object.entries(fields)
    .flatMap(([name, value]) =>
      value === undefined
        ? []
        : [`--${boundary}\r\nContent-Disposition: form-data; name="${name}"\r\n\r\n${value}\r\n`],
    )
    .join('');
}

function fileHead({ name, type }: Source, boundary: string): string {
  const quoted = name.toWellFormed().replace(/["\r\n\\]/g, '_');
  return `--${boundary}\r\nContent-Disposition: form-data; name="qqfile"; filename="${quoted}"\r\nContent-Type: ${type}\r\n\r\n`;
}

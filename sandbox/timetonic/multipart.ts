import { refused } from './refusal.ts';

/** The header of a part of a multipart body. */
export interface Part {
  name: string;
  /** Set when the part is a file. */
  fileName?: string;
  contentType: string;
}

/** Receives the bytes of a part as they arrive. */
export interface PartReader {
  write(chunk: Buffer): void;
  end(): void;
}

/** The boundary of a multipart content type; undefined for other types. */
export function boundaryOf(contentType: string): string | undefined {
  const found = /^multipart\/form-data;.*?boundary=(?:"([^"]{1,70})"|([^\s;]{1,70}))/i.exec(contentType);
  return found?.[1] ?? found?.[2];
}

/** Parses a multipart body part by part in constant memory; throws the vendor's refusal when it is malformed. */
export async function readMultipart(
  source: AsyncIterable<Buffer>,
  boundary: string,
  open: (part: Part) => PartReader,
): Promise<void> {
  const delimiter = Buffer.from(`\r\n--${boundary}`);
  let rest: Buffer = Buffer.from('\r\n');
  // The cast keeps TypeScript from taking the first state for the only one: step() changes it.
  let state = 'preamble' as 'preamble' | 'after-delimiter' | 'headers' | 'body' | 'done';
  let reader: PartReader | undefined;

  for await (const chunk of source) {
    rest = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
    while (step());
  }
  if (state !== 'done') throw refused('multipart body ends too early');

  /** Returns false when more bytes are needed. */
  function step(): boolean {
    switch (state) {
      case 'preamble':
      case 'body': {
        const at = rest.indexOf(delimiter);
        if (at < 0) {
          const sure = Math.max(0, rest.length - delimiter.length + 1);
          reader?.write(rest.subarray(0, sure));
          rest = rest.subarray(sure);
          return false;
        }
        reader?.write(rest.subarray(0, at));
        reader?.end();
        reader = undefined;
        rest = rest.subarray(at + delimiter.length);
        state = 'after-delimiter';
        return true;
      }
      case 'after-delimiter': {
        if (rest.length < 2) return false;
        const mark = rest.subarray(0, 2).toString('latin1');
        if (mark !== '--' && mark !== '\r\n') throw refused('multipart boundary is not followed by a line end');
        state = mark === '--' ? 'done' : 'headers';
        rest = rest.subarray(2);
        return true;
      }
      case 'headers': {
        const at = rest.indexOf('\r\n\r\n');
        if (at < 0 && rest.length > 16_384) throw refused('multipart headers are too long');
        if (at < 0) return false;
        reader = open(partOf(rest.subarray(0, at).toString('utf8')));
        rest = rest.subarray(at + 4);
        state = 'body';
        return true;
      }
      case 'done':
        rest = rest.subarray(rest.length);
        return false;
    }
  }
}

function partOf(headers: string): Part {
  const disposition = /^content-disposition:\s*form-data;(.*)$/im.exec(headers)?.[1] ?? '';
  const name = /(?:^|[;\s])name="((?:[^"\\]|\\.)*)"/.exec(disposition)?.[1];
  const fileName = /(?:^|[;\s])filename="((?:[^"\\]|\\.)*)"/.exec(disposition)?.[1];
  if (name === undefined) throw refused('multipart part has no name');
  const contentType = /^content-type:\s*(\S[^\r\n]*)$/im.exec(headers)?.[1]?.trim() ?? 'application/octet-stream';
  return { name, contentType, ...(fileName !== undefined && { fileName: fileName.replaceAll('%22', '"') }) };
}

import { text as readAll } from 'node:stream/consumers';
import { deflateRawSync, inflateRawSync } from 'node:zlib';
import type { FileStore } from '../core/files.ts';

/** Two such texts fit into an item (409,600 bytes), one into a durable checkpoint (256 kB). */
const maxInlineBytes = 180_000;

/** Text in an item: inline, or in a file when its UTF-8 is too long for that. */
export type StoredText = { text: string; file?: never } | { file: string; text?: never };

/** Stores text; `file` is the path that it gets when it is longer than `maxBytes` in UTF-8, by default too long for an item. */
export async function storeText(
  files: FileStore,
  text: string,
  file: string,
  maxBytes = maxInlineBytes,
): Promise<StoredText> {
  if (Buffer.byteLength(text) <= maxBytes) return { text };
  await files.put(file, Buffer.from(text), 'application/json');
  return { file };
}

/** Reads the full text of a file. */
export async function readFileText(files: FileStore, file: string): Promise<string> {
  return readAll((await files.get(file)).stream);
}

const packedPrefix = 'deflate:';

/** Text for an item: as it is, or compressed when it is long. Undefined when it does not fit even then. */
export function packText(text: string): string | undefined {
  if (Buffer.byteLength(text) <= maxInlineBytes) return text;
  const packed = packedPrefix + deflateRawSync(text).toString('base64');
  return packed.length <= maxInlineBytes ? packed : undefined;
}

/** The text that was packed. */
export function unpackText(stored: string): string {
  if (!stored.startsWith(packedPrefix)) return stored;
  return inflateRawSync(Buffer.from(stored.slice(packedPrefix.length), 'base64')).toString('utf8');
}

import { text as readAll } from 'node:stream/consumers';
import type { FileStore } from '../core/files.ts';

/** Two such texts fit into an item (409,600 bytes), one into a durable checkpoint (256 kB). */
const maxInlineBytes = 180_000;

/** Text in an item: inline, or in a file when its UTF-8 is too long for that. */
export type StoredText = { text: string; file?: never } | { file: string; text?: never };

/** Stores text; `file` is the path that it gets when it does not fit into an item. */
export async function storeText(files: FileStore, text: string, file: string): Promise<StoredText> {
  if (Buffer.byteLength(text) <= maxInlineBytes) return { text };
  await files.put(file, Buffer.from(text), 'application/json');
  return { file };
}

/** Reads the whole text of a file. */
export async function readFileText(files: FileStore, file: string): Promise<string> {
  return readAll((await files.get(file)).stream);
}

import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import type { FileStore } from '../../core/files.ts';

/** A file store over another one: what is put here is read here and nowhere else, and everything else is read from below. */
export function scratchFiles(below: FileStore): FileStore {
  const own = new Map<string, { content: Buffer; type: string }>();
  return {
    createUpload: (promise) => below.createUpload(promise),
    openRead: (uploadId, range) => below.openRead(uploadId, range),
    get: async (key, range) => {
      const file = own.get(key);
      if (!file) return below.get(key, range);
      return { stream: Readable.from([file.content]), size: file.content.length, type: file.type };
    },
    put: async (key, content, type) => {
      own.set(key, { content: content instanceof Uint8Array ? Buffer.from(content) : await buffer(content), type });
    },
    // Nothing outside can read it.
    link: async (key) => `scratch:${key}`,
    remove: async (key) => void own.delete(key),
  };
}

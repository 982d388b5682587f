import type { FileStore } from '../core/files.ts';
import { once } from '../core/once.ts';

/** A file store that is loaded at first use, because most calls need no files. */
export function filesOnUse(load: () => Promise<FileStore>): FileStore {
  const store = once(load);
  return {
    createUpload: async (...given) => (await store()).createUpload(...given),
    openRead: async (...given) => (await store()).openRead(...given),
    get: async (...given) => (await store()).get(...given),
    put: async (...given) => (await store()).put(...given),
    link: async (...given) => (await store()).link(...given),
    remove: async (...given) => (await store()).remove(...given),
  };
}

import { createHash } from 'node:crypto';
import type { Serdes } from '@aws/durable-execution-sdk-js';
import type { FileStore } from '../core/files.ts';
import { readFileText, storeText } from '../store/blobs.ts';

/** Lambda keeps 256 kB of one result, and 100 MB of an execution with its 3,000 results. */
const maxBytes = 180_000;
const manyBytes = 50_000_000;
/** The maximum once an execution has `manyBytes`. */
const maxBytesOfMany = 15_000;

/** The results of an execution as JSON in its checkpoints, or in the file store if they are too long or too many. */
export class Checkpoints {
  readonly #files: FileStore;
  /** What this invocation has stored, and what it has read of earlier ones, in bytes. */
  #kept = 0;

  constructor(files: FileStore) {
    this.#files = files;
  }

  serdes<T extends object>(): Serdes<T> {
    return {
      serialize: async (value, { entityId, durableExecutionArn }) => {
        const json = JSON.stringify(value ?? {});
        const digest = createHash('sha256').update(`${durableExecutionArn}\n${entityId}`).digest('base64url');
        const most = this.#kept < manyBytes ? maxBytes : maxBytesOfMany;
        const { text, file } = await storeText(this.#files, json, `runs/steps/${digest}`, most);
        return this.#keep(text ?? JSON.stringify({ file }));
      },
      deserialize: async (data) => {
        // Written by the lines above.
        const held = JSON.parse(this.#keep(data ?? '{}')) as T & { file?: string };
        if (held.file === undefined) return held;
        return JSON.parse(await readFileText(this.#files, held.file)) as T;
      },
    };
  }

  #keep(text: string): string {
    this.#kept += Buffer.byteLength(text);
    return text;
  }
}

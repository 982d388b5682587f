import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** Bytes above this are hashed and counted only. */
const maxKeptBytes = 16 * 1024 * 1024;

/** The storage of small files' bytes: beside the state file if there is one, otherwise in memory. */
export interface ByteStore {
  put(fileId: string, bytes: Buffer): void;
  get(fileId: string): Buffer | undefined;
}

/** Opens the store that belongs to a state file. */
export function openByteStore(stateFile: string | undefined): ByteStore {
  if (stateFile === undefined) {
    const files = new Map<string, Buffer>();
    return { put: (fileId, bytes) => void files.set(fileId, bytes), get: (fileId) => files.get(fileId) };
  }
  const directory = `${stateFile}.files`;
  return {
    put: (fileId, bytes) => {
      mkdirSync(directory, { recursive: true });
      writeFileSync(join(directory, fileId), bytes);
    },
    get: (fileId) => {
      try {
        return readFileSync(join(directory, fileId));
      } catch {
        return undefined;
      }
    },
  };
}

/** Receives a file as it arrives: keeps a running SHA-256 and size, and the bytes of small files. */
export class FileSink {
  readonly #hash = createHash('sha256');
  #chunks: Buffer[] | undefined = [];
  size = 0;

  write(chunk: Buffer): void {
    this.#hash.update(chunk);
    this.size += chunk.length;
    if (this.size > maxKeptBytes) this.#chunks = undefined;
    // A copy, because a chunk may be a view of a much larger read buffer.
    this.#chunks?.push(Buffer.from(chunk));
  }

  /** SHA-256 (hex) and size of everything that was written, with the bytes of a small file. */
  finish(): { sha256: string; size: number; bytes: Buffer | undefined } {
    const bytes = this.#chunks && Buffer.concat(this.#chunks);
    return { sha256: this.#hash.digest('hex'), size: this.size, bytes };
  }
}

const blockSize = 65_536;

/** The bytes of a generated file, in blocks; the same seed and size give the same bytes, and no two blocks are alike. */
export function* generatedBytes(seed: number, size: number): Generator<Buffer> {
  const block = Buffer.alloc(blockSize);
  for (let at = 0; at < blockSize; at += 32) createHash('sha256').update(`${seed}:${at}`).digest().copy(block, at);
  for (let at = 0; at < size; at += blockSize) {
    const next = Buffer.from(block);
    next.writeBigUInt64BE(BigInt(at), 0);
    yield next.subarray(0, Math.min(blockSize, size - at));
  }
}

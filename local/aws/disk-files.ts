import { createHash, randomUUID } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { open, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { type ByteRange, retentionOf, type StoredFile } from '../../lib/core/files.ts';

/** What is known of a stored file. */
export interface FileRecord {
  key: string;
  type: string;
  size: number;
  name?: string;
  /** Epoch milliseconds. */
  storedAt: number;
  /** The file of the directory that has the bytes. */
  data: string;
}

/** Files of a directory by key. Each write makes a new data file; the record that points to it is replaced in one step. */
export interface DiskFiles {
  /** Undefined when there is none, or its time is over. */
  find(key: string): Promise<FileRecord | undefined>;
  read(key: string, range?: ByteRange): Promise<StoredFile | undefined>;
  /** Streams to disk. A stream that breaks off leaves nothing behind and replaces nothing. */
  write(key: string, content: Uint8Array | Readable, about: { type: string; name?: string }): Promise<FileRecord>;
  remove(key: string): Promise<void>;
  /** Removes expired files and what an interrupted write left behind. */
  sweep(): Promise<void>;
}

/** `now` is epoch milliseconds. */
export function diskFiles(directory: string, now: () => number): DiskFiles {
  const writing = new Set<string>();
  // Keys come from callers; their digests are safe file names.
  const recordFile = (key: string) => join(directory, `${createHash('sha256').update(key).digest('hex')}.json`);
  const isOver = (record: FileRecord) => now() - record.storedAt > retentionOf(record.key);
  const discard = (name: string) => rm(join(directory, name), { force: true });

  async function find(key: string): Promise<FileRecord | undefined> {
    const record = await readRecord(recordFile(key));
    return record === undefined || isOver(record) ? undefined : record;
  }

  async function remove(key: string): Promise<void> {
    const record = await readRecord(recordFile(key));
    await rm(recordFile(key), { force: true });
    if (record !== undefined) await discard(record.data);
  }

  return {
    find,
    remove,
    async read(key, range = {}) {
      const record = await find(key);
      // Opened now, so that a removal in between does not break the reading.
      const handle = record && (await open(join(directory, record.data)).catch(ignoreMissing));
      if (record === undefined || handle === undefined) return undefined;
      const { size, type, name } = record;
      return { stream: handle.createReadStream(range), size, type, ...(name !== undefined && { name }) };
    },
    async write(key, content, { type, name }) {
      const data = `${randomUUID()}.data`;
      const draft = `${data}.new`;
      writing.add(data).add(draft);
      try {
        const sink = createWriteStream(join(directory, data), { flags: 'wx', mode: 0o600, flush: true });
        await pipeline(content instanceof Uint8Array ? Readable.from([content]) : content, sink);
        const before = await readRecord(recordFile(key));
        const about = { key, type, size: sink.bytesWritten, storedAt: now(), data };
        const record: FileRecord = { ...about, ...(name !== undefined && { name }) };
        await writeFile(join(directory, draft), JSON.stringify(record), { mode: 0o600, flush: true });
        await rename(join(directory, draft), recordFile(key));
        if (before !== undefined) await discard(before.data);
        return record;
      } catch (error) {
        await discard(data);
        await discard(draft);
        throw error;
      } finally {
        writing.delete(data);
        writing.delete(draft);
      }
    },
    async sweep() {
      const parts = (await readdir(directory)).filter((name) => /\.data(\.new)?$/.test(name));
      // In this order: a file that is being written now is skipped, and a file that was finished before has its record below.
      const inWork = new Set(writing);
      const used = new Set<string>();
      for (const name of await readdir(directory)) {
        const record = name.endsWith('.json') ? await readRecord(join(directory, name)) : undefined;
        if (record === undefined) continue;
        if (isOver(record)) await remove(record.key);
        else used.add(record.data);
      }
      for (const name of parts) if (!inWork.has(name) && !used.has(name)) await discard(name);
    },
  };
}

async function readRecord(file: string): Promise<FileRecord | undefined> {
  const text = await readFile(file, 'utf8').catch(ignoreMissing);
  if (text === undefined) return undefined;
  try {
    return JSON.parse(text) as FileRecord;
  } catch {
    // A damaged disk: the file cannot be found any more, and everything else goes on.
    return undefined;
  }
}

function ignoreMissing(error: NodeJS.ErrnoException): undefined {
  if (error.code !== 'ENOENT') throw error;
  return undefined;
}

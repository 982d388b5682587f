import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { afterEach, beforeEach } from 'vitest';
import type { ByteRange, UploadTarget } from '../../lib/core/files.ts';
import { type LocalFileStore, startFileStore } from '../../local/aws/file-store.ts';
import { type HttpBridge, startHttpBridge } from '../../local/aws/http-bridge.ts';

/** A file store behind a bridge, in a separate directory for each test of the file, on a clock that the test moves. */
export function useFiles() {
  const used = {
    directory: '',
    files: undefined as unknown as LocalFileStore,
    bridge: undefined as unknown as HttpBridge,
    time: 0,
    async open() {
      used.files = await startFileStore({ directory: used.directory, now: () => used.time });
      used.bridge = await startHttpBridge({ routes: [], files: used.files });
    },
    async close() {
      await used.bridge.close();
      await used.files.close();
    },
    promise: (size: number) => used.files.createUpload({ name: 'plan.txt', type: 'text/plain', size }),
    send: ({ url, method, headers }: UploadTarget, body: string, more: Record<string, string> = {}) =>
      fetch(url, { method, body, headers: { ...headers, ...more } }),
    contents: async (uploadId: string, range: ByteRange = {}) =>
      text((await used.files.openRead(uploadId, range)).stream),
    /** Data and drafts in the directory; records, key and lock left out. */
    dataFiles: () => readdirSync(used.directory).filter((name) => name.includes('.data')),
  };
  beforeEach(async () => {
    used.directory = mkdtempSync(join(tmpdir(), 'trunkline-files-'));
    used.time = Date.parse('2026-11-01T12:00:00Z');
    await used.open();
  });
  afterEach(async () => {
    await used.close();
    rmSync(used.directory, { recursive: true, force: true });
  });
  return used;
}

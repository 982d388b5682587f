import { randomBytes } from 'node:crypto';
import { Readable } from 'node:stream';
import { beforeEach, expect, test } from 'vitest';
import type { FileStore } from '../core/files.ts';
import { packText, readFileText, storeText, unpackText } from './blobs.ts';

const kept = new Map<string, Buffer>();
const files: Pick<FileStore, 'put' | 'get'> = {
  put: async (key, content) => void kept.set(key, Buffer.from(content as Uint8Array)),
  get: async (key) => {
    const bytes = kept.get(key) ?? Buffer.alloc(0);
    // Cut within characters, as a network does.
    const pieces = Array.from({ length: Math.ceil(bytes.length / 1000) }, (_, at) =>
      bytes.subarray(at * 1000, at * 1000 + 1000),
    );
    return { stream: Readable.from(pieces, { objectMode: false }), size: bytes.length, type: 'application/json' };
  },
};
// Only these two methods are used.
const store = files as FileStore;
beforeEach(() => kept.clear());

test('short text stays in the item', async () => {
  expect(await storeText(store, 'short', 'runs/1')).toEqual({ text: 'short' });
  expect(kept.size).toBe(0);
});

test('size is that of the UTF-8, not of the characters', async () => {
  const korean = '한'.repeat(100_000);
  expect(await storeText(store, korean, 'runs/1')).toEqual({ file: 'runs/1' });
  expect(await readFileText(store, 'runs/1')).toBe(korean);
  expect(await storeText(store, 'a'.repeat(100_000), 'runs/2')).toEqual({ text: 'a'.repeat(100_000) });
});

test('long text is packed into what an item takes, and what cannot be packed does not fit', () => {
  const long = JSON.stringify(Array.from({ length: 16_000 }, (_, at) => ({ text: `한국어 ${at}` })));
  expect(Buffer.byteLength(long)).toBeGreaterThan(400_000);
  const packed = packText(long) ?? '';
  expect(packed.length).toBeLessThan(180_001);
  expect(unpackText(packed)).toBe(long);
  expect(packText('short')).toBe('short');
  expect(unpackText('short')).toBe('short');
  expect(packText(randomBytes(300_000).toString('base64'))).toBeUndefined();
});

import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';

/** The product keeps its data on a file system of 96 MB, which a file of ours fills. */
const main = join(import.meta.dirname, '../../local/main.ts');
const adminKey = 'tl_a-key-for-a-full-disk';
const directory = mkdtempSync(join(tmpdir(), 'trunkline-full-'));
let product: ChildProcess;
let url = '';
/** The file that fills the disk, as the outside sees it. */
let filler = '';
let hook = '';
let output = '';

interface Answer {
  status: number;
  headers: Headers;
  body: Record<string, unknown>;
}

async function call(method: string, path: string, body?: unknown): Promise<Answer> {
  const answer = await fetch(url + path, {
    method,
    headers: { authorization: `Bearer ${adminKey}`, 'content-type': 'application/json' },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  });
  return { status: answer.status, headers: answer.headers, body: (await answer.json()) as Record<string, unknown> };
}

const accepted: string[] = [];
let posted = 0;
/** Posts a message of 20 kB that is unlike all others. */
async function post(): Promise<Answer> {
  const answer = await call('POST', hook, { number: posted++, text: 'x'.repeat(20_000) });
  if (answer.status === 202) accepted.push(String(answer.body.eventId));
  return answer;
}
const health = async () => {
  const { status, body } = await call('GET', '/health');
  const checks = body.checks as { name: string; ok: boolean; message: string }[];
  return { status, disk: checks.find(({ name }) => name === 'disk') };
};

beforeAll(async () => {
  // A separate mount namespace, which needs no rights in the system.
  const asRoot = process.getuid?.() === 0 ? [] : ['--map-root-user'];
  const start = 'mount -t tmpfs -o size=96m tmpfs "$TRUNKLINE_DATA" && exec "$0" "$1"';
  product = spawn('unshare', [...asRoot, '--mount', 'sh', '-c', start, process.execPath, main], {
    env: {
      ...process.env,
      PORT: '0',
      TRUNKLINE_DATA: directory,
      TRUNKLINE_ADMIN_KEY: adminKey,
      TRUNKLINE_SANDBOX: 'off',
    },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  product.stdout?.on('data', (chunk: Buffer) => {
    output += chunk.toString('utf8');
  });
  await vi.waitFor(() => expect(output).toMatch(/^ready /m), { timeout: 120_000 });
  url = output.match(/^ready (\S+)/m)?.[1] ?? '';
  filler = `/proc/${product.pid}/root${directory}/filler`;
  const made = await call('POST', '/v1/hooks', { name: 'Full', verify: { kind: 'none' }, perMinute: 60_000 });
  expect(made.status, JSON.stringify(made.body)).toBe(201);
  hook = new URL(String(made.body.url)).pathname;
}, 180_000);
afterAll(async () => {
  const ended = new Promise((resolve) => product.once('exit', resolve));
  product.kill('SIGKILL');
  await ended;
  rmSync(directory, { recursive: true, force: true });
});

function fillDisk(): void {
  const file = openSync(filler, 'w');
  try {
    for (const size of [1_000_000, 4_096, 1]) {
      try {
        for (;;) writeSync(file, Buffer.alloc(size));
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
      }
    }
  } finally {
    closeSync(file);
  }
}

test('a full disk is a 503 that says so, in answers and in /health, and nothing that was accepted is lost', async () => {
  expect((await post()).status).toBe(202);
  expect(await health()).toMatchObject({ disk: { ok: true } });
  fillDisk();
  // What the database has set aside for itself takes a few more.
  await vi.waitFor(async () => expect((await post()).status).not.toBe(202), { timeout: 120_000, interval: 0 });
  const refused = [await post(), await call('POST', '/v1/keys', { name: 'late', scopes: ['trunkline/events/read'] })];
  for (const { status, headers, body } of refused) {
    expect([status, headers.get('retry-after')], JSON.stringify(body)).toEqual([503, '30']);
    expect(body).toMatchObject({
      code: 'unavailable',
      retryable: true,
      message: expect.stringContaining('disk is full'),
    });
  }
  expect(await health()).toEqual({
    status: 503,
    disk: { name: 'disk', ok: false, message: '0 MB are left for data: free some space' },
  });
  // Reading still works.
  expect((await call('GET', '/v1/events?type=trunkline.hook.received&limit=1')).status).toBe(200);

  rmSync(filler);
  await vi.waitFor(async () => expect((await post()).status).toBe(202), { timeout: 120_000 });
  const events = async () => {
    const { body } = await call('GET', '/v1/events?type=trunkline.hook.received&limit=500');
    return (body as unknown as { id: string }[]).map(({ id }) => id).sort();
  };
  await vi.waitFor(async () => expect(await events()).toEqual(accepted.toSorted()), { timeout: 120_000 });
  expect(await health()).toMatchObject({ disk: { ok: true } });
});

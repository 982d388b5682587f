import { createCipheriv, createDecipheriv, createHash } from 'node:crypto';
import type { Clock, Random } from '../core/clock.ts';
import { GatewayError, type Problem, problemOf } from '../core/errors.ts';
import type { FileStore } from '../core/files.ts';
import { expiry, keys } from '../store/items.ts';
import type { Key, Table } from '../store/table.ts';

/** A JSON answer as it goes out. */
export interface JsonAnswer {
  status: number;
  headers?: Record<string, string>;
  body: unknown;
}

interface StoredCall extends Key {
  fingerprint: string;
  state: 'running' | 'done';
  fence: string;
  /** Until when the first call may still be running, epoch milliseconds. */
  runningUntil: number;
  keptUntil: number;
  status?: number;
  answer?: string;
  /** Where an answer too big for the table lies. */
  file?: string;
  expiresAt: number;
}

/** Longer than any call can take. */
const runningTime = 60_000;
const retentionMs = 24 * 60 * 60_000;
const largestInline = 200_000;

export interface IdempotencyServices {
  table: Table;
  files: FileStore;
  clock: Clock;
  random: Random;
}

/** A write that is to be done once. */
export interface OnceRequest {
  keyId: string;
  key: string;
  requestId: string;
  fingerprint: unknown;
  /** The caller's own secret: the answer is stored encrypted under it, so that one which shows a new secret can be repeated. */
  seal?: string;
}

/**
 * Runs a write once for a key. A repeat gets the stored answer; one that comes while the first runs gets 409. What was decided
 * before the vendor was asked is not stored, and the key is free again.
 */
export async function once(
  services: IdempotencyServices,
  request: OnceRequest,
  run: () => Promise<JsonAnswer>,
): Promise<JsonAnswer> {
  const { table, clock, random } = services;
  const key = keys.idempotency(request.keyId, request.key);
  const now = clock.now();
  const fence = random.bytes(12).toString('base64url');
  const fingerprint = createHash('sha256').update(stable(request.fingerprint)).digest('base64url');
  const claim: StoredCall = {
    ...key,
    fingerprint,
    state: 'running',
    fence,
    runningUntil: now + runningTime,
    keptUntil: now + retentionMs,
    expiresAt: expiry(now + retentionMs),
  };
  const claimed = await table.put<StoredCall>(claim, 'attribute_not_exists(#pk) OR #keptUntil < :now', { now });
  if (!claimed.done) return repeat(services, claimed.item, fingerprint, now, request.seal);

  try {
    const answer = await run();
    await finish(services, key, fence, answer, request.seal);
    return answer;
  } catch (error) {
    if (error instanceof GatewayError && error.outcome !== 'no') {
      await finish(
        services,
        key,
        fence,
        { status: error.status, body: problemOf(error, request.requestId) },
        request.seal,
      );
    } else {
      await table.delete(key, '#fence = :fence AND #state = :running', { fence, running: 'running' });
    }
    throw error;
  }
}

async function repeat(
  services: IdempotencyServices,
  stored: StoredCall | undefined,
  fingerprint: string,
  now: number,
  seal: string | undefined,
): Promise<JsonAnswer> {
  if (!stored)
    throw new GatewayError('idempotency_in_progress', 'The same Idempotency-Key was in use a moment ago. Try again.', {
      retryAfter: 1,
    });
  if (stored.fingerprint !== fingerprint) {
    throw new GatewayError(
      'idempotency_key_reused',
      'This Idempotency-Key was used with another request. Use a new key for a new request.',
    );
  }
  if (stored.state === 'running') {
    if (stored.runningUntil > now) {
      throw new GatewayError(
        'idempotency_in_progress',
        'The first request with this Idempotency-Key is still running.',
        { retryAfter: 2 },
      );
    }
    throw new GatewayError(
      'outcome_unknown',
      'The first request with this Idempotency-Key was cut off, and whether the vendor carried it out is not known. Look before you send it under a new key.',
    );
  }
  const kept = stored.file === undefined ? (stored.answer ?? 'null') : await readText(services.files, stored.file);
  const text = seal === undefined ? kept : unsealed(kept, seal);
  const read: unknown = JSON.parse(text);
  const body = stored.status === 204 ? undefined : read;
  const problem = (stored.status ?? 200) >= 400 ? { 'content-type': 'application/problem+json' } : {};
  return { status: stored.status ?? 200, headers: { ...problem, 'idempotent-replayed': 'true' }, body };
}

async function finish(
  services: IdempotencyServices,
  key: Key,
  fence: string,
  answer: { status: number; body: unknown | Problem },
  seal: string | undefined,
): Promise<void> {
  const plain = JSON.stringify(answer.body ?? null);
  const text = seal === undefined ? plain : sealed(plain, seal, services.random.bytes(12));
  const file = text.length > largestInline ? `idempotency/${fence}` : undefined;
  if (file !== undefined) await services.files.put(file, Buffer.from(text), 'application/json');
  await services.table.update(
    key,
    `SET #state = :done, #status = :status, ${file === undefined ? '#answer = :text' : '#file = :file'}`,
    { done: 'done', status: answer.status, text: file === undefined ? text : undefined, file, fence },
    '#fence = :fence',
  );
}

async function readText(files: FileStore, key: string): Promise<string> {
  const { stream } = await files.get(key);
  const chunks: Buffer[] = [];
  for await (const chunk of stream) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString('utf8');
}

function sealed(text: string, seal: string, iv: Buffer): string {
  const cipher = createCipheriv('aes-256-gcm', createHash('sha256').update(seal).digest(), iv);
  const body = Buffer.concat([cipher.update(text, 'utf8'), cipher.final()]);
  return Buffer.concat([iv, cipher.getAuthTag(), body]).toString('base64');
}

function unsealed(text: string, seal: string): string {
  const bytes = Buffer.from(text, 'base64');
  try {
    const decipher = createDecipheriv('aes-256-gcm', createHash('sha256').update(seal).digest(), bytes.subarray(0, 12));
    decipher.setAuthTag(bytes.subarray(12, 28));
    return Buffer.concat([decipher.update(bytes.subarray(28)), decipher.final()]).toString('utf8');
  } catch {
    throw new GatewayError(
      'conflict',
      'The first request with this Idempotency-Key was made under another secret of this key, so its answer cannot be shown again.',
    );
  }
}

/** JSON with sorted keys, so that the order of fields makes no other request. */
function stable(value: unknown): string {
  return JSON.stringify(value, (_, each: unknown) =>
    each !== null && typeof each === 'object' && !Array.isArray(each)
      ? Object.fromEntries(Object.entries(each).sort(([one], [other]) => (one < other ? -1 : 1)))
      : each,
  );
}

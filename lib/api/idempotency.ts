import { hash } from 'node:crypto';
import type { Clock, Random } from '../core/clock.ts';
import { GatewayError, type Problem, problemOf } from '../core/errors.ts';
import type { FileStore } from '../core/files.ts';
import { canonicalJson } from '../core/record.ts';
import { seal as sealText, unseal } from '../core/seal.ts';
import { readFileText, storeText } from '../store/blobs.ts';
import { expiry, keys } from '../store/items.ts';
import type { Key, Table } from '../store/table.ts';

/** A JSON response as sent. */
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
  /** Where a response that is too large for the table is stored. */
  file?: string;
  expiresAt: number;
}

/** Longer than any call can take. */
const maxRunningMs = 60_000;
const retentionMs = 24 * 60 * 60_000;

export interface IdempotencyServices {
  table: Table;
  files: FileStore;
  clock: Clock;
  random: Random;
}

/** A write that must run only once. */
export interface OnceRequest {
  /** The vendor that is called, or `control`. */
  area: string;
  keyId: string;
  key: string;
  requestId: string;
  fingerprint: unknown;
  /** The caller's own secret: the answer is stored encrypted under it, so that one which shows a new secret can be repeated. */
  seal?: string;
}

/**
 * Runs a write once for a key. A repeat gets the stored answer; one that comes while the first runs gets 409. The key is free
 * again only when the write was rejected before the vendor was asked, which `run` reports through `asked`: whatever the table
 * does afterwards, nobody sends it twice.
 */
export async function once(
  services: IdempotencyServices,
  request: OnceRequest,
  run: (asked: () => void) => Promise<JsonAnswer>,
): Promise<JsonAnswer> {
  const { table, clock, random } = services;
  const key = keys.idempotency(request.area, request.keyId, request.key);
  const now = clock.now();
  const fence = random.bytes(12).toString('base64url');
  // The order of fields does not make a different request.
  const fingerprint = hash('sha256', canonicalJson(request.fingerprint), 'base64url');
  const claim: StoredCall = {
    ...key,
    fingerprint,
    state: 'running',
    fence,
    runningUntil: now + maxRunningMs,
    keptUntil: now + retentionMs,
    expiresAt: expiry(now + retentionMs),
  };
  const free = () =>
    table.delete(key, '#fence = :fence AND #state = :running', { fence, running: 'running' }).catch(() => undefined);
  const claimed = await table
    .put<StoredCall>(claim, 'attribute_not_exists(#pk) OR #keptUntil < :now', { now })
    .catch(async (error: unknown) => {
      // One of the SDK's attempts may have stored it.
      await free();
      throw error;
    });
  if (!claimed.done) return repeat(services, claimed.item, fingerprint, now, request.seal);

  // A response that cannot be stored leaves the key claimed. The next use of the key reports that the outcome is unknown.
  const keep = (answer: { status: number; body: unknown }) =>
    finish(services, request, key, fence, answer).catch(() => undefined);
  let vendorWasAsked = false;
  let answer: JsonAnswer;
  try {
    answer = await run(() => {
      vendorWasAsked = true;
    });
  } catch (error) {
    if (error instanceof GatewayError && error.outcome !== 'no') {
      await keep({ status: error.status, body: problemOf(error, request.requestId) });
    } else if (!vendorWasAsked || (error instanceof GatewayError && error.vendor !== undefined)) {
      await free();
    }
    throw error;
  }
  await keep(answer);
  return answer;
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
      'The first request with this Idempotency-Key was interrupted, and it is not known whether the vendor carried it out. Check before you send it with a new key.',
    );
  }
  const kept = stored.file === undefined ? (stored.answer ?? 'null') : await readFileText(services.files, stored.file);
  const text = seal === undefined ? kept : opened(kept, seal);
  const read: unknown = JSON.parse(text);
  const body = stored.status === 204 ? undefined : read;
  const problem = (stored.status ?? 200) >= 400 ? { 'content-type': 'application/problem+json' } : {};
  return { status: stored.status ?? 200, headers: { ...problem, 'idempotent-replayed': 'true' }, body };
}

async function finish(
  services: IdempotencyServices,
  { area, seal }: OnceRequest,
  key: Key,
  fence: string,
  answer: { status: number; body: unknown | Problem },
): Promise<void> {
  const plain = JSON.stringify(answer.body ?? null);
  const kept = seal === undefined ? plain : sealText(hash('sha256', seal, 'buffer'), '', plain).toString('base64');
  const { text, file } = await storeText(services.files, kept, `idempotency/${area}/${fence}`);
  await services.table.update(
    key,
    `SET #state = :done, #status = :status, ${file === undefined ? '#answer = :text' : '#file = :file'}`,
    { done: 'done', status: answer.status, text, file, fence },
    '#fence = :fence',
  );
}

function opened(kept: string, seal: string): string {
  try {
    return unseal(hash('sha256', seal, 'buffer'), '', Buffer.from(kept, 'base64'));
  } catch {
    throw new GatewayError(
      'conflict',
      'The first request with this Idempotency-Key was sent with another secret of this key, so its response cannot be shown again.',
    );
  }
}

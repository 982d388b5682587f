import { redact } from '../core/redaction/redact.ts';
import { keys } from '../store/items.ts';
import type { Key, Table } from '../store/table.ts';
import { keepRefusal } from './refusals.ts';

/** What has come through a hook. Times are ISO 8601. */
export interface HookStatus {
  /** Messages that were stored, those that had been before, and those that were refused. */
  received?: number;
  repeated?: number;
  refused?: number;
  /** Handshakes that were answered. */
  handshakes?: number;
  lastHandshakeAt?: string;
  lastReceivedAt?: string;
  /** The body of the last stored message as JSON, redacted and cut. */
  lastBody?: string;
  lastRefusedAt?: string;
  /** The reason, worded for the hook's owner. */
  lastRefusal?: string;
  lastRefusalStatus?: number;
  /** What went wrong with a message that was stored all the same. */
  lastProblem?: string;
}

type StatusItem = Key & HookStatus;

/** The longest sample of a body, in bytes. */
const maxSampleBytes = 2048;

/** Counts a stored message and keeps a sample of it. Statistics for the owner must never fail a message. */
export async function noteReceived(
  table: Table,
  id: string,
  now: number,
  message: { body: unknown; problem?: string | undefined },
): Promise<void> {
  const values = { one: 1, at: iso(now), body: sampleOf(message.body), problem: message.problem };
  await table
    .update(
      keys.hookStatus(id),
      `SET #lastReceivedAt = :at, #lastBody = :body${message.problem === undefined ? '' : ', #lastProblem = :problem'} ADD #received :one`,
      values,
    )
    .catch(() => undefined);
}

/** Counts a message that had come before. */
export async function noteRepeated(table: Table, id: string): Promise<void> {
  await table.update(keys.hookStatus(id), 'ADD #repeated :one', { one: 1 }).catch(() => undefined);
}

/** Counts a handshake that was answered. */
export async function noteHandshake(table: Table, id: string, now: number): Promise<void> {
  const values = { one: 1, at: iso(now) };
  await table
    .update(keys.hookStatus(id), 'SET #lastHandshakeAt = :at ADD #handshakes :one', values)
    .catch(() => undefined);
}

/** Counts a refusal with its reason, and keeps the post for the hook's owner. */
export async function noteRefused(
  table: Table,
  id: string,
  now: number,
  refusal: { reason: string; status: number; body: string },
): Promise<void> {
  const at = iso(now);
  const reason = refusal.reason.slice(0, 500);
  await table
    .update<StatusItem>(
      keys.hookStatus(id),
      'SET #lastRefusedAt = :at, #lastRefusal = :reason, #lastRefusalStatus = :status ADD #refused :one',
      { one: 1, at, reason, status: refusal.status },
    )
    .then(({ item }) =>
      keepRefusal(table, id, item?.refused ?? 0, {
        at,
        status: refusal.status,
        reason,
        ...(refusal.body !== '' && { body: refusal.body }),
      }),
    )
    .catch(() => undefined);
}

/** What is known of a hook, or of all of them by id. */
export async function readStatus(table: Table, id: string): Promise<HookStatus> {
  return shown(await table.get<StatusItem>(keys.hookStatus(id), true));
}

export async function readStatuses(table: Table): Promise<Map<string, HookStatus>> {
  const items = await table.queryAll<StatusItem>({ pk: keys.hookStatuses() });
  return new Map(items.map((item) => [item.sk, shown(item)]));
}

function shown(item: StatusItem | undefined): HookStatus {
  if (!item) return {};
  const { pk, sk, ...status } = item;
  return status;
}

/** A body as JSON, redacted and cut. */
export function sampleOf(body: unknown): string {
  const text = JSON.stringify(redact(body)) ?? 'null';
  const bytes = Buffer.from(text);
  if (bytes.length <= maxSampleBytes) return text;
  // A character that was cut through is left out.
  return `${bytes.toString('utf8', 0, maxSampleBytes - 4).replace(/\ufffd$/, '')}…`;
}

function iso(time: number): string {
  return new Date(time).toISOString();
}

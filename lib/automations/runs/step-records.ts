import { createHash, scryptSync } from 'node:crypto';
import { redact, redactText } from '../../core/redaction/redact.ts';
import { expiry, keys } from '../../store/items.ts';
import { type RunServices, retentionMs, type StepError, type StepItem, type StepState } from './runs.ts';

/** Identifies a record of a run: a step, or one item of it. */
export interface StepPlace {
  at: number;
  index: number;
  name: string;
  /** A readable description of the step: `vendor/connection/operation`, `wait 60 s`. */
  call?: string;
}

/** The fields to write; absent fields keep their recorded values. */
export interface StepChange {
  state: StepState;
  attempts?: number;
  input?: unknown;
  output?: unknown;
  reads?: readonly string[];
  error?: StepError;
  /** Why it was skipped. */
  reason?: string;
  kept?: boolean;
  /** The output is kept out of the record. */
  withheld?: boolean;
  /** Hides the input; `inputHash` still distinguishes it from others. */
  secret?: boolean;
  /** Epoch milliseconds. */
  nextAttemptAt?: number;
  /** Until when a wait lasts, epoch milliseconds. */
  restsUntil?: number;
}

/** The maximum size of an input or output stored in the table, in bytes. */
const maxInlineBytes = 100_000;

/** The only writer of a run's step records. Each write adds what it knows and leaves the rest, so no later write loses an input. */
export class StepRecords {
  readonly #services: RunServices;
  readonly #runId: string;

  constructor(services: RunServices, runId: string) {
    this.#services = services;
    this.#runId = runId;
  }

  /** Writes the state of a step and returns the whole record. Inputs and errors are redacted first. */
  async write(place: StepPlace, change: StepChange): Promise<StepItem> {
    const { table, clock } = this.#services;
    const now = clock.now();
    const { state, attempts, error, reason, kept, withheld, secret, reads, nextAttemptAt, restsUntil } = change;
    const values: Record<string, unknown> = {
      runId: this.#runId,
      ...place,
      state,
      expiresAt: expiry(now + retentionMs),
      ...(attempts !== undefined && { attempts }),
      ...(error && { error: { ...error, message: redactText(error.message) } }),
      ...(reason !== undefined && { reason }),
      ...(kept && { kept }),
      ...(withheld && { withheld }),
      ...(reads && { reads }),
      ...(nextAttemptAt !== undefined && { nextAttemptAt }),
      ...(restsUntil !== undefined && { restsUntil }),
      ...(state !== 'running' && { endedAt: now }),
      ...(change.input !== undefined && {
        input: secret ? JSON.stringify('(secret)') : inputText(change.input),
        inputHash: inputHash(place.name, change.input, secret),
      }),
      ...(await this.#outputOf(place, change.output)),
    };
    const sets = Object.keys(values).map((name) => `#${name} = :${name}`);
    if (attempts === undefined) sets.push('#attempts = if_not_exists(#attempts, :none)');
    const removes = [...(nextAttemptAt === undefined ? ['#nextAttemptAt'] : []), ...(error ? [] : ['#error'])];
    const written = await table.update<StepItem>(
      keys.runStep(this.#runId, place.at, place.index),
      `SET #startedAt = if_not_exists(#startedAt, :now), ${sets.join(', ')}${removes.length > 0 ? ` REMOVE ${removes.join(', ')}` : ''}`,
      { ...values, now, none: 0 },
    );
    if (!written.done) throw new Error('A step record was refused though it has no condition');
    return written.item;
  }

  /** The current record; undefined for a step that was never started. */
  read({ at, index }: Pick<StepPlace, 'at' | 'index'>): Promise<StepItem | undefined> {
    return this.#services.table.get<StepItem>(keys.runStep(this.#runId, at, index), true);
  }

  async #outputOf({ at, index }: StepPlace, output: unknown): Promise<{ output?: string; outputFile?: string }> {
    if (output === undefined) return {};
    const text = JSON.stringify(output);
    if (Buffer.byteLength(text) <= maxInlineBytes) return { output: text };
    const outputFile = `runs/${this.#runId}/${at}/${index}`;
    await this.#services.files.put(outputFile, Buffer.from(text), 'application/json');
    return { outputFile };
  }
}

/**
 * Distinguishes one rendered input of a step from another. The hash of a secret input is slow to compute, so that it cannot be
 * guessed.
 */
export function inputHash(name: string, input: unknown, secret = false): string {
  const text = JSON.stringify([name, input]);
  const digest = secret ? scryptSync(text, `trunkline step ${name}`, 32) : createHash('sha256').update(text).digest();
  return digest.toString('base64url').slice(0, 22);
}

function inputText(input: unknown): string {
  const text = JSON.stringify(redact(input));
  return Buffer.byteLength(text) > maxInlineBytes ? JSON.stringify('(longer than 100 kB)') : text;
}

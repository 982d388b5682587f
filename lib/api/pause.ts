import type { Clock } from '../core/clock.ts';
import { GatewayError } from '../core/errors.ts';
import { keys } from '../store/items.ts';
import type { Key, Table } from '../store/table.ts';

/** Why nothing is sent. */
export interface PauseState {
  /** Epoch milliseconds. */
  since: number;
  /** The name of the key that paused, or the setting. */
  by: string;
  reason?: string;
}

interface PauseItem extends Key, PauseState {
  /** False if sending was resumed although the product was started paused. */
  paused: boolean;
}

/** How long a process may use what it read before, in milliseconds. */
const cacheMs = 5_000;
const shortestWaitSeconds = 5;
const longestWaitSeconds = 30 * 60;

/** Whether all sending is stopped: calls that write, raw writes, steps of runs and deliveries. Reads and sessions continue. */
export class Pause {
  readonly #table: Table;
  readonly #clock: Clock;
  /** Set while `TRUNKLINE_PAUSED` is on: sending is paused from the start and until someone resumes it. */
  readonly #startPaused: boolean;
  readonly #startedAt: number;
  #known: { state: PauseState | undefined; until: number } | undefined;

  constructor(table: Table, clock: Clock, startPaused: boolean) {
    this.#table = table;
    this.#clock = clock;
    this.#startPaused = startPaused;
    this.#startedAt = clock.now();
  }

  /** The pause, or undefined while everything is sent. Another process may know up to five seconds later. */
  async state(): Promise<PauseState | undefined> {
    return this.#known && this.#clock.now() < this.#known.until ? this.#known.state : this.current();
  }

  /** The same, read now: operators are shown at once what another process has changed. */
  async current(): Promise<PauseState | undefined> {
    const now = this.#clock.now();
    const item = await this.#table.get<PauseItem>(keys.pause(), true);
    const state = item ? (item.paused ? stateOf(item) : undefined) : this.#atStart();
    this.#known = { state, until: now + cacheMs };
    return state;
  }

  /** Throws `paused` while nothing may be sent. */
  async check(): Promise<void> {
    const state = await this.state();
    if (!state) return;
    const since = new Date(state.since).toISOString();
    throw new GatewayError(
      'paused',
      `Sending is paused since ${since} by ${state.by}${state.reason === undefined ? '' : `: ${state.reason}`}. DELETE /v1/pause resumes it.`,
      { retryAfter: this.waitSeconds(state) },
    );
  }

  /** When to check again, in seconds: soon after a pause started, and every half an hour in a long one. */
  waitSeconds({ since }: PauseState): number {
    const quarter = Math.ceil((this.#clock.now() - since) / 4000);
    return Math.min(longestWaitSeconds, Math.max(shortestWaitSeconds, quarter));
  }

  /** Pauses all sending. An existing pause keeps its start time. */
  async pause(by: string, reason: string | undefined): Promise<PauseState> {
    const before = await this.current();
    const state: PauseState = before ?? { since: this.#clock.now(), by, ...(reason !== undefined && { reason }) };
    await this.#table.put<PauseItem>({ ...keys.pause(), ...state, paused: true });
    this.#known = undefined;
    return state;
  }

  async resume(by: string): Promise<void> {
    if (this.#startPaused) {
      await this.#table.put<PauseItem>({ ...keys.pause(), since: this.#clock.now(), by, paused: false });
    } else await this.#table.delete(keys.pause());
    this.#known = undefined;
  }

  /** Clears the record that sending was resumed: every start with `TRUNKLINE_PAUSED` is paused. */
  async begin(): Promise<void> {
    if (this.#startPaused) await this.#table.delete(keys.pause());
    this.#known = undefined;
  }

  #atStart(): PauseState | undefined {
    return this.#startPaused ? { since: this.#startedAt, by: 'the setting TRUNKLINE_PAUSED' } : undefined;
  }
}

function stateOf({ since, by, reason }: PauseItem): PauseState {
  return { since, by, ...(reason !== undefined && { reason }) };
}

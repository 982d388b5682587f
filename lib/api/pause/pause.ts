import type { Clock } from '../../core/clock.ts';
import { GatewayError } from '../../core/errors.ts';
import { keys } from '../../store/items.ts';
import type { Key, Table, Write } from '../../store/table.ts';

/** Why nothing is sent. */
export interface PauseState {
  /** Epoch milliseconds. */
  since: number;
  /** The name of the key that paused, or the setting. */
  by: string;
  reason?: string;
  /** The setting paused sending. A start without the setting ends such a pause, and appends no event. */
  bySetting?: true;
}

interface PauseItem extends Key, PauseState {
  /** False if sending was resumed although the product was started paused. */
  paused: boolean;
}

/** Why a call is refused while sending is paused, with the pause that refused it. */
export class SendingPaused extends GatewayError {
  readonly pause: PauseState;

  constructor(pause: PauseState, retryAfter: number) {
    const since = new Date(pause.since).toISOString();
    const reason = pause.reason === undefined ? '' : `: ${pause.reason}`;
    const message = `Sending was paused by ${pause.by} at ${since}${reason}. DELETE /v1/pause resumes it.`;
    super('paused', message, { retryAfter });
    this.pause = pause;
  }
}

/** How long a process sends before it checks again whether sending is paused, in milliseconds. */
const cacheMs = 5_000;
const shortestWaitSeconds = 5;
const longestWaitSeconds = 24 * 60 * 60;
/** The longest if no event may follow the pause. */
const longestUnannouncedSeconds = 30 * 60;

/** Whether all sending is stopped: calls that write, raw writes, steps of runs and deliveries. Reads and sessions continue. */
export class Pause {
  readonly #table: Table;
  readonly #clock: Clock;
  /** Set while `TRUNKLINE_PAUSED` is on: sending is paused from the start and until someone resumes it. */
  readonly #startPaused: boolean;
  readonly #startedAt: number;
  /** When this process last found that nothing is paused. */
  #foundOpenAt = Number.NEGATIVE_INFINITY;

  constructor(table: Table, clock: Clock, startPaused: boolean) {
    this.#table = table;
    this.#clock = clock;
    this.#startPaused = startPaused;
    this.#startedAt = clock.now();
  }

  /** The pause, or undefined while everything is sent. Another process may know of a pause up to five seconds later. */
  async state(): Promise<PauseState | undefined> {
    const age = this.#clock.now() - this.#foundOpenAt;
    return age >= 0 && age < cacheMs ? undefined : this.current();
  }

  /** The same, read now: operators are shown at once what another process has changed. */
  async current(): Promise<PauseState | undefined> {
    const now = this.#clock.now();
    const item = await this.#table.get<PauseItem>(keys.pause(), true);
    const state = item ? (item.paused ? stateOf(item) : undefined) : this.#atStart();
    this.#foundOpenAt = state ? Number.NEGATIVE_INFINITY : now;
    return state;
  }

  /** Throws `SendingPaused` while nothing may be sent. */
  async check(): Promise<void> {
    const state = await this.state();
    if (state) throw new SendingPaused(state, Math.min(longestUnannouncedSeconds, this.waitSeconds(state)));
  }

  /**
   * Seconds until the next check, in case no event follows the pause: a quarter of the time since it began, so that even an
   * execution that waits for weeks checks only a few dozen times.
   */
  waitSeconds({ since, bySetting }: PauseState): number {
    const quarter = Math.ceil((this.#clock.now() - since) / 4000);
    const longest = bySetting ? longestUnannouncedSeconds : longestWaitSeconds;
    return Math.min(longest, Math.max(shortestWaitSeconds, quarter));
  }

  /** Pauses all sending. An existing pause keeps its start time. */
  async pause(by: string, reason: string | undefined): Promise<PauseState> {
    const before = await this.current();
    const state: PauseState = before ?? { since: this.#clock.now(), by, ...(reason !== undefined && { reason }) };
    await this.#table.put<PauseItem>({ ...keys.pause(), ...state, paused: true });
    this.#foundOpenAt = Number.NEGATIVE_INFINITY;
    return state;
  }

  /**
   * Ends the pause; false if there is none, or another request has ended it. `announce` stores the given write in one transaction with
   * the event that wakes what waits, and returns false if the write was refused.
   */
  async resume(by: string, announce: (ended: PauseState, end: Write) => Promise<boolean>): Promise<boolean> {
    const before = await this.current();
    if (!before) return false;
    const values = { since: before.since };
    const end: Write = this.#startPaused
      ? {
          put: { ...keys.pause(), since: this.#clock.now(), by, paused: false } satisfies PauseItem,
          condition: 'attribute_not_exists(#pk) OR #since = :since',
          values,
        }
      : { delete: keys.pause(), condition: '#since = :since', values };
    return announce(before, end);
  }

  /** Clears the record that sending was resumed: every start with `TRUNKLINE_PAUSED` is paused. */
  async begin(): Promise<void> {
    if (this.#startPaused) await this.#table.delete(keys.pause());
    this.#foundOpenAt = Number.NEGATIVE_INFINITY;
  }

  #atStart(): PauseState | undefined {
    return this.#startPaused
      ? { since: this.#startedAt, by: 'the setting TRUNKLINE_PAUSED', bySetting: true }
      : undefined;
  }
}

function stateOf({ since, by, reason }: PauseItem): PauseState {
  return { since, by, ...(reason !== undefined && { reason }) };
}

import type { Principal } from '../../api/keys/key-check.ts';
import { GatewayError, refusedField } from '../../core/errors.ts';
import type { TrunklineEvent } from '../../core/event-type.ts';
import type { EventCatalogue } from '../../core/vendor.ts';
import { entriesOfTypeSince, entriesSince } from '../../events/list.ts';
import type { EventItem } from '../../events/log.ts';
import { mayReadEvent } from '../../events/reading.ts';
import type { LogEntry } from '../../events/settle.ts';
import { keys } from '../../store/items.ts';
import { type AutomationItem, definitionOf, isTriggeredBy, startOne } from '../automations.ts';
import { schedulesOf, triggersOf } from '../definition.ts';
import type { AutomationServices } from '../runs/run-context.ts';
import { findRun } from '../runs/runs.ts';
import { nextFiring } from '../schedule.ts';
import { firingEvent } from '../start-schedules.ts';
import { RehearsalEngine } from './rehearsal-engine.ts';
import { otherOutputs } from './rehearse.ts';
import type { Backtest, BacktestInput, ShownRun } from './schemas.ts';
import { showRehearsed } from './shown-run.ts';

/** Something in the past that starts a run. */
interface Cause {
  /** Epoch milliseconds. */
  at: number;
  /** Distinguishes causes of the same millisecond. */
  id: string;
  eventId?: string;
  event?: TrunklineEvent;
}

/** The maximum number of log entries that one backtest goes through. */
const maxScanned = 20_000;
/** A response of Lambda has at most 6 MB. */
const maxAnswerBytes = 4_000_000;
const pageLength = 500;

/**
 * The runs that past events and firings would have started, carried out on one virtual clock: duplicates, memory and modes are
 * judged between them, as of the time of each event. Nothing is performed.
 */
export async function backtest(
  services: AutomationServices,
  vendors: EventCatalogue,
  item: AutomationItem,
  input: BacktestInput,
  caller: { principal: Principal; signal: AbortSignal },
): Promise<Backtest> {
  const now = services.clock.now();
  const from = Date.parse(input.since);
  const to = input.until === undefined ? now : Math.min(now, Date.parse(input.until));
  if (from > to) throw refusedField('/since', 'must not be after `until` or in the future');
  const after = input.after === undefined ? undefined : placeOf(input.after);
  const { causes, isMore } = await causesOf(services, item, { from, to, after, limit: input.limit }, caller.principal);
  const engine = new RehearsalEngine(services, vendors, {
    now: causes[0]?.at ?? from,
    owner: item.id,
    principal: caller.principal,
    signal: caller.signal,
    ...(input.outputs && { outputs: input.outputs }),
    hidden: (pk) => /^(dedupe|flood|memo)#/.test(pk),
  });
  const outputs = otherOutputs(definitionOf(item), input.outputs);
  const runOf = new Map<Cause, string>();
  await engine.run(
    causes.map((cause) => ({
      at: cause.at,
      start: async () => {
        const { at, id, eventId, event } = cause;
        const given = { ...(eventId !== undefined && { eventId }), ...(event && { event }), ...outputs };
        const trigger = { cause: `backtest ${id}`, createdAt: at, isUnsaved: true, ...given };
        runOf.set(cause, await startOne(engine.services, item, trigger));
      },
    })),
  );
  const shown = await showAll(engine, vendors, causes, runOf);
  const last = shown.causes.at(-1);
  if (causes.length > 0 && !last)
    throw new GatewayError(
      'invalid_request',
      'The first run alone takes more than a backtest may. Rehearse it instead.',
    );
  const isCut = shown.causes.length < causes.length;
  return {
    since: new Date(from).toISOString(),
    until: new Date(to).toISOString(),
    events: shown.causes.length,
    ...((isMore || isCut) && last && { next: `${last.at}~${last.id}` }),
    summary: summaryOf(shown.runs),
    runs: shown.runs,
  };
}

/** The runs of the causes whose runs have all ended, up to the size of an answer, and of what they started. */
async function showAll(
  engine: RehearsalEngine,
  vendors: EventCatalogue,
  causes: readonly Cause[],
  runOf: ReadonlyMap<Cause, string>,
): Promise<{ causes: Cause[]; runs: ShownRun[] }> {
  const own = new Set(runOf.values());
  const started = engine.runIds.filter((id) => !own.has(id));
  const runs: ShownRun[] = [];
  const done: Cause[] = [];
  let bytes = 0;
  for (const cause of causes) {
    const id = runOf.get(cause);
    const run = id === undefined ? undefined : await findRun(engine.services.table, id);
    if (!run || (run.state === 'running' && !engine.isComplete)) break;
    const shown = await showRehearsed(engine, vendors, run.id);
    bytes += Buffer.byteLength(JSON.stringify(shown));
    if (bytes > maxAnswerBytes && done.length > 0) break;
    runs.push(shown);
    done.push(cause);
  }
  const isWhole = done.length === causes.length;
  if (isWhole) for (const id of started) runs.push(await showRehearsed(engine, vendors, id));
  return { causes: done, runs: runs.sort((one, other) => (one.startedAt < other.startedAt ? -1 : 1)) };
}

function summaryOf(runs: readonly ShownRun[]): Backtest['summary'] {
  const states: Record<string, number> = {};
  const calls: Record<string, number> = {};
  for (const { state, steps } of runs) {
    states[state] = (states[state] ?? 0) + 1;
    for (const { call, effect, state: stepState } of steps) {
      if (call !== undefined && effect !== undefined && stepState === 'succeeded') calls[call] = (calls[call] ?? 0) + 1;
    }
  }
  return { runs: states, calls };
}

interface Window {
  from: number;
  to: number;
  after: { at: number; id: string } | undefined;
  limit: number;
}

/** What would have started the automation, oldest first, and whether more follows. */
async function causesOf(
  services: AutomationServices,
  item: AutomationItem,
  window: Window,
  principal: Principal,
): Promise<{ causes: Cause[]; isMore: boolean }> {
  const since = Math.max(window.from, window.after?.at ?? 0);
  const all = [
    ...(await events(services, item, { ...window, from: since }, principal)),
    ...firingsOf(item, { ...window, from: since }),
  ];
  const causes = all
    .filter((cause) => !window.after || isBefore(window.after, cause))
    .sort((one, other) => (isBefore(one, other) ? -1 : 1));
  return { causes: causes.slice(0, window.limit), isMore: causes.length > window.limit };
}

async function events(
  services: AutomationServices,
  item: AutomationItem,
  { from, to, limit, after }: Window,
  { scopes }: Principal,
): Promise<Cause[]> {
  const triggers = triggersOf(definitionOf(item)).filter((when) => !('schedule' in when));
  if (triggers.length === 0) return [];
  const types = triggers.map((when) => ('event' in when ? when.event : '*'));
  const entries: LogEntry[] = [];
  let scanned = 0;
  const lists = types.some((type) => type.includes('*'))
    ? [entriesSince(services, from)]
    : [...new Set(types)].map((type) => entriesOfTypeSince(services, type, from));
  for (const list of lists) {
    for await (const entry of list) {
      if (++scanned > maxScanned)
        throw refusedField('/since', `leaves more than ${maxScanned} events to go through: choose a later time`);
      if (entry.appendedAt <= to && mayReadEvent(scopes, entry)) entries.push(entry);
    }
  }
  const old = { ...item, createdAt: new Date(0).toISOString(), updatedAt: new Date(0).toISOString() };
  const inOrder = entries.sort((one, other) => one.appendedAt - other.appendedAt || (one.id < other.id ? -1 : 1));
  const found: Cause[] = [];
  for (let at = 0; at < inOrder.length && found.length <= limit; at += pageLength) {
    const page = inOrder.slice(at, at + pageLength);
    for (const event of await services.table.getMany<EventItem>(page.map(({ id }) => keys.event(id)))) {
      if (!event || !isTriggeredBy(old, event, services.clock.now())) continue;
      const cause = { at: event.appendedAt, id: event.id, eventId: event.id };
      if (!after || isBefore(after, cause)) found.push(cause);
    }
  }
  return found;
}

function firingsOf(item: AutomationItem, { from, to, limit, after }: Window): Cause[] {
  return schedulesOf(definitionOf(item)).flatMap((when) => {
    const found: Cause[] = [];
    let at = nextFiring(when, from - 1, item.anchor);
    while (at !== undefined && at <= to && found.length <= limit) {
      const event = firingEvent(item, at);
      const cause = { at, id: event.id, event };
      if (!after || isBefore(after, cause)) found.push(cause);
      at = nextFiring(when, at, item.anchor);
    }
    return found;
  });
}

function isBefore(one: { at: number; id: string }, other: { at: number; id: string }): boolean {
  return one.at < other.at || (one.at === other.at && one.id < other.id);
}

function placeOf(cursor: string): { at: number; id: string } {
  const [at = '', id = ''] = cursor.split('~');
  return { at: Number(at), id };
}

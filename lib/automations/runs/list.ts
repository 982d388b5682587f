import { mergeNewest, newestListed, newestOf } from '../../store/due.ts';
import { keys, logPosition } from '../../store/items.ts';
import type { Key, Table } from '../../store/table.ts';
import { listAutomations } from '../automations.ts';
import { calls, callsOwner, type RunItem, type RunState, runKey, vendorOfCalls } from './runs.ts';

/** The query parameters of a run list. Times are epoch milliseconds of a run's start, both inclusive. */
export interface RunFilter {
  /** The id of an automation, or `calls`. */
  owner?: string | undefined;
  state?: RunState | undefined;
  /** The id of the event that started them. */
  event?: string | undefined;
  since?: number | undefined;
  until?: number | undefined;
  /** Only runs listed after this one: older ones. */
  before?: string | undefined;
  limit: number;
}

/** The matching runs, newest first. Includes runs of deleted automations. */
export async function listRuns(
  services: { table: Table; vendorNames: readonly string[] },
  filter: RunFilter,
): Promise<RunItem[]> {
  const cursor = filter.before === undefined ? undefined : placeOf(filter.before);
  const from = filter.since ?? 0;
  const to = Math.min(filter.until ?? Number.MAX_SAFE_INTEGER, cursor?.createdAt ?? Number.MAX_SAFE_INTEGER);
  const found: RunItem[] = [];
  // Runs that started in the same millisecond are ordered by id.
  let sameMoment: RunItem[] = [];
  const flush = () => {
    sameMoment.sort((one, other) => (one.id < other.id ? 1 : -1));
    for (const run of sameMoment) {
      if (!cursor || run.createdAt < cursor.createdAt || run.id < cursor.id) found.push(run);
    }
    sameMoment = [];
  };
  for await (const run of candidates(services, filter, from, to)) {
    if (filter.owner !== undefined && ownerOf(run) !== filter.owner) continue;
    if (filter.event !== undefined && run.eventId !== filter.event) continue;
    if (sameMoment[0] && sameMoment[0].createdAt !== run.createdAt) {
      flush();
      if (found.length >= filter.limit) break;
    }
    sameMoment.push(run);
  }
  flush();
  return found.slice(0, filter.limit);
}

async function* candidates(
  { table, vendorNames }: { table: Table; vendorNames: readonly string[] },
  filter: RunFilter,
  from: number,
  to: number,
): AsyncGenerator<RunItem> {
  const { owner, state, limit } = filter;
  if (state !== undefined) {
    for await (const run of newestListed<RunItem>(table, `run-${state}`, from, to, limit)) {
      // The index is eventually consistent with the table.
      if (run.state === state) yield run;
    }
    return;
  }
  const ofCalls = vendorNames.map(callsOwner);
  const named = owner === calls ? ofCalls : owner === undefined ? undefined : [owner];
  const owners = named ?? [...ofCalls, ...(await everyAutomation(table))];
  const lists = owners.map((each) =>
    newestOf<RunItem>(
      table,
      { pk: keys.runs(each), from: logPosition(Math.max(0, from)), to: `${logPosition(to)}#~`, consistent: true },
      owners.length > 1 ? Math.min(limit, 20) : limit,
    ),
  );
  yield* mergeNewest(lists, (run) => run.createdAt);
}

function ownerOf({ owner }: RunItem): string {
  return vendorOfCalls(owner) === undefined ? owner : calls;
}

/** All automations, including deleted ones whose runs are still kept. */
async function everyAutomation(table: Table): Promise<string[]> {
  const [current, former] = await Promise.all([
    listAutomations(table),
    table.queryAll<Key>({ pk: keys.formerAutomations() }),
  ]);
  return [...new Set([...current.map(({ id }) => id), ...former.map(({ sk }) => sk)])];
}

function placeOf(id: string): { id: string; createdAt: number } | undefined {
  const createdAt = runKey(id) && Number.parseInt(id.split('_')[2] ?? '', 36);
  return createdAt === undefined ? undefined : { id, createdAt };
}

import * as z from 'zod/mini';
import type { EventSource, FoundEvent } from '../../../core/event-type.ts';
import { parseTime } from '../../../core/zone-time.ts';
import { type Proptt2Credentials, type Proptt2Settings, supports } from '../connection.ts';
import { record } from '../fields.ts';
import type { Proptt2Session } from '../session.ts';
import type { Proptt2Call } from '../wire/session-request.ts';
import { integerIn, itemsById, type ListItem, readList, textIn } from './lists.ts';

const recorded = () =>
  z.looseObject({
    recordId: z.int(),
    type: z.optional(z.int()),
    status: z.optional(z.int()),
    fileSize: z.optional(z.int()),
    channelId: z.optional(z.int()),
    channelNo: z.optional(z.string()),
    channelName: z.optional(z.string()),
    ownerId: z.optional(z.int()),
    ownerName: z.optional(z.string()),
    createDate: z.string(),
  });

interface Cursor {
  /** The highest id that was read. */
  highest: number;
  /** The number of records in a list that is sorted oldest first. */
  length: number;
  /** The end of the list has not been reached since the first poll: what is found is history. */
  seeking?: boolean;
}

const pageSize = 100;
/** The overlap between pages, since the list shifts while it is read. */
const overlap = 20;
/** The number of pages that one poll reads. */
const maxPages = 100;

/** New recordings. The vendor does not document the order of its list, so the first page decides. */
export const recordSource: EventSource<Proptt2Settings, Proptt2Credentials, Proptt2Session> = {
  types: {
    'proptt2.record.created': {
      summary: 'A recording was made; a `status` of 10 is a normal one',
      readBy: 'getRecordList',
      data: recorded,
      sample: {
        recordId: 2,
        type: 10,
        status: 10,
        fileSize: 40,
        channelId: 1,
        channelNo: '1',
        channelName: 'Dispatch',
        ownerId: 1,
        ownerName: 'Kim',
        createDate: '2026-01-05 02:11:09',
      },
    },
  },
  poll: {
    every: 2 * 60_000,
    async poll(cursor, call) {
      if (!supports(call.connection.settings.serverVersion, '2.2.8'))
        return { events: [], cursor: cursor ?? null, nextIn: 24 * 60 * 60_000 };
      const known = (cursor ?? undefined) as Cursor | undefined;
      const { fresh, length, more } = await readNewer(call, known);
      const highest = Math.max(known?.highest ?? 0, ...fresh.map((each) => each.id));
      const history = !known || known.seeking === true;
      const next: Cursor = { highest, length, ...(history && more && { seeking: true }) };
      if (history) return { events: [], cursor: next, more };
      const events = fresh.sort((one, other) => one.id - other.id).map((each) => found(each, call));
      return { events, cursor: next, more };
    },
  },
};

/** The recordings above the highest known id, and how far the list was read. */
async function readNewer(
  call: Proptt2Call,
  known: Cursor | undefined,
): Promise<{ fresh: ListItem[]; length: number; more: boolean }> {
  const seen = new Map<number, ListItem>();
  const read = async (start: number) => {
    const list = await readList(call, '/records', 'records', `&start=${start}&pageSize=${pageSize}`);
    const page = [...itemsById(list, record()).values()];
    const fresh = page.filter((each) => each.id > (known?.highest ?? 0) && !seen.has(each.id));
    for (const each of fresh) seen.set(each.id, each);
    return { page, length: list.length, fresh };
  };
  const first = await read(0);
  const rising = (first.page[0]?.id ?? 0) < (first.page.at(-1)?.id ?? 0);
  let length = first.length;
  let short = first.length < pageSize;
  let start = rising ? Math.max(pageSize, known?.length ?? 0) - overlap : pageSize - overlap;
  let more = rising || first.fresh.length > 0;
  for (let pages = 1; !short && more && pages < maxPages; pages++) {
    const next = await read(start);
    length = Math.max(length, start + next.length);
    short = next.length < pageSize;
    // Newest first: a page without new recordings is followed by older ones. Oldest first: only the end of the list ends the
    // read.
    more = rising || (known !== undefined && next.fresh.length > 0);
    start += pageSize - overlap;
  }
  return { fresh: [...seen.values()], length: rising ? length : 0, more: rising && !short };
}

const integers = ['type', 'status', 'fileSize', 'channelId', 'ownerId'] as const;
const texts = ['channelNo', 'channelName', 'ownerName'] as const;

/** A recording as an event. Of its declared fields, those that the vendor left out or wrote in another form are missing. */
function found(each: ListItem, call: Proptt2Call): FoundEvent {
  const createDate = textIn(each, 'createDate');
  const at = parseTime(createDate, call.connection.settings.timeZone ?? 'UTC', call.clock.now());
  const { id, ...given } = each;
  const declared = new Set<string>([...integers, ...texts]);
  const rest = Object.entries(given).filter(([name]) => !declared.has(name));
  const known = [
    ...integers.map((name) => [name, integerIn(each, name)] as const),
    ...texts.map((name) => [name, textIn(each, name) || undefined] as const),
  ].filter(([, value]) => value !== undefined);
  return {
    type: 'proptt2.record.created',
    id: String(id),
    timestamp: new Date(at ?? call.clock.now()).toISOString(),
    data: { recordId: id, ...Object.fromEntries([...rest, ...known]), createDate },
  };
}

import type { FoundEvent } from '../../../core/event-type.ts';
import { accountOf, type TimetonicCall } from '../connection.ts';
import { countedPage, readPages } from '../rows/overlapping-pages.ts';
import { sessionRequest } from '../wire/session-request.ts';
import { uuidPrefix } from '../writes/message-writes.ts';

interface Message {
  smid?: unknown;
  uuid?: unknown;
  u_c?: unknown;
  msg?: unknown;
  msgMethod?: unknown;
  del?: unknown;
  created?: unknown;
}

const pageSize = 50;

/** The messages of a book above the highest known id, oldest first. */
export async function newMessages(call: TimetonicCall, b_o: string, b_c: string, seen: string): Promise<FoundEvent[]> {
  const found = new Map<string, Message>();
  const { next } = await readPages(call, {
    start: 0,
    pageRows: pageSize,
    place: countedPage,
    read: async (offset, rows) => {
      const fields = { b_o, b_c, nbMax: String(rows), page: String(Math.floor(offset / rows) + 1) };
      const body = await sessionRequest(call, { req: 'getBookMessages', fields, effect: 'read' });
      const messages = (Array.isArray(body.bookMessages) ? body.bookMessages : []) as Message[];
      const fresh = messages.filter(({ smid }) => BigInt(String(smid)) > BigInt(seen));
      return {
        body,
        ids: messages.map(({ smid }) => String(smid)),
        keep: () => {
          for (const message of fresh) found.set(String(message.smid), message);
        },
        // The newest come first.
        last: fresh.length < messages.length || messages.length < rows,
      };
    },
  });
  // The next poll finds the rest, from the same position.
  if (next !== undefined) call.signal.throwIfAborted();
  return [...found]
    .sort(([one], [other]) => (BigInt(one) < BigInt(other) ? -1 : 1))
    .filter(([, message]) => message.del !== true)
    .map(([smid, message]) => ({
      ...eventOf(smid, message, b_o, b_c, call.clock.now()),
      by: isFromApi(message) ? accountOf(call.connection, String(message.u_c)) : undefined,
    }));
}

/** Whether a message was sent through the API. What a person writes manually as the same user does not count as own. */
function isFromApi({ uuid, msgMethod }: Message): boolean {
  return String(uuid).startsWith(uuidPrefix) || msgMethod === '_api';
}

function eventOf(smid: string, message: Message, bookOwner: string, bookCode: string, now: number): FoundEvent {
  const { smid: _, u_c, msg, del: __, uuid, created, ...rest } = message;
  const at = typeof created === 'number' ? created * 1000 : now;
  return {
    type: 'timetonic.message.created',
    id: smid,
    timestamp: new Date(at).toISOString(),
    data: {
      ...rest,
      ...(typeof uuid === 'string' && { uuid }),
      ...(typeof created === 'number' && { created }),
      bookOwner,
      bookCode,
      smid,
      msg: String(msg ?? ''),
      user: String(u_c ?? ''),
    },
  };
}

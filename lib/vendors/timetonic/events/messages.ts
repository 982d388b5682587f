import type { FoundEvent } from '../../../core/event-type.ts';
import type { TimetonicCall } from '../connection.ts';
import { exchange } from '../wire/exchange.ts';
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
/** A book in which more was said since the last look tells of the newest alone. */
const maxPages = 10;

/** Messages of a book above the highest id that was seen, oldest first. */
export async function newMessages(call: TimetonicCall, b_o: string, b_c: string, seen: string): Promise<FoundEvent[]> {
  const found = new Map<string, Message>();
  for (let page = 1; page <= maxPages; page++) {
    const fields = { b_o, b_c, nbMax: String(pageSize), page: String(page) };
    const body = await exchange(call, { req: 'getBookMessages', fields, effect: 'read' });
    const messages = (Array.isArray(body.bookMessages) ? body.bookMessages : []) as Message[];
    const fresh = messages.filter((message) => BigInt(String(message.smid)) > BigInt(seen));
    for (const message of fresh) found.set(String(message.smid), message);
    if (fresh.length < messages.length || messages.length < pageSize) break;
  }
  return [...found]
    .sort(([one], [other]) => (BigInt(one) < BigInt(other) ? -1 : 1))
    .filter(([, message]) => message.del !== true && !isOwn(message, call))
    .map(([smid, message]) => eventOf(smid, message, b_o, b_c, call.clock.now()));
}

/** What went out through this connection: by its uuid, or by the API in the name of its user. */
function isOwn({ uuid, u_c, msgMethod }: Message, call: TimetonicCall): boolean {
  return String(uuid).startsWith(uuidPrefix) || (u_c === call.connection.settings.user && msgMethod === '_api');
}

function eventOf(smid: string, message: Message, bookOwner: string, bookCode: string, now: number): FoundEvent {
  const { smid: _, u_c, msg, del: __, ...rest } = message;
  const at = typeof message.created === 'number' ? message.created * 1000 : now;
  return {
    type: 'timetonic.message.created',
    id: smid,
    timestamp: new Date(at).toISOString(),
    data: { ...rest, bookOwner, bookCode, smid, msg: String(msg ?? ''), user: String(u_c ?? '') },
  };
}

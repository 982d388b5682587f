import { createHash } from 'node:crypto';
import type { FoundEvent, PollResult } from '../../../core/event-type.ts';
import type { TimetonicCall } from '../connection.ts';
import type { Frame } from '../wire/socket.ts';
import { listen } from '../writes/socket-operations.ts';

const day = 24 * 60 * 60_000;

/** Listens for some seconds, if the connection's settings enable it. Frames between two listening periods are missed. */
export async function pollSocket(cursor: unknown, call: TimetonicCall): Promise<PollResult> {
  const { listenSeconds } = call.connection.settings;
  if (listenSeconds === undefined) return { events: [], cursor: cursor ?? null, nextIn: day };
  const { frames } = await listen(call, listenSeconds);
  return { events: frames.map((frame) => eventOf(frame, call.clock.now())), cursor: call.clock.now() };
}

function eventOf({ type, u_c, b_o, b_c, smid, uuid, ...rest }: Frame, now: number): FoundEvent {
  const timestamp = new Date(now).toISOString();
  const place = {
    ...(b_o !== undefined && { bookOwner: String(b_o) }),
    ...(b_c !== undefined && { bookCode: String(b_c) }),
  };
  const name = typeof uuid === 'string' ? { uuid } : {};
  const user = String(u_c ?? '');
  const digest = createHash('sha256').update(JSON.stringify(rest)).digest('base64url').slice(0, 16);
  if (type === 1) {
    const { msg, del, ...more } = rest;
    const data = {
      ...more,
      ...place,
      ...name,
      smid: String(smid ?? ''),
      msg: String(msg ?? ''),
      del: del === true,
      user,
    };
    return { type: 'timetonic.message.received', id: `${data.smid}-${digest}`, timestamp, data };
  }
  // These frames have no id of their own: the second in which they arrived distinguishes them.
  const id = `${Math.floor(now / 1000)}-${user}-${digest}`;
  if (type === 8) return { type: 'timetonic.book.updated', id, timestamp, data: { ...place, user } };
  return {
    type: 'timetonic.system.received',
    id,
    timestamp,
    data: { ...rest, ...place, ...name, msg: String(rest.msg ?? ''), user },
  };
}

import type { TimetonicCall } from '../connection.ts';
import { onSocket } from '../files/attach-socket.ts';
import { lost } from '../wire/protocol.ts';
import { refusalOf } from '../wire/refusal.ts';
import { type Frame, SocketClosed, type Wire } from '../wire/socket.ts';
import { uuidPrefix } from './message-writes.ts';
import { noteOwnWrite } from './own-writes.ts';

/** The timeout for an ack. */
const ackTimeoutMs = 8_000;
/** The document shows no ack for table values: a ping sent after them shows that they were read. */
const valueAckTime = 1_500;

interface MessageFrame {
  bookOwner: string;
  bookCode: string;
  msg: string;
  uuid?: string | undefined;
  smid?: string | undefined;
  [field: string]: unknown;
}

type Ack = { type: number; status: string; [field: string]: unknown };

/** Sends a message, or changes or deletes one, and waits for its ack by uuid. */
export function sendSocketMessage(
  { bookOwner, bookCode, smid = '0', ...input }: MessageFrame,
  call: TimetonicCall,
): Promise<Ack> {
  const uuid = input.uuid ?? `${uuidPrefix}${call.random.bytes(16).toString('hex')}`;
  return onSocket(call, (wire, caller) => {
    const { u_c = caller.u_c, updatedAt = seconds(call), del = false, ...rest } = input;
    wire.send({
      type: 1,
      ...caller,
      ...rest,
      u_c,
      updatedAt,
      del,
      uuid,
      smid: BigInt(smid),
      b_o: bookOwner,
      b_c: bookCode,
    });
    return acked(wire, 'sendSocketMessage', (frame) => frame.type === 2 && frame.uuid === uuid, ackTimeoutMs);
  });
}

export function sendSystemMessage(input: Record<string, unknown>, call: TimetonicCall): Promise<Ack> {
  const { bookOwner, bookCode, ...rest } = input;
  const uuid = input.uuid ?? `${uuidPrefix}${call.random.bytes(16).toString('hex')}`;
  return onSocket(call, (wire, caller) => {
    wire.send({ type: 11, ...caller, ...rest, uuid, b_c: bookCode, b_o: bookOwner });
    return acked(wire, 'sendSystemMessage', (frame) => frame.type === 12, ackTimeoutMs);
  });
}

export function sendPing(call: TimetonicCall): Promise<Ack> {
  // Attaching already confirms with a ping; this is the second one.
  return onSocket(call, (wire, caller) => {
    wire.send({ type: 9, ...caller });
    return acked(wire, 'sendPing', (frame) => frame.type === 10, ackTimeoutMs);
  });
}

interface ValueFrame {
  bookOwner: string;
  bookCode: string;
  rowId: string;
  fieldId: string;
  value: string;
  [field: string]: unknown;
}

/** Writes a value; if the vendor sends no ack for it, a subsequent ping shows that it was accepted. */
export function updateTableValue(
  { bookOwner, bookCode, rowId, fieldId, ...input }: ValueFrame,
  call: TimetonicCall,
): Promise<Ack & { acknowledged: boolean }> {
  return onSocket(call, async (wire, caller) => {
    const { u_c = caller.u_c, updatedAt = seconds(call), ...rest } = input;
    const ids = { rowId: BigInt(rowId), fieldId: BigInt(fieldId) };
    wire.send({ type: 13, ...caller, ...rest, u_c, updatedAt, ...ids, b_o: bookOwner, b_c: bookCode });
    const ack = await answered(wire, 'updateTableValueOverSocket', (frame) => frame.type === 2, valueAckTime);
    if (!ack) {
      wire.send({ type: 9, ...caller });
      const fits = (frame: Frame) => frame.type === 2 || frame.type === 10;
      const behind = await acked(wire, 'updateTableValueOverSocket', fits, ackTimeoutMs);
      await noteOwnWrite(call, rowId, { [fieldId]: input.value });
      return { ...behind, type: 13, acknowledged: behind.type === 2 };
    }
    await noteOwnWrite(call, rowId, { [fieldId]: input.value });
    return { ...ack, acknowledged: true };
  });
}

/** Frames that the vendor sends unprompted. */
export const spontaneous = [1, 8, 11];

/** Listens for a number of seconds; frames received before a socket closed are returned all the same. */
export function listen(call: TimetonicCall, seconds: number, types: readonly number[] = spontaneous) {
  return onSocket(call, async (wire) => {
    const frames: Frame[] = [];
    const end = call.clock.now() + seconds * 1000;
    try {
      for (let left = seconds * 1000; left > 0; left = end - call.clock.now()) {
        const frame = await wire.next((each) => types.includes(each.type), left);
        if (!frame) break;
        frames.push(frame);
      }
    } catch (error) {
      if (!(error instanceof SocketClosed) || frames.length === 0) throw error;
      return { frames, garbage: wire.garbage, complete: false, warning: error.message };
    }
    return { frames, garbage: wire.garbage, complete: true };
  });
}

async function acked(wire: Wire, doing: string, fits: (frame: Frame) => boolean, milliseconds: number): Promise<Ack> {
  const ack = await answered(wire, doing, fits, milliseconds);
  if (ack) return ack;
  throw lost(
    doing,
    `no ack came within ${milliseconds / 1000} s${wire.garbage > 0 ? `, only ${wire.garbage} frames that cannot be read` : ''}`,
  );
}

/** An ack; undefined if none arrived. A refusal is thrown; if the socket closes, the outcome is unknown. */
async function answered(
  wire: Wire,
  doing: string,
  fits: (frame: Frame) => boolean,
  milliseconds: number,
): Promise<Ack | undefined> {
  const ack = await wire.next(fits, milliseconds).catch((error: unknown) => {
    throw error instanceof SocketClosed ? lost(doing, error.message) : error;
  });
  if (ack && ack.status !== 'ok') throw refusalOf(ack, doing);
  return ack as Ack | undefined;
}

const seconds = (call: TimetonicCall): number => Math.floor(call.clock.now() / 1000);

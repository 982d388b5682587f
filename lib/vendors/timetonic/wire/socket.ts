import type { RawData, WebSocket } from 'ws';
import { GatewayError } from '../../../core/errors.ts';
import { checkUrl, pinnedLookup } from '../../../core/http/address-policy.ts';
import { parseJson } from '../../../core/json.ts';
import { socketUrlOf, type TimetonicCall, timetonicError, title } from '../connection.ts';

/** A received frame, with integers beyond 2^53 as their digits. */
export type Frame = Record<string, unknown> & { type: number };

/** A socket for one call: sends frames, and reads frames one after another. */
export interface Wire {
  send(frame: Record<string, unknown>): void;
  /** The next matching frame; undefined if none arrived in time. Throws when the socket closes. */
  next(fits: (frame: Frame) => boolean, milliseconds: number): Promise<Frame | undefined>;
  /** Received data that was not a frame. */
  readonly garbage: number;
  close(): void;
}

const connectTimeoutMs = 5_000;
const maxFrameBytes = 1024 * 1024;
/** What one call reads from its socket at most, in bytes: more would not fit into its answer. */
const maxReceivedBytes = 4 * 1024 * 1024;

/** Opens the connection's socket under its address policy. */
export async function openSocket(call: TimetonicCall): Promise<Wire> {
  const { settings } = call.connection;
  const url = socketUrlOf(settings);
  const policy = { allowHttp: settings.allowHttp ?? false, allowPrivateNetwork: settings.allowPrivateNetwork ?? false };
  const problem = checkUrl(url.replace(/^ws/, 'http'), policy);
  if (problem !== undefined) throw refusedAddress(problem);
  // Loaded on demand: no other call needs it.
  const { WebSocket } = await import('ws');
  const socket = new WebSocket(url, {
    lookup: pinnedLookup(policy),
    handshakeTimeout: connectTimeoutMs,
    followRedirects: false,
    perMessageDeflate: false,
    maxPayload: maxFrameBytes,
  });
  // The first frames may come with the answer that opens the socket.
  const wire = wireOf(socket, call);
  await new Promise<void>((resolve, reject) => {
    socket.once('open', resolve);
    socket.once('error', (error) => {
      const refused = 'code' in error && error.code === 'ERR_REFUSED_ADDRESS';
      reject(
        refused
          ? refusedAddress(error.message)
          : timetonicError(
              'vendor_unreachable',
              `${title}'s socket at ${new URL(url).host} could not be opened: ${error.message}. Nothing was sent. Is socketUrl right?`,
              { cause: error },
            ),
      );
    });
  });
  return wire;
}

function wireOf(socket: WebSocket, call: TimetonicCall): Wire {
  const waiting: Frame[] = [];
  let garbage = 0;
  let received = 0;
  let closed: string | undefined;
  let wake = () => undefined as unknown;
  const tell = () => {
    const woken = wake;
    wake = () => undefined;
    woken();
  };
  socket.on('message', (data: RawData, binary: boolean) => {
    received += sizeOf(data);
    if (received > maxReceivedBytes) {
      // A sender without limits must not fill the memory.
      closed = `it sent more than ${maxReceivedBytes} bytes`;
      socket.terminate();
      tell();
      return;
    }
    const frame = binary ? undefined : frameIn(data);
    if (frame) waiting.push(frame);
    else garbage++;
    tell();
  });
  socket.on('close', (code: number, reason: Buffer) => {
    closed ??= `${code}${reason.length > 0 ? `, ${reason.toString('utf8').slice(0, 100)}` : ''}`;
    tell();
  });
  socket.on('error', () => socket.terminate());
  call.signal.addEventListener('abort', () => socket.terminate(), { once: true });
  return {
    get garbage() {
      return garbage;
    },
    send: (frame) => socket.send(frameText(frame)),
    async next(fits, milliseconds) {
      let over = false;
      const timer = setTimeout(() => {
        over = true;
        tell();
      }, milliseconds);
      try {
        for (;;) {
          const at = waiting.findIndex(fits);
          if (at >= 0) return waiting.splice(0, at + 1).at(-1);
          if (closed !== undefined) throw socketClosed(closed);
          if (over) return undefined;
          await new Promise<void>((resolve) => {
            wake = resolve;
          });
        }
      } finally {
        clearTimeout(timer);
      }
    },
    close() {
      socket.close(1000);
      // If a server does not answer the close handshake, the socket is dropped after a moment.
      setTimeout(() => socket.terminate(), 500).unref();
    },
  };
}

function sizeOf(data: RawData): number {
  if (!Array.isArray(data)) return data.byteLength;
  return data.reduce((sum, { byteLength }) => sum + byteLength, 0);
}

function frameIn(data: RawData): Frame | undefined {
  try {
    const frame = parseJson(String(data));
    const known = frame !== null && typeof frame === 'object' && 'type' in frame && typeof frame.type === 'number';
    return known ? (frame as Frame) : undefined;
  } catch {
    return undefined;
  }
}

/** JSON in which a bigint is a number with all its digits. */
function frameText(frame: Record<string, unknown>): string {
  const members = Object.entries(frame).flatMap(([name, value]) =>
    value === undefined ? [] : [`${JSON.stringify(name)}:${typeof value === 'bigint' ? value : JSON.stringify(value)}`],
  );
  return `{${members.join(',')}}`;
}

/** The vendor closed the socket; what was sent before may or may not have been carried out. */
export class SocketClosed extends GatewayError {}

function socketClosed(why: string): SocketClosed {
  return new SocketClosed('vendor_failed', `${title} closed its socket (${why}).`, {
    vendor: 'timetonic',
    retryable: true,
  });
}

function refusedAddress(problem: string): GatewayError {
  return timetonicError(
    'connection_needs_attention',
    `${title}'s socket address is not allowed: ${problem}. Correct socketUrl, or set allowHttp or allowPrivateNetwork if it is your own server.`,
  );
}

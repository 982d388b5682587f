import { type RawData, type WebSocket, WebSocketServer } from 'ws';
import { isForeign, type JournalEntry } from '../sandbox-server.ts';
import { exactJson } from './exact-json.ts';
import { queryRefusal } from './form-api.ts';
import { VendorRefusal } from './refusal.ts';
import { answerFrame, checkAttach, isAttach, readFrame, SocketRefusal } from './socket-frames.ts';
import type { Vendor } from './vendor.ts';

/** The sandbox socket: raw WebSocket on every path of the server. */
export interface SocketHost {
  broadcast: Vendor['broadcast'];
  /** Sends raw text to the attached sockets of a user (of all users if absent); returns the number of recipients. */
  sendText(text: string, user?: string): number;
  /** Who is attached, one entry for each socket. */
  attached(): string[];
  /** Closes every socket, attached or not; returns how many. */
  closeAll(code?: number): number;
  close(): void;
}

/** Accepts WebSocket connections on the server of the sandbox vendor. */
export function createSocketHost(vendor: Vendor): SocketHost {
  const { sandbox } = vendor;
  const users = new Map<WebSocket, string>();
  const sockets = new WebSocketServer({ noServer: true });

  sandbox.server.on('upgrade', (request, socket, head) => {
    // Node has taken its own listener away. A client that resets its connection now must not end the process.
    socket.on('error', () => undefined);
    if (isForeign(request)) return void socket.destroy();
    const target = request.url ?? '/';
    const query = new URLSearchParams(target.includes('?') ? target.slice(target.indexOf('?') + 1) : '');
    const refuse = sandbox.state.switches.socket.mode === 'refuse';
    record(
      { method: 'UPGRADE', path: target.split('?')[0] ?? '/', body: '', status: refuse ? 503 : 101 },
      queryRefusal(query),
    );
    if (refuse)
      return void socket.end('HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nContent-Length: 0\r\n\r\n');
    sockets.handleUpgrade(request, socket, head, (opened) => {
      opened.on('message', (data, binary) => hear(opened, data, binary));
      opened.on('close', () => users.delete(opened));
      opened.on('error', () => opened.terminate());
    });
  });

  const host: SocketHost = {
    broadcast: (frame, { users: only, except } = {}) => {
      const text = exactJson(frame);
      const addressed = [...users].filter(
        ([socket, user]) => socket !== except && (only === undefined || only.includes(user)),
      );
      for (const [socket] of addressed) socket.send(text);
      return addressed.length;
    },
    sendText: (text, user) => {
      const addressed = [...users].filter(([, attached]) => user === undefined || attached === user);
      for (const [socket] of addressed) socket.send(text);
      return addressed.length;
    },
    attached: () => [...users.values()],
    closeAll: (code = 1012) => {
      const open = [...sockets.clients];
      for (const socket of open) socket.close(code);
      return open.length;
    },
    close: () => {
      for (const socket of sockets.clients) socket.terminate();
      sockets.close();
    },
  };
  return host;

  function hear(socket: WebSocket, data: RawData, binary: boolean): void {
    const text = Buffer.isBuffer(data) ? data.toString('utf8') : '';
    const entry = record({ method: 'SOCKET', path: '/socket', body: text.slice(0, 65_536), status: 101 });
    const { mode } = sandbox.state.switches.socket;
    try {
      if (binary) throw new VendorRefusal('binary frame', { refusal: true });
      const frame = readFrame(text);
      const attach = isAttach(vendor, frame);
      if (mode === 'garbage') garbage(socket);
      if (attach && mode === 'close-on-attach') socket.close(1008, 'session expired');
      if (mode === 'garbage' || mode === 'silent' || (attach && mode === 'close-on-attach')) return;
      if (attach) return void users.set(socket, checkAttach(vendor, frame));
      // Without an attach, the vendor ignores all frames: it sends neither an ack nor a refusal.
      const user = users.get(socket);
      if (user === undefined) return;
      const answer = answerFrame(vendor, frame, user, socket);
      sandbox.save();
      if (answer) later(socket, exactJson(answer));
    } catch (error) {
      if (!(error instanceof VendorRefusal)) {
        entry.refusal = `sandbox: ${error instanceof Error ? error.stack : String(error)}`;
        return void socket.close(1011);
      }
      if (error.refusal) entry.refusal = error.message;
      if (error instanceof SocketRefusal) later(socket, exactJson(error.answer));
    }
  }

  function later(socket: WebSocket, text: string): void {
    const { delay } = sandbox.state.switches.socket;
    if (delay > 0) setTimeout(() => socket.send(text), delay).unref();
    else socket.send(text);
  }

  function record(seen: Pick<JournalEntry, 'method' | 'path' | 'body' | 'status'>, refusal?: string): JournalEntry {
    const entry: JournalEntry = {
      at: sandbox.now(),
      query: {},
      headers: {},
      ...seen,
      ...(refusal !== undefined && { refusal }),
    };
    sandbox.journal.push(entry);
    return entry;
  }
}

function garbage(socket: WebSocket): void {
  socket.send('<html>not json');
  socket.send(Buffer.from([0, 255, 254, 1]));
  socket.send('{"type":2,"status":');
}

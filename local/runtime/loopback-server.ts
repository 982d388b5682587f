import { once } from 'node:events';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';

/** A server that listens. `close` takes no new connections, lets running requests end, and cuts what is left after the grace. */
export interface LoopbackServer {
  url: string;
  port: number;
  /** `grace` is milliseconds and defaults to 5000. */
  close(grace?: number): Promise<void>;
}

/** Makes a server listen; without more it takes any free port of 127.0.0.1. */
export async function listen(server: Server, options: { host?: string; port?: number } = {}): Promise<LoopbackServer> {
  const host = options.host ?? '127.0.0.1';
  server.listen(options.port ?? 0, host);
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://${host.includes(':') ? `[${host}]` : host}:${port}`,
    port,
    close: async (grace = 5000) => {
      if (!server.listening) return;
      const closed = once(server, 'close');
      server.close();
      // A connection whose answer is just on its way becomes idle a moment later, and nothing else would end it then.
      const idle = setInterval(() => server.closeIdleConnections(), 20);
      const cut = setTimeout(() => server.closeAllConnections(), grace);
      await closed;
      clearInterval(idle);
      clearTimeout(cut);
    },
  };
}

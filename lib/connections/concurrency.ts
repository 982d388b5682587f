import { GatewayError } from '../core/errors.ts';
import type { HttpClient } from '../core/http/client.ts';
import type { Connection } from '../core/vendor.ts';

interface Gate {
  running: number;
  waiting: (() => void)[];
}

const gates = new Map<string, Gate>();

/** Binds a client to a connection: its address policy, the call's end, and its `maxConcurrency` in this process. */
export function limitConcurrency(http: HttpClient, connection: Connection, signal: AbortSignal): HttpClient {
  const { allowHttp, allowPrivateNetwork, maxConcurrency } = connection.settings;
  const address = { allowHttp: allowHttp ?? false, allowPrivateNetwork: allowPrivateNetwork ?? false };
  const bound: HttpClient = {
    request: (options) => http.request({ address, ...options, signal: options.signal ?? signal }),
    stream: (options) => http.stream({ address, ...options, signal: options.signal ?? signal }),
  };
  if (maxConcurrency === undefined) return bound;
  const gate = gateOf(`${connection.vendor}/${connection.name}`);
  return {
    request: (options) => through(gate, maxConcurrency, signal, () => bound.request(options)),
    stream: (options) => through(gate, maxConcurrency, signal, () => bound.stream(options)),
  };
}

function gateOf(id: string): Gate {
  let gate = gates.get(id);
  if (!gate) {
    gate = { running: 0, waiting: [] };
    gates.set(id, gate);
  }
  return gate;
}

async function through<T>(gate: Gate, most: number, signal: AbortSignal, run: () => Promise<T>): Promise<T> {
  if (gate.running >= most) {
    await new Promise<void>((resolve, reject) => {
      const leave = () => {
        gate.waiting = gate.waiting.filter((waiting) => waiting !== enter);
        reject(
          new GatewayError(
            'unavailable',
            'The connection is busy: its maxConcurrency was reached until the time was up.',
            { retryAfter: 5 },
          ),
        );
      };
      const enter = () => {
        signal.removeEventListener('abort', leave);
        resolve();
      };
      signal.addEventListener('abort', leave, { once: true });
      gate.waiting.push(enter);
    });
  }
  gate.running++;
  try {
    return await run();
  } finally {
    gate.running--;
    gate.waiting.shift()?.();
  }
}

import { GatewayError } from '../core/errors.ts';
import type { HttpClient } from '../core/http/client.ts';
import { KeyedLimit } from '../core/limit.ts';
import type { Connection } from '../core/vendor.ts';

const limits = new KeyedLimit();

/** Binds a client to a connection: its address policy, the call's end, and its `maxConcurrency` in this process. */
export function limitConcurrency(http: HttpClient, connection: Connection, signal: AbortSignal): HttpClient {
  const { allowHttp, allowPrivateNetwork, maxConcurrency } = connection.settings;
  const address = { allowHttp: allowHttp ?? false, allowPrivateNetwork: allowPrivateNetwork ?? false };
  const bound: HttpClient = {
    request: (options) => http.request({ address, ...options, signal: options.signal ?? signal }),
    stream: (options) => http.stream({ address, ...options, signal: options.signal ?? signal }),
  };
  if (maxConcurrency === undefined) return bound;
  const name = `${connection.vendor}/${connection.name}`;
  const limited = async <Answer>(run: () => Promise<Answer>): Promise<Answer> => {
    let started = false;
    const task = () => {
      started = true;
      return run();
    };
    return limits.run(name, maxConcurrency, task, signal).catch((error: unknown) => {
      throw started ? error : busy(error);
    });
  };
  return {
    request: (options) => limited(() => bound.request(options)),
    stream: (options) => limited(() => bound.stream(options)),
  };
}

function busy(cause: unknown): GatewayError {
  return new GatewayError(
    'unavailable',
    'The connection is busy: its maxConcurrency was reached until the time was up.',
    { retryAfter: 5, cause },
  );
}

import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { isIP } from 'node:net';
import type { APIGatewayProxyEventV2, Context } from 'aws-lambda';
import { GatewayError } from '../../lib/core/errors.ts';
import { redactText } from '../../lib/core/redaction/redact.ts';
import { inBatch } from '../runtime/event-loop-batch.ts';
import { listen } from '../runtime/loopback-server.ts';
import { ByteBudget } from './byte-budget.ts';
import { maxLambdaPayloadBytes, writeAnswer, writeMessage, writeProblem } from './gateway-answer.ts';
import { gatewayEvent, type RoutedRequest } from './gateway-event.ts';
import { lambdaContexts } from './lambda-context.ts';
import { type Route, routeTable } from './route-table.ts';

/** A route to a function, as API Gateway has it. */
export interface FunctionRoute extends Route {
  // The handler knows the type of its own event.
  handler: (event: APIGatewayProxyEventV2, context: Context) => Promise<unknown>;
  functionName: string;
  /** Milliseconds after which Lambda would stop the function; what its context counts down. 29,000 when absent. */
  timeout?: number;
}

/** A route that API Gateway does not have: requests of any length go straight to `stream`, which answers them. */
export interface StreamRoute extends Route {
  stream: (request: IncomingMessage, response: ServerResponse, parameters: Record<string, string>) => void;
}

export interface HttpBridgeOptions {
  host?: string;
  /** 0 or absent takes any free port. */
  port?: number;
  /** The address that callers outside this machine use. Requests for its host name are then accepted. */
  publicUrl?: string;
  routes: readonly (FunctionRoute | StreamRoute)[];
  /** Files that are served here; `attach` receives the address. */
  files?: { routes: readonly StreamRoute[]; attach(url: string): void };
  /** Milliseconds that API Gateway waits for a function; 30,000 when absent. */
  limit?: number;
  /** Milliseconds after which a connection is closed over which nothing moves, 120,000 when absent: its client may have vanished. */
  idleMs?: number;
  /**
   * Asked before a body of more than 16 kB is read, with the request's event without its body. Throws what the caller is answered
   * instead, such as `unauthorized`.
   */
  admit?: (event: APIGatewayProxyEventV2) => Promise<unknown>;
  /** The maximum number of bytes of such bodies in memory at a time, 32 MB when absent; others wait. */
  maxBodyBytes?: number;
  /** Open connections, 4,096 when absent. */
  maxConnections?: number;
  /** Receives what a function threw; the caller sees only a 500. */
  onCrash?: (error: unknown, functionName: string) => void;
}

export interface HttpBridge {
  url: string;
  port: number;
  /** Accepts no new requests, and gives running ones ten seconds to end. */
  close(): Promise<void>;
}

interface PreparedRoute extends FunctionRoute {
  routeKey: string;
  newContext: () => Context;
}

interface Exchange extends RoutedRequest {
  response: ServerResponse;
  route: PreparedRoute;
  /** Bytes that its body may take in memory. */
  reserved?: number;
}

const maxBodyBytes = 10 * 1024 * 1024;
/** How much of a body is read before the sender is known, in bytes: enough for most alarms, and too little to fill the memory. */
const smallBodyBytes = 16 * 1024;
const closeGraceMs = 10_000;
/** How long a body that was refused is discarded, in milliseconds. */
const discardMs = 5_000;
/** How much of a body that is too long is read, so that the client receives the response. */
const maxDrainBytes = 64 * 1024 * 1024;

/** Starts API Gateway's part on this machine: HTTP requests in, payload 2.0 events to the functions of this process, answers out. */
export async function startHttpBridge(options: HttpBridgeOptions): Promise<HttpBridge> {
  const limit = options.limit ?? 30_000;
  const onCrash = options.onCrash ?? reportCrash;
  const names = new Set(['localhost', options.host, options.publicUrl && new URL(options.publicUrl).hostname]);
  const find = routeTable([...options.routes, ...(options.files?.routes ?? [])].map(prepare));
  // In order of their start, so that checking the first ones finds the overdue ones.
  const running = new Set<Exchange>();
  const bodies = new ByteBudget(options.maxBodyBytes ?? 32 * 1024 * 1024);

  const server = createServer(
    // Uploads may be slow; a body for a function is bounded by `limit`.
    {
      requestTimeout: 0,
      headersTimeout: 30_000,
      keepAliveTimeout: 65_000,
      maxHeaderSize: 10_240,
      connectionsCheckingInterval: 5_000,
    },
    (request, response) => {
      if (!isOurs(request.headers.host)) {
        return writeMessage(response, 421, 'Misdirected Request: set TRUNKLINE_PUBLIC_URL to use this name.', true);
      }
      const target = request.url ?? '/';
      const mark = target.indexOf('?');
      let path = mark === -1 ? target : target.slice(0, mark);
      if (path.includes('%')) {
        const decoded = decode(path);
        if (decoded === undefined) return writeMessage(response, 400, 'Bad Request');
        path = decoded;
      }
      const match = find(request.method ?? 'GET', path);
      if (match === undefined) return writeMessage(response, 404, 'Not Found');
      const { route } = match;
      if ('stream' in route) return route.stream(request, response, match.parameters ?? {});
      const exchange: Exchange = {
        request,
        response,
        route,
        routeKey: route.routeKey,
        path,
        query: mark === -1 ? '' : target.slice(mark + 1),
        parameters: match.parameters,
        start: Date.now(),
      };
      running.add(exchange);
      collect(exchange);
    },
  );

  server.timeout = options.idleMs ?? 120_000;
  server.maxConnections = options.maxConnections ?? 4_096;
  // Idle connections are closed first.
  server.on('drop', () => server.closeIdleConnections());
  const { url, port, close } = await listen(server, options);
  options.files?.attach(url);
  const watch = setInterval(() => cutOverdue(Date.now()), Math.min(1000, limit / 4)).unref();
  return {
    url,
    port,
    close: async () => {
      await close(closeGraceMs);
      clearInterval(watch);
    },
  };

  /**
   * A host name that resolves to this machine without being configured belongs to another site (DNS rebinding). An IP address is
   * not such a name.
   */
  function isOurs(host = ''): boolean {
    const name = host.toLowerCase().replace(/:\d+$/, '');
    return isIP(name.replace(/^\[|\]$/g, '')) !== 0 || names.has(name);
  }

  function collect(exchange: Exchange): void {
    const { request } = exchange;
    request.on('close', () => {
      if (!request.complete) leave(exchange);
    });
    if (Number(request.headers['content-length'] ?? 0) <= smallBodyBytes) read(exchange);
    else void makeRoom(exchange, () => read(exchange));
  }

  function read(exchange: Exchange): void {
    const { request, response } = exchange;
    const chunks: Buffer[] = [];
    let size = 0;
    request.on('data', (chunk: Buffer) => {
      size += chunk.length;
      if (size <= maxBodyBytes) chunks.push(chunk);
      else chunks.length = 0;
      if (size > maxDrainBytes) refuse();
      else if (size > smallBodyBytes && exchange.reserved === undefined) {
        // Its length was not stated.
        exchange.reserved = 0;
        request.pause();
        void makeRoom(exchange, () => request.resume());
      }
    });
    request.on('end', () => {
      const body = chunks.length === 1 ? chunks[0] : Buffer.concat(chunks);
      chunks.length = 0;
      if (size > maxBodyBytes) refuse();
      else inBatch(() => void invoke(exchange, size === 0 ? undefined : body));
    });
    function refuse(): void {
      leave(exchange);
      writeMessage(response, 413, 'Request Entity Too Large', size > maxDrainBytes);
    }
  }

  /** Reads a large body only after its sender is known and there is room for it. */
  async function makeRoom(exchange: Exchange, goOn: () => void): Promise<void> {
    const { request, response } = exchange;
    try {
      await options.admit?.(gatewayEvent(exchange, undefined));
    } catch (error) {
      if (!leave(exchange)) return;
      if (error instanceof GatewayError) writeProblem(response, error);
      else {
        onCrash(error, exchange.route.functionName);
        writeMessage(response, 500, 'Internal Server Error');
      }
      // The rest of the body is discarded for a while, so that the client reads the response.
      request.resume();
      const cut = setTimeout(() => request.socket.destroy(), Math.min(limit, discardMs));
      request.on('close', () => clearTimeout(cut));
      return;
    }
    const bytes = Math.min(Number(request.headers['content-length'] ?? maxBodyBytes), maxBodyBytes);
    if (!(await bodies.take(bytes, () => running.has(exchange)))) return;
    // It may have ended between the grant and this turn.
    if (running.has(exchange)) {
      exchange.reserved = bytes;
      goOn();
    } else bodies.giveBack(bytes);
  }

  /** Removes an exchange and releases its memory; false if that was done before. */
  function leave(exchange: Exchange): boolean {
    if (!running.delete(exchange)) return false;
    bodies.giveBack(exchange.reserved ?? 0);
    return true;
  }

  async function invoke(exchange: Exchange, body: Buffer | undefined): Promise<void> {
    const { response, route } = exchange;
    try {
      const event = gatewayEvent(exchange, body);
      if (event.body !== undefined && event.body.length > maxLambdaPayloadBytes) {
        writeMessage(response, 413, 'Request Entity Too Large');
        return;
      }
      const result = await route.handler(event, route.newContext());
      // Overdue, and answered already.
      if (running.has(exchange)) writeAnswer(response, result);
    } catch (error) {
      onCrash(error, route.functionName);
      if (running.has(exchange)) writeMessage(response, 500, 'Internal Server Error');
    } finally {
      leave(exchange);
    }
  }

  function cutOverdue(now: number): void {
    for (const exchange of running) {
      if (now - exchange.start < limit) return;
      leave(exchange);
      if (exchange.request.complete) writeMessage(exchange.response, 503, 'Service Unavailable');
      else writeMessage(exchange.response, 408, 'Request Timeout', true);
    }
  }
}

function prepare(route: FunctionRoute | StreamRoute): PreparedRoute | StreamRoute {
  if ('stream' in route) return route;
  const newContext = lambdaContexts({ name: route.functionName, timeout: route.timeout ?? 29_000 });
  return { ...route, routeKey: `${route.method} ${route.path}`, newContext };
}

function decode(path: string): string | undefined {
  try {
    return decodeURIComponent(path);
  } catch {
    return undefined;
  }
}

function reportCrash(error: unknown, functionName: string): void {
  const words = redactText(error instanceof Error ? (error.stack ?? error.message) : String(error));
  process.stderr.write(
    `${JSON.stringify({ level: 'ERROR', function: functionName, message: 'Unhandled error', error: words })}\n`,
  );
}

import type { IncomingMessage, ServerResponse } from 'node:http';
import { setTimeout as setTimeoutPromise } from 'node:timers/promises';
import type { APIGatewayProxyEventV2, Context } from 'aws-lambda';
import { writeAnswer, writeMessage } from './gateway-answer.ts';
import { gatewayEvent } from './gateway-event.ts';
import type { StreamRoute } from './http-bridge.ts';
import { lambdaContexts } from './lambda-context.ts';

export interface EventStream {
  route: StreamRoute;
  /** Something has changed. Every open connection is notified soon. */
  changed(): void;
  /** Ends every open connection. */
  close(): void;
}

export interface EventStreamOptions {
  path: string;
  functionName: string;
  /** The function that answers with the changes since `Last-Event-ID`. */
  handler: (event: APIGatewayProxyEventV2, context: Context) => Promise<unknown>;
  /** The function is called after this many milliseconds even without a change, so that a revoked key ends the stream. */
  idleMs?: number;
  /** How long changes are collected before the function is called, in milliseconds. */
  gatherMs?: number;
}

/**
 * Keeps the connection of a server-sent stream open. API Gateway cannot, so the function answers with what is new and ends; here the
 * same function is asked again, with the last id that it gave, whenever something has changed.
 */
export function eventStream(options: EventStreamOptions): EventStream {
  const { path, functionName, handler, idleMs = 10_000, gatherMs = 100 } = options;
  const newContext = lambdaContexts({ name: functionName, timeout: 29_000 });
  const waiting = new Set<() => void>();
  const open = new Set<ServerResponse>();
  let changes = 0;
  let isClosing = false;

  /** Resolves once something has changed since, and what follows at once was gathered, or after the idle time. */
  async function nextChange(since: number): Promise<void> {
    if (changes === since && !isClosing) {
      await new Promise<void>((resolve) => {
        const done = () => {
          clearTimeout(timer);
          waiting.delete(done);
          resolve();
        };
        const timer = setTimeout(done, idleMs);
        waiting.add(done);
      });
    }
    if (!isClosing) await setTimeoutPromise(gatherMs);
  }

  async function serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const [, query = ''] = (request.url ?? '').split('?');
    const routed = { request, routeKey: `GET ${path}`, path, query, parameters: undefined, start: Date.now() };
    const event = gatewayEvent(routed, undefined);
    delete event.headers['accept-encoding'];
    while (!response.destroyed && !isClosing) {
      const seen = changes;
      // A new event object each time, because the function attaches the state of the request to it.
      const answer = (await handler({ ...event, headers: { ...event.headers } }, newContext())) as {
        statusCode?: number;
        body?: string;
      };
      if (answer.statusCode !== 200) {
        // A stream that has started can only end. The client reconnects and then receives the reason.
        if (response.headersSent) response.end();
        else writeAnswer(response, answer);
        return;
      }
      if (!response.headersSent) {
        response.writeHead(200, {
          'content-type': 'text/event-stream',
          'cache-control': 'no-store',
          'x-accel-buffering': 'no',
        });
      }
      // It may have ended while the function was called.
      if (response.writableEnded || response.destroyed) return;
      const body = answer.body ?? '';
      // What a client does not read is not collected for it: it gets the rest from the last id once it reads on.
      if (!response.write(body)) await drained(response);
      event.headers['last-event-id'] = body.match(/^id: (.*)$/m)?.[1] ?? event.headers['last-event-id'];
      await nextChange(seen);
    }
    if (response.headersSent) response.end();
    else writeMessage(response, 503, 'Service Unavailable');
  }

  /** Resolves once the client has read what was written, or the response has ended. */
  async function drained(response: ServerResponse): Promise<void> {
    await new Promise<void>((resolve) => {
      response.once('drain', resolve).once('close', resolve);
    });
  }

  return {
    route: {
      method: 'GET',
      path,
      stream: (request, response) => {
        open.add(response);
        response.once('close', () => {
          open.delete(response);
          for (const each of [...waiting]) each();
        });
        serve(request, response).catch(() => {
          if (response.headersSent) response.destroy();
          else writeMessage(response, 500, 'Internal Server Error');
        });
      },
    },
    changed: () => {
      changes++;
      for (const each of [...waiting]) each();
    },
    close: () => {
      isClosing = true;
      for (const response of open) response.end();
      for (const each of [...waiting]) each();
    },
  };
}

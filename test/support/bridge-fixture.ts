import { once } from 'node:events';
import { request as httpRequest, type IncomingMessage } from 'node:http';
import type { APIGatewayProxyEventV2, Context } from 'aws-lambda';
import { afterEach, beforeEach, vi } from 'vitest';
import { type HttpBridge, startHttpBridge } from '../../local/aws/http-bridge.ts';

const path = '/v1/proptt2/dispatch/sendSosToChannel';

/** A bridge with one function, started for each test; `limit` is how long a call may take, in milliseconds. */
export function useBridge(limit?: number) {
  const used = {
    bridge: undefined as unknown as HttpBridge,
    /** What the function was called with last. */
    event: undefined as unknown as APIGatewayProxyEventV2,
    context: undefined as unknown as Context,
    /** What the function does. */
    answer: (): unknown => undefined,
    onCrash: vi.fn(),
    /** Who may send a long body. */
    admit: vi.fn<(event: APIGatewayProxyEventV2) => Promise<unknown>>(),
    path,
    call: (init: RequestInit = {}, target = path): Promise<Response> => fetch(`${used.bridge.url}${target}`, init),
    /** Sends headers as they are, repeated ones included. */
    raw: async (headers: string[], body = ''): Promise<void> => {
      const target = `${used.bridge.url}${path}?a=1&a=2`;
      // Node takes a flat list, too; its types do not say so.
      const sent = httpRequest(target, { method: 'POST', headers: headers as never, setHost: false });
      sent.end(body);
      const [response] = (await once(sent, 'response')) as [IncomingMessage];
      await response.toArray();
    },
  };
  beforeEach(async () => {
    used.answer = () => ({ statusCode: 200, body: 'ok' });
    used.event = undefined as unknown as APIGatewayProxyEventV2;
    used.onCrash.mockReset();
    used.admit.mockReset();
    used.bridge = await startHttpBridge({
      ...(limit !== undefined && { limit }),
      publicUrl: 'http://gateway.example',
      onCrash: used.onCrash,
      admit: used.admit,
      routes: [
        {
          method: 'ANY',
          path: '/v1/proptt2/{proxy+}',
          functionName: 'proptt2',
          handler: async (event, context) => {
            used.event = event;
            used.context = context;
            return used.answer();
          },
        },
        {
          method: 'PUT',
          path: '/uploads/{token}',
          stream: (request, response, { token }) => {
            request.resume().on('end', () => response.end(token));
          },
        },
      ],
    });
  });
  afterEach(() => used.bridge.close());
  return used;
}

import { idempotencyKey } from '../api/idempotency-key.ts';
import type { Principal } from '../api/keys/key-check.ts';
import { type HttpRequest, jsonBody } from '../api/request.ts';
import { GatewayError, methodNotAllowed } from '../core/errors.ts';
import type { Operation } from '../core/operation.ts';
import type { Vendor } from '../core/vendor.ts';
import { type GatewayServices, type InvokeAnswer, invoke, operationOf, queryInput } from './invoke.ts';

/** Answers `/v1/{vendor}/{connection}/{operation}` and `/v1/{vendor}/{connection}/raw/{path}`. */
export async function answerVendorRequest(
  services: GatewayServices,
  vendor: Vendor,
  request: HttpRequest,
  principal: Principal,
): Promise<InvokeAnswer> {
  const [connection, name, ...rest] = request.path.split('/').slice(3);
  if (!connection || !name) {
    throw new GatewayError(
      'not_found',
      `Call /v1/${vendor.name}/{connection}/{operation}. See /docs for the operations.`,
    );
  }
  if (name === 'raw') {
    const { answerRaw } = await import('./raw.ts');
    return answerRaw(services, vendor, connection, rest.join('/'), request, principal);
  }
  if (rest.length > 0)
    throw new GatewayError('not_found', `There is no ${request.path.slice(0, 200)}. See /docs for every call.`);
  const operation = operationOf(vendor, name);
  const given = inputOf(request, operation);
  if (given === undefined) {
    throw methodNotAllowed(name, request.method, operation.effect === 'read' ? ['GET', 'HEAD', 'POST'] : ['POST']);
  }
  return invoke(
    services,
    vendor,
    {
      principal,
      connection,
      operation: name,
      input: given,
      idempotencyKey: idempotencyKey(request.headers['idempotency-key']),
      later: /\brespond-async\b/i.test(request.headers.prefer ?? ''),
    },
    { requestId: request.requestId, signal: request.signal },
  );
}

function inputOf(request: HttpRequest, operation: Operation): Record<string, unknown> | undefined {
  if (request.method === 'POST') {
    const [stray] = request.query.keys();
    if (stray === undefined) return jsonBody(request);
    throw new GatewayError(
      'invalid_input',
      `A POST takes its input as JSON in the body, not in the query: ${stray.slice(0, 100)}.`,
      {
        errors: [{ pointer: `/${stray.slice(0, 100)}`, message: 'belongs in the body, not in the query' }],
      },
    );
  }
  return request.method === 'GET' && operation.effect === 'read' ? queryInput(operation, request.query) : undefined;
}

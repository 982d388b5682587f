import { once } from '../api/idempotency.ts';
import { idempotencyKey } from '../api/idempotency-key.ts';
import type { Principal } from '../api/keys/key-check.ts';
import { type HttpRequest, jsonBody, requireUncompressed } from '../api/request.ts';
import { operationNeed, requireScope } from '../api/scopes.ts';
import { GatewayError, methodNotAllowed } from '../core/errors.ts';
import type { RawRequest, Vendor } from '../core/vendor.ts';
import { writeOnlyTexts } from '../core/write-only.ts';
import { type GatewayServices, type InvokeAnswer, invoke, operationOf, withoutSecrets } from './invoke.ts';
import { withVendorCall } from './vendor-calls.ts';

const methods = ['GET', 'POST', 'PUT', 'PATCH', 'DELETE'];

/** Sends a request to a vendor's endpoint with the session added. A declared request runs as its operation. */
export async function answerRaw(
  services: GatewayServices,
  vendor: Vendor,
  connectionName: string,
  path: string,
  request: HttpRequest,
  principal: Principal,
): Promise<InvokeAnswer> {
  requireScope(principal.scopes, { vendor: vendor.name, connection: connectionName, operation: 'raw', exact: true });
  if (!methods.includes(request.method)) throw methodNotAllowed('raw', request.method, methods);
  const query = new URLSearchParams(request.query);
  // API Gateway hands paths over decoded, so one that needs a percent sign comes as `path`.
  const given = path === '' ? (query.get('path') ?? '') : path;
  if (path === '') query.delete('path');
  if (given === '')
    throw new GatewayError(
      'invalid_request',
      'Name the vendor endpoint: /raw/{path}, or /raw?path= for one that needs percent signs.',
    );
  const raw: RawRequest = {
    method: request.method,
    path: given,
    query,
    ...bodyOf(vendor, request),
  };
  const match = await vendor.matchRaw(raw);
  if (match === 'session') {
    throw new GatewayError(
      'forbidden',
      'Session requests cannot be made raw: the gateway makes them itself, under its lease.',
    );
  }
  const scope = { requestId: request.requestId, signal: request.signal };
  const key = idempotencyKey(request.headers['idempotency-key']);
  if (match?.input) {
    return invoke(
      services,
      vendor,
      { principal, connection: connectionName, operation: match.operation, input: match.input, idempotencyKey: key },
      scope,
    );
  }
  if (match) {
    const { effect } = operationOf(vendor, match.operation);
    requireScope(principal.scopes, operationNeed(vendor.name, connectionName, match.operation, effect));
  }
  const connection = await services.connections.find(vendor.name, connectionName);
  if (request.method !== 'GET') await services.pause.check();
  const run = async (asked?: () => void): Promise<InvokeAnswer> => {
    const observed = asked ? { ...scope, onRequest: asked } : scope;
    const send = async (): Promise<InvokeAnswer> => {
      const answer = await withVendorCall(services, vendor, connection, observed, (call) => vendor.sendRaw(raw, call));
      return 'file' in answer
        ? { status: 200, file: answer.file }
        : { status: answer.status ?? 200, body: answer.body };
    };
    const body = raw.body !== null && typeof raw.body === 'object' ? Object.entries(raw.body) : [];
    const secrets = writeOnlyTexts(vendor.operations, [...query, ...body]);
    return secrets.length === 0 ? send() : withoutSecrets(send(), secrets);
  };
  if (key === undefined || request.method === 'GET') return run();
  return once(
    services,
    {
      area: vendor.name,
      keyId: principal.keyId,
      key,
      requestId: request.requestId,
      fingerprint: [
        vendor.name,
        connectionName,
        raw.method,
        raw.path,
        [...query],
        raw.body ?? raw.content?.bytes.toString('base64'),
      ],
    },
    async (asked) => {
      const answer = await run(asked);
      if ('file' in answer)
        throw new GatewayError('vendor_malformed', 'The vendor answered a write with a file.', { outcome: 'unknown' });
      return answer;
    },
  );
}

/** The body of a raw request: its fields if it has any, and the raw body if the vendor accepts any body. */
function bodyOf(vendor: Vendor, request: HttpRequest): Pick<RawRequest, 'body' | 'content'> {
  if (request.rawBody.length === 0) return { body: undefined };
  if (!vendor.takesAnyBody) return { body: jsonBody(request) };
  requireUncompressed(request);
  const type = request.headers['content-type'] ?? 'application/json';
  const content = { bytes: request.rawBody, type };
  if (/^application\/x-www-form-urlencoded\b/i.test(type)) {
    return { body: Object.fromEntries(new URLSearchParams(request.rawBody.toString('utf8'))), content };
  }
  return { body: /^application\/(json|[\w.-]+\+json)\b/i.test(type) ? jsonBody(request) : undefined, content };
}

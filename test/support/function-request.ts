import { brotliDecompressSync, gunzipSync } from 'node:zlib';
import type { APIGatewayProxyEventV2, APIGatewayProxyStructuredResultV2, Context } from 'aws-lambda';

/** A request as a test writes it. */
export interface TestRequest {
  method?: string;
  path: string;
  query?: string;
  headers?: Record<string, string>;
  body?: string | Buffer | object;
}

type Handler = (event: APIGatewayProxyEventV2, context: Context) => Promise<unknown>;

/** An answer with its body parsed where it is JSON. */
export interface Answer {
  status: number;
  headers: Record<string, string>;
  body: unknown;
  text: string;
}

let count = 0;

/** The event that API Gateway makes of a request (payload 2.0): bodies of bytes come as Base64. */
export function eventOf(ask: TestRequest): APIGatewayProxyEventV2 {
  const method = ask.method ?? (ask.body === undefined ? 'GET' : 'POST');
  const bytes = Buffer.isBuffer(ask.body);
  const body = bytes
    ? (ask.body as Buffer).toString('base64')
    : typeof ask.body === 'object'
      ? JSON.stringify(ask.body)
      : ask.body;
  return {
    version: '2.0',
    routeKey: '$default',
    rawPath: ask.path,
    rawQueryString: ask.query ?? '',
    headers: { ...(typeof ask.body === 'object' && !bytes && { 'content-type': 'application/json' }), ...ask.headers },
    requestContext: {
      accountId: '000000000000',
      apiId: 'test',
      domainName: 'test.example',
      domainPrefix: 'test',
      http: { method, path: ask.path, protocol: 'HTTP/1.1', sourceIp: '192.0.2.1', userAgent: 'test' },
      requestId: `request-${++count}`,
      routeKey: '$default',
      stage: '$default',
      time: '05/Jan/2026:02:11:09 +0000',
      timeEpoch: 0,
    },
    ...(body !== undefined && { body }),
    isBase64Encoded: bytes,
  };
}

/** Invokes a Lambda handler with an HTTP request and reads its answer. */
export async function invokeHttp(handler: Handler, ask: TestRequest): Promise<Answer> {
  const context = {
    awsRequestId: `invocation-${count}`,
    functionName: 'test',
    getRemainingTimeInMillis: () => 29_000,
  } as Context;
  const result = (await handler(eventOf(ask), context)) as APIGatewayProxyStructuredResultV2;
  const headers = Object.fromEntries(
    Object.entries(result.headers ?? {}).map(([name, value]) => [name.toLowerCase(), String(value)]),
  );
  const text = result.isBase64Encoded
    ? unpacked(Buffer.from(result.body ?? '', 'base64'), headers['content-encoding']).toString('utf8')
    : (result.body ?? '');
  return {
    status: result.statusCode ?? 200,
    headers,
    text,
    body: text !== '' && /json/.test(headers['content-type'] ?? '') ? JSON.parse(text) : text,
  };
}

function unpacked(bytes: Buffer, coding: string | undefined): Buffer {
  if (coding === 'br') return brotliDecompressSync(bytes);
  return coding === 'gzip' ? gunzipSync(bytes) : bytes;
}

import { randomBytes } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { isIP } from 'node:net';
import { parse as parseQuery } from 'node:querystring';
import type { APIGatewayProxyEventV2 } from 'aws-lambda';
import { isWithin } from '../../lib/core/networks.ts';

/** A routed request: its path decoded, its query unchanged. */
export interface RoutedRequest {
  request: IncomingMessage;
  routeKey: string;
  path: string;
  query: string;
  parameters: Record<string, string> | undefined;
  /** Epoch milliseconds at which it came. */
  start: number;
}

/** Whether an address is on the comma-separated list `TRUNKLINE_TRUSTED_PROXIES` of addresses and networks. */
function isTrustedProxy(address: string): boolean {
  const list = process.env.TRUNKLINE_TRUSTED_PROXIES ?? '';
  return (
    list !== '' &&
    isWithin(
      list.split(',').map((each) => each.trim()),
      address,
    )
  );
}

/** The address that a request came from: the nearest in `X-Forwarded-For` that is no trusted proxy, if such a proxy sent it. */
function sourceOf(remoteAddress: string, forwarded: string | undefined): string {
  if (forwarded === undefined) return remoteAddress;
  let source = remoteAddress;
  for (const address of forwarded.split(',').reverse()) {
    if (!isTrustedProxy(source) || isIP(address.trim()) === 0) break;
    source = address.trim();
  }
  return source;
}

/** Makes the event of API Gateway's payload format 2.0 for HTTP APIs; `body` is whole, and absent where there is none. */
export function gatewayEvent(routed: RoutedRequest, body: Buffer | undefined): APIGatewayProxyEventV2 {
  const { request, routeKey, path, query, parameters, start } = routed;
  const method = request.method ?? 'GET';
  const remoteAddress = request.socket.remoteAddress ?? '';
  const { headers, cookies } = convertHeaders(request.rawHeaders);
  const forwarded = headers['x-forwarded-for'];
  const sourceIp = sourceOf(remoteAddress, forwarded);
  headers['x-forwarded-for'] = forwarded === undefined ? remoteAddress : `${forwarded}, ${remoteAddress}`;
  // Only a proxy that the operator names is believed.
  if (headers['x-forwarded-proto'] !== 'https' || !isTrustedProxy(remoteAddress)) headers['x-forwarded-proto'] = 'http';

  const event: APIGatewayProxyEventV2 = {
    version: '2.0',
    routeKey,
    rawPath: path,
    rawQueryString: query,
    headers,
    requestContext: {
      accountId: '000000000000',
      apiId: 'local',
      domainName: headers.host ?? '',
      domainPrefix: 'local',
      http: {
        method,
        path,
        protocol: request.httpVersion === '1.1' ? 'HTTP/1.1' : 'HTTP/1.0',
        sourceIp,
        userAgent: headers['user-agent'] ?? '',
      },
      requestId: nextRequestId(),
      routeKey,
      stage: '$default',
      time: commonLogTime(start),
      timeEpoch: start,
    },
    isBase64Encoded: false,
  };
  if (cookies !== undefined) event.cookies = cookies;
  if (query !== '') event.queryStringParameters = convertQuery(query);
  if (parameters !== undefined) event.pathParameters = { ...parameters };
  if (body !== undefined) {
    // Compressed bytes are not text, even if they decompress to text.
    event.isBase64Encoded = headers['content-encoding'] !== undefined || !isText(headers['content-type']);
    event.body = body.toString(event.isBase64Encoded ? 'base64' : 'utf8');
  }
  return event;
}

// Without a prototype, so that a header named `constructor` is a header.
function WithoutPrototype() {}
WithoutPrototype.prototype = Object.create(null);
const PlainRecord = WithoutPrototype as unknown as new () => Record<string, string>;

function convertHeaders(raw: string[]): { headers: Record<string, string>; cookies: string[] | undefined } {
  const headers = new PlainRecord();
  let cookies: string[] | undefined;
  for (let i = 0; i < raw.length; i += 2) {
    const name = (raw[i] ?? '').toLowerCase();
    const value = raw[i + 1] ?? '';
    switch (name) {
      case 'cookie':
        cookies = (cookies ?? []).concat(value.split(/; */).filter((cookie) => cookie !== ''));
        break;
      case 'connection':
      case 'keep-alive':
      case 'transfer-encoding':
      case 'te':
      case 'trailer':
      case 'upgrade':
      case 'expect':
        break;
      default: {
        const before = headers[name];
        headers[name] = before === undefined ? value : `${before},${value}`;
      }
    }
  }
  return { headers, cookies };
}

function convertQuery(query: string): Record<string, string> {
  const parsed = parseQuery(query, '&', '=', { maxKeys: 0 });
  for (const key in parsed) {
    const value = parsed[key];
    if (Array.isArray(value)) parsed[key] = value.join(',');
  }
  // Every list was joined above.
  return parsed as Record<string, string>;
}

const textTypes = new Map<string, boolean>();

/** Text is passed on unchanged; everything else, including form fields and bodies without a content type, as Base64. */
function isText(contentType: string | undefined): boolean {
  if (contentType === undefined) return false;
  const known = textTypes.get(contentType);
  if (known !== undefined) return known;
  const type = contentType.split(';')[0]?.trim().toLowerCase() ?? '';
  const text = type.startsWith('text/') || /^application\/(json|xml|javascript)$/.test(type);
  if (textTypes.size < 100) textTypes.set(contentType, text);
  return text;
}

const requestIdPrefix = randomBytes(6).toString('base64url');
let requestCount = 0;

/** Unique to this process and, by its beginning, to this start. */
function nextRequestId(): string {
  requestCount += 1;
  return `${requestIdPrefix}${requestCount}`;
}

const months = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];
let timeSecond = 0;
let timeText = '';

/** `12/Mar/2026:19:03:58 +0000`, made once a second. */
function commonLogTime(now: number): string {
  const second = Math.floor(now / 1000);
  if (second !== timeSecond) {
    const [year, month = '', rest = ''] = new Date(now).toISOString().split('-');
    timeText = `${rest.slice(0, 2)}/${months[Number(month) - 1]}/${year}:${rest.slice(3, 11)} +0000`;
    timeSecond = second;
  }
  return timeText;
}

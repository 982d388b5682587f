/** Answers of the API that a web page of another origin may read. Without it a script sees only a few standard headers. */
const exposedHeaders = [
  'etag',
  'idempotent-replayed',
  'location',
  'ratelimit',
  'ratelimit-policy',
  'retry-after',
  'vendor-shape',
  'x-request-id',
].join(', ');
const allowedMethods = 'GET, HEAD, POST, PUT, PATCH, DELETE';
const allowedHeaders = 'authorization, content-type, idempotency-key, if-none-match, last-event-id, prefer';
/** How long a browser may keep the answer to a preflight request, in seconds. */
const preflightSeconds = 600;

/**
 * The origins whose pages may call the API, from a list such as `https://desk.example, https://wall.example:8443`; `*` allows every
 * origin. Throws for an entry that is not an origin.
 */
export function readOrigins(text: string | undefined): readonly string[] {
  const origins = (text ?? '').split(/[\s,]+/).filter((each) => each !== '');
  for (const origin of origins) {
    if (isOrigin(origin)) continue;
    throw new Error(
      `TRUNKLINE_ALLOWED_ORIGINS: ${JSON.stringify(origin)} is not an origin such as https://desk.example, nor *.`,
    );
  }
  return origins;
}

/** Whether a text is `*`, or scheme, host and port of a web page, as browsers write them in the header `Origin`. */
export function isOrigin(text: string): boolean {
  if (text === '*') return true;
  const url = URL.parse(text);
  return url !== null && /^https?:$/.test(url.protocol) && !url.host.includes('*') && url.origin === text;
}

/**
 * The headers that let a page of the origin read an answer; none for an origin that is not allowed. Cookies are never allowed
 * across origins: a page needs a key of its own.
 */
export function originHeaders(allowed: readonly string[], origin: string | undefined): Record<string, string> {
  if (allowed.length === 0) return {};
  if (allowed.includes('*')) {
    return { 'access-control-allow-origin': '*', 'access-control-expose-headers': exposedHeaders };
  }
  if (origin === undefined || !allowed.includes(origin)) return { vary: 'origin' };
  return { 'access-control-allow-origin': origin, 'access-control-expose-headers': exposedHeaders, vary: 'origin' };
}

/** The headers that answer a preflight request, or undefined for every other request and for origins that are not allowed. */
export function preflightHeaders(
  allowed: readonly string[],
  method: string,
  headers: Readonly<Record<string, string | undefined>>,
): Record<string, string> | undefined {
  if (method !== 'OPTIONS' || headers['access-control-request-method'] === undefined) return undefined;
  const { 'access-control-allow-origin': origin, vary } = originHeaders(allowed, headers.origin);
  if (origin === undefined) return undefined;
  return {
    'access-control-allow-origin': origin,
    'access-control-allow-methods': allowedMethods,
    'access-control-allow-headers': allowedHeaders,
    'access-control-max-age': String(preflightSeconds),
    ...(vary !== undefined && { vary }),
  };
}

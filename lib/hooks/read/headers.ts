import { redactText } from '../../core/redaction/redact.ts';
import { fieldsOf } from './body.ts';

/** Names that may hold a secret, whoever coined them. */
const secretName =
  /auth|cookie|token|secret|signature|hmac|passw|passphrase|credential|session|jwt|bearer|csrf|xsrf|private|(?:api|app|access|shared|license|hook)[-_]?key|^key$|[-_]key$|^sig$|[-_]sig$/i;
/** What tells of the way that a request took, or of its bytes, and nothing of the message. */
const transportName =
  /^(?:host|content-(?:type|length|encoding)|accept.*|connection|keep-alive|te|trailer|transfer-encoding|upgrade.*|via|forwarded|expect|pragma|cache-control|dnt|priority|traceparent|tracestate|x-forwarded-.*|x-real-ip|x-request-id|x-amzn-.*|cf-.*|cdn-loop|sec-.*|true-client-ip)$/i;
/** Names that only look like it. */
const harmless: ReadonlySet<string> = new Set(['idempotency-key', 'x-event-key']);
const maxHeaders = 60;
const longestValue = 1000;

/** The headers that may stand in an event: none that could hold a secret, none of the transport; known secrets masked. */
export function safeHeaders(headers: Readonly<Record<string, string | undefined>>): Record<string, string> {
  const safe: [string, string][] = [];
  for (const [name, value] of Object.entries(headers)) {
    if (value === undefined || name === '__proto__' || transportName.test(name)) continue;
    if (!harmless.has(name) && secretName.test(name)) continue;
    safe.push([name, redactText(value.slice(0, longestValue))]);
    if (safe.length >= maxHeaders) break;
  }
  return Object.fromEntries(safe);
}

/** The query parameters that may stand in an event, without our own. */
export function safeQuery(query: URLSearchParams): Record<string, string | string[]> {
  return fieldsOf([...query].filter(([name]) => name !== 'wait' && !secretName.test(name)));
}

import { redactText } from '../../core/redaction/redact.ts';
import { fieldsOf } from './body.ts';

const hidden = '[redacted]';
/** Headers that hold a credential or a signature, by the names that are in use for them. */
const credentialHeader =
  /^(?:(?:proxy-)?authorization|cookie|set-cookie|x-amz-security-token|.*(?:api|access|app|auth|hook|shared)-?key|(?:x-)?(?:.+-)?(?:token|secret|signature|signature-\d+|hmac(?:-sha\d+)?|password|sig))$/;
/** Query parameters that do. */
const credentialParameter = /^(?:access_token|token|api_?key|secret|password|signature|sig|hmac)$/i;
/** Headers that describe the route of a request or its encoding, and say nothing about the message. */
const transportName =
  /^(?:host|content-(?:type|length|encoding)|accept.*|connection|keep-alive|te|trailer|transfer-encoding|upgrade.*|via|forwarded|expect|pragma|cache-control|dnt|priority|traceparent|tracestate|x-forwarded-.*|x-real-ip|x-request-id|x-amzn-.*|cf-.*|cdn-loop|sec-.*|true-client-ip)$/i;
const maxHeaders = 60;
const longestValue = 1000;

/**
 * The headers that an event may contain: none that concern the transport. One that holds a credential keeps its name, so that the owner sees
 * that it came, and loses its value; known secrets are masked in all others.
 */
export function safeHeaders(
  headers: Readonly<Record<string, string | undefined>>,
  secrets: readonly string[] = [],
): Record<string, string> {
  const safe: [string, string][] = [];
  for (const [name, value] of Object.entries(headers)) {
    if (value === undefined || name === '__proto__' || transportName.test(name)) continue;
    const isSecret = credentialHeader.test(name) || secrets.includes(value);
    safe.push([name, isSecret ? hidden : redactText(value.slice(0, longestValue))]);
    if (safe.length >= maxHeaders) break;
  }
  return Object.fromEntries(safe);
}

/** The query parameters that an event may contain, without our own `wait`; the value of a credential is masked. */
export function safeQuery(query: URLSearchParams, secrets: readonly string[] = []): Record<string, string | string[]> {
  const given = [...query].filter(([name]) => name !== 'wait');
  return fieldsOf(
    given.map(([name, value]): [string, string] => [
      name,
      credentialParameter.test(name) || secrets.includes(value) ? hidden : value.toWellFormed(),
    ]),
  );
}

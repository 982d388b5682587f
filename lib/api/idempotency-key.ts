import { GatewayError } from '../core/errors.ts';

/** Placeholders that tools send when no key was filled in: all requests would share one key, and only the first would run. */
const placeholder =
  /^(?:<[^<>]*>|\{\{.*\}\}|\{[\w-]+\}|\$\{.*\}|:[\w-]+|string|text|key|null|undefined|idempotency[-_ ]?key)$/i;

/** Reads the header: a structured-field string or a bare token, 1 to 255 printable characters. */
export function idempotencyKey(header: string | undefined): string | undefined {
  if (header === undefined) return undefined;
  const quoted = header.match(/^"((?:[^"\\]|\\["\\])*)"$/)?.[1]?.replace(/\\(["\\])/g, '$1');
  const key = quoted ?? header;
  if (placeholder.test(key)) {
    throw new GatewayError(
      'invalid_request',
      `Idempotency-Key is the placeholder ${key.slice(0, 60)} of a tool. Send a key of your own for each request, or leave the header out.`,
      { errors: [{ pointer: '', message: 'Idempotency-Key is a placeholder' }] },
    );
  }
  if (/^[\x21-\x7e][\x20-\x7e]{0,254}$/.test(key) && (quoted !== undefined || !key.includes('"'))) return key;
  throw new GatewayError(
    'invalid_request',
    'Idempotency-Key must be 1 to 255 printable ASCII characters, quoted or bare.',
    {
      errors: [{ pointer: '', message: 'Idempotency-Key is not valid' }],
    },
  );
}

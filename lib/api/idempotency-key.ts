import { GatewayError } from '../core/errors.ts';

/** Reads the header: a structured-field string or a bare token, 1 to 255 printable characters. */
export function idempotencyKey(header: string | undefined): string | undefined {
  if (header === undefined) return undefined;
  const quoted = header.match(/^"((?:[^"\\]|\\["\\])*)"$/)?.[1]?.replace(/\\(["\\])/g, '$1');
  const key = quoted ?? header;
  if (/^[\x21-\x7e][\x20-\x7e]{0,254}$/.test(key) && (quoted !== undefined || !key.includes('"'))) return key;
  throw new GatewayError(
    'invalid_request',
    'Idempotency-Key must be 1 to 255 printable ASCII characters, quoted or bare.',
    {
      errors: [{ pointer: '', message: 'Idempotency-Key is not valid' }],
    },
  );
}

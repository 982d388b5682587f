import { promisify } from 'node:util';
import { brotliDecompress, gunzip, inflate } from 'node:zlib';
import { GatewayError } from '../../core/errors.ts';

const codings = {
  gzip: promisify(gunzip),
  'x-gzip': promisify(gunzip),
  deflate: promisify(inflate),
  br: promisify(brotliDecompress),
} as const;

/** A body without its `Content-Encoding`. Throws for more than `maxBytes`, for an unknown coding (415) and for bytes that are none. */
export async function decoded(rawBody: Buffer, encoding: string | undefined, maxBytes: number): Promise<Buffer> {
  let body = rawBody;
  const names = (encoding ?? '')
    .toLowerCase()
    .split(',')
    .map((name) => name.trim());
  for (const name of names.reverse()) {
    if (name === '' || name === 'identity') continue;
    if (!Object.hasOwn(codings, name)) {
      throw new GatewayError('unsupported_media_type', `The Content-Encoding ${name.slice(0, 40)} is not supported.`, {
        headers: { 'accept-encoding': 'gzip, deflate, br' },
      });
    }
    try {
      body = await codings[name as keyof typeof codings](body, { maxOutputLength: maxBytes });
    } catch (cause) {
      if (cause instanceof RangeError || Reflect.get(Object(cause), 'code') === 'ERR_BUFFER_TOO_LARGE') {
        throw new GatewayError('payload_too_large', `The body unpacks to more than ${maxBytes} bytes.`, { cause });
      }
      throw new GatewayError('invalid_request', `The body is not valid ${name}.`, { cause });
    }
  }
  return body;
}

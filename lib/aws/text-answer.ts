import { createHash } from 'node:crypto';
import { promisify } from 'node:util';
import { brotliCompress, constants, gzip } from 'node:zlib';
import type { APIGatewayProxyStructuredResultV2 } from 'aws-lambda';
import type { HttpRequest } from '../api/request.ts';

/** Shorter texts fit into one network packet: compressing them gains nothing. In bytes. */
const minCompressedBytes = 1_400;
/** Brotli's quality 5 compresses better than gzip and is as fast. */
const brotliQuality = 5;

const compressors = {
  br: (text: string) =>
    promisify(brotliCompress)(text, { params: { [constants.BROTLI_PARAM_QUALITY]: brotliQuality } }),
  gzip: (text: string) => promisify(gzip)(text),
} as const;
type Coding = keyof typeof compressors;

/**
 * A text as an answer: 304 if the caller has it already, compressed if the caller accepts that and it saves enough. Streams of events
 * are left alone, since a proxy would hold them back to compress them.
 */
export async function encodeText(
  status: number,
  headers: Record<string, string>,
  text: string,
  request: Pick<HttpRequest, 'headers'>,
): Promise<APIGatewayProxyStructuredResultV2> {
  const { etag } = headers;
  if (status === 200 && etag !== undefined && isKnown(etag, request.headers['if-none-match'])) {
    const { 'content-type': _, ...rest } = headers;
    return { statusCode: 304, headers: { ...rest, vary: varyOf(headers) } };
  }
  if (Buffer.byteLength(text) < minCompressedBytes || !isCompressible(headers['content-type'])) {
    return { statusCode: status, headers, body: text };
  }
  const varied = { ...headers, vary: varyOf(headers) };
  const coding = codingFor(request.headers['accept-encoding']);
  if (coding === undefined) return { statusCode: status, headers: varied, body: text };
  return {
    statusCode: status,
    headers: {
      ...varied,
      'content-encoding': coding,
      // A strong tag means the same bytes, and these are others.
      ...(etag !== undefined && { etag: etag.startsWith('W/') ? etag : `W/${etag}` }),
    },
    body: (await compressors[coding](text)).toString('base64'),
    isBase64Encoded: true,
  };
}

/** A weak tag of a text, for `ETag`. */
export function weakTag(text: string): string {
  return `W/"${createHash('sha256').update(text).digest('base64url').slice(0, 22)}"`;
}

/** Whether `If-None-Match` names a tag. The comparison is the weak one, as RFC 9110 has it for this header. */
function isKnown(tag: string, known: string | undefined): boolean {
  const opaque = (each: string) => each.trim().replace(/^W\//, '');
  const tags = (known ?? '').split(',').map(opaque);
  return tags.includes(opaque(tag)) || tags.includes('*');
}

function isCompressible(type: string | undefined): boolean {
  return type !== undefined && /^(?:text\/(?!event-stream)|application\/(?:[\w.-]+\+)?json\b|image\/svg)/.test(type);
}

const varyOf = ({ vary }: Record<string, string>): string =>
  vary === undefined ? 'accept-encoding' : `${vary}, accept-encoding`;

/** The best coding that an `Accept-Encoding` allows: Brotli before gzip where the caller has no preference. */
function codingFor(accepted: string | undefined): Coding | undefined {
  const weights = new Map(
    (accepted ?? '').split(',').map((each) => {
      const [name = '', ...parameters] = each.split(';').map((part) => part.trim().toLowerCase());
      const weight = parameters.find((parameter) => parameter.startsWith('q='));
      return [name, weight === undefined ? 1 : Number(weight.slice(2)) || 0] as const;
    }),
  );
  const weightOf = (coding: string) => weights.get(coding) ?? weights.get('*') ?? 0;
  const [first] = (['br', 'gzip'] as const)
    .map((coding) => ({ coding, weight: weightOf(coding) }))
    .filter(({ weight }) => weight > 0)
    .sort((one, other) => other.weight - one.weight);
  return first?.coding;
}

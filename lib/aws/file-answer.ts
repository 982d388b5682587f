import type { APIGatewayProxyStructuredResultV2 } from 'aws-lambda';
import type { FileAnswer } from '../connections/invoke.ts';
import type { FileStore } from '../core/files.ts';

/** How many bytes fit into a Lambda response as Base64 without exceeding 6 MB. */
const maxInlineBytes = 4_400_000;
/** How long a link to a larger file is valid, in seconds. */
const linkSeconds = 15 * 60;

/** A file as an answer: its bytes with their content type, or a 303 to a short-lived link if it is too large. */
export async function encodeFile(
  answer: FileAnswer,
  headers: Record<string, string>,
  files: FileStore,
): Promise<APIGatewayProxyStructuredResultV2> {
  const { stream, type, name, size } = answer.file;
  const chunks: Buffer[] = [];
  let held = 0;
  const reader = stream[Symbol.asyncIterator]() as AsyncIterator<Buffer>;
  while (held <= maxInlineBytes && (size === undefined || size <= maxInlineBytes)) {
    const next = await reader.next();
    if (next.done) {
      return {
        statusCode: answer.status,
        headers: {
          'content-type': type,
          // A file from a vendor must not run as a page of this origin.
          'x-content-type-options': 'nosniff',
          'content-security-policy': 'sandbox',
          ...(name && { 'content-disposition': disposition(name) }),
          ...headers,
        },
        body: Buffer.concat(chunks).toString('base64'),
        isBase64Encoded: true,
      };
    }
    chunks.push(next.value);
    held += next.value.length;
  }
  const key = `answers/${headers['x-request-id'] ?? 'file'}`;
  const { Readable } = await import('node:stream');
  await files.put(
    key,
    Readable.from(
      (async function* () {
        yield* chunks;
        for (let next = await reader.next(); !next.done; next = await reader.next()) yield next.value;
      })(),
    ),
    type,
  );
  const url = await files.link(key, linkSeconds, name);
  const expiresAt = new Date(Date.now() + linkSeconds * 1000).toISOString();
  return {
    statusCode: 303,
    headers: { ...headers, location: url, 'content-type': 'application/json' },
    body: JSON.stringify({ url, type, expiresAt, ...(name && { name }), ...(size !== undefined && { size }) }),
  };
}

function disposition(name: string): string {
  return `inline; filename*=UTF-8''${encodeURIComponent(name)}`;
}

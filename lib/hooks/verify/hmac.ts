import { createHmac } from 'node:crypto';
import { equalInConstantTime } from '../../core/constant-time.ts';
import { refused, type SignedRequest, timeProblem, type Verdict } from '../../core/verifier.ts';
import { valueAt } from '../places.ts';

/** How a sender signs with a shared secret. */
export interface HmacScheme {
  /** The header with the signature, or with several that are separated by commas. */
  header: string;
  algorithm: 'sha1' | 'sha256' | 'sha512';
  encoding: 'hex' | 'base64';
  /** The text before the signature, such as `sha256=`. */
  prefix?: string | undefined;
  /** The text that is signed, with `{body}`, `{timestamp}` and `{url}`. */
  signed: string;
  /** The header with the time of the signature, in seconds since the epoch. */
  timestampHeader?: string | undefined;
  /** Seconds by which that time may differ from ours. */
  toleranceSeconds?: number | undefined;
}

/** Verifies an HMAC over the body and what else the sender signs. `id` is the place of the sender's own id of the message. */
export function verifyHmac(
  scheme: HmacScheme,
  request: SignedRequest,
  secrets: readonly string[],
  now: number,
  id?: string,
): Verdict {
  const { header, algorithm, encoding, prefix = '', signed, timestampHeader, toleranceSeconds } = scheme;
  const given = request.headers[header.toLowerCase()];
  if (given === undefined || given === '') return refused(`the header ${header} is missing`);
  const timestamp = timestampHeader && request.headers[timestampHeader.toLowerCase()];
  if (timestampHeader) {
    if (!timestamp) return refused(`the header ${timestampHeader} is missing`);
    const problem = timeProblem(timestamp, now, toleranceSeconds);
    if (problem !== undefined) return refused(problem);
  }
  const signatures = given.split(',').map((one) => one.trim());
  const fitting = signatures.filter((one) => one.startsWith(prefix)).map((one) => one.slice(prefix.length));
  if (fitting.length === 0) return refused(`${header} is not of the form ${prefix}…`);
  for (const secret of secrets) {
    if (secret === '') continue;
    const mac = createHmac(algorithm, secret);
    for (const part of signed.split(/(\{\w+\})/)) mac.update(partOf(part, request, timestamp ?? ''));
    const expected = mac.digest(encoding);
    if (fitting.some((one) => equalInConstantTime(encoding === 'hex' ? one.toLowerCase() : one, expected))) {
      const own = id === undefined ? undefined : valueAt(request, id);
      return { ok: true, ...(own && { id: own }) };
    }
  }
  return refused('the signature does not fit the body and the secret');
}

function partOf(part: string, request: SignedRequest, timestamp: string): string | Uint8Array {
  if (part === '{body}') return request.rawBody;
  if (part === '{timestamp}') return timestamp;
  return part === '{url}' ? (request.url ?? '') : part;
}

/** A token that a sender repeats in a header. */
export function verifyHeader(header: string, request: SignedRequest, secrets: readonly string[], id?: string): Verdict {
  const given = request.headers[header.toLowerCase()];
  if (given === undefined || given === '') return refused(`the header ${header} is missing`);
  if (!secrets.some((secret) => secret !== '' && equalInConstantTime(given, secret))) {
    return refused(`the token in ${header} is wrong`);
  }
  const own = id === undefined ? undefined : valueAt(request, id);
  return { ok: true, ...(own && { id: own }) };
}

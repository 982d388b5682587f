import { createHash, createHmac } from 'node:crypto';
import { equalInConstantTime } from '../../core/constant-time.ts';
import { refused, type Verifier } from '../../core/verifier.ts';

/**
 * Twilio's `X-Twilio-Signature`: HMAC-SHA1 in Base64 over the address and the sorted form fields. A JSON body is signed by its SHA-256,
 * which is in the URL as `bodySHA256`.
 */
export const verifyTwilio: Verifier = ({ headers, rawBody, url = '' }, secrets) => {
  const signature = headers['x-twilio-signature'];
  if (signature === undefined) return refused('the header X-Twilio-Signature is missing');
  const bodyHash = URL.parse(url)?.searchParams.get('bodySHA256');
  const body = Buffer.from(rawBody);
  if (bodyHash && createHash('sha256').update(body).digest('hex') !== bodyHash.toLowerCase()) {
    return refused('the body does not fit bodySHA256 in the address');
  }
  const fields = bodyHash ? [] : [...new URLSearchParams(body.toString('utf8'))];
  const sorted = fields.sort(([one], [other]) => (one < other ? -1 : one > other ? 1 : 0));
  const text = `${url}${sorted.map(([name, value]) => name + value).join('')}`;
  for (const secret of secrets) {
    if (secret === '') continue;
    if (equalInConstantTime(signature, createHmac('sha1', secret).update(text, 'utf8').digest('base64'))) {
      const id = headers['i-twilio-idempotency-token'];
      return { ok: true, ...(id && { id }) };
    }
  }
  return refused('the signature does not fit; the address in Twilio must be exactly the address of this hook');
};

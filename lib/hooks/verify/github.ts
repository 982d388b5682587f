import { createHash, createHmac } from 'node:crypto';
import { equalInConstantTime } from '../../core/constant-time.ts';
import { refused, type Verifier } from '../../core/verifier.ts';

/**
 * GitHub's `X-Hub-Signature-256`, which many others copied: HMAC-SHA256 over the raw body, in hex. The signature does not
 * cover the delivery id, so a message is identified by its body: a recorded request cannot be sent again under another id.
 */
export const verifyGitHub: Verifier = ({ headers, rawBody }, secrets) => {
  const signature = headers['x-hub-signature-256'];
  if (signature === undefined) return refused('the header X-Hub-Signature-256 is missing');
  if (!/^sha256=[\da-f]{64}$/i.test(signature)) return refused('X-Hub-Signature-256 is not of the form sha256=…');
  for (const secret of secrets) {
    if (secret === '') continue;
    const expected = `sha256=${createHmac('sha256', secret).update(rawBody).digest('hex')}`;
    if (equalInConstantTime(signature.toLowerCase(), expected))
      return { ok: true, id: createHash('sha256').update(rawBody).digest('base64url') };
  }
  return refused('the signature does not fit the body and the secret');
};

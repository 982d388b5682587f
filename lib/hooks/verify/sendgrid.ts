import { createPublicKey, verify } from 'node:crypto';
import { refused, timeProblem, type Verifier } from '../../core/verifier.ts';

/** SendGrid's signed event webhook: ECDSA over time and raw body, verified with the public key that SendGrid shows. */
export const verifySendGrid: Verifier = ({ headers, rawBody }, keys, now) => {
  const signature = headers['x-twilio-email-event-webhook-signature'];
  const timestamp = headers['x-twilio-email-event-webhook-timestamp'];
  if (!signature || !timestamp) {
    return refused('the headers X-Twilio-Email-Event-Webhook-Signature and -Timestamp are not both there');
  }
  const problem = timeProblem(timestamp, now);
  if (problem !== undefined) return refused(problem);
  const signed = Buffer.concat([Buffer.from(timestamp), rawBody]);
  const given = Buffer.from(signature, 'base64');
  const fits = keys.some((key) => isPublicKey(key) && verify('sha256', signed, publicKey(key), given));
  return fits ? { ok: true } : refused('the signature does not fit the body and the public key');
};

/** Whether a text is a public key as SendGrid shows it: the Base64 of its DER form. */
export function isPublicKey(text: string): boolean {
  try {
    return publicKey(text).asymmetricKeyType === 'ec';
  } catch {
    return false;
  }
}

const publicKey = (text: string) => createPublicKey({ key: Buffer.from(text, 'base64'), format: 'der', type: 'spki' });

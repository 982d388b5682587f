import { createHmac } from 'node:crypto';
import { equalInConstantTime } from '../../core/constant-time.ts';
import { parseJson } from '../../core/json.ts';
import { refused, timeProblem, type Verifier } from '../../core/verifier.ts';

/** Stripe's `Stripe-Signature: t=…,v1=…`: HMAC-SHA256 over time and raw body, in hex; several `v1` while a secret changes. */
export const verifyStripe: Verifier = ({ headers, rawBody }, secrets, now) => {
  const header = headers['stripe-signature'];
  if (header === undefined) return refused('the header Stripe-Signature is missing');
  const parts = header.split(',').map((part) => part.trim().split('=', 2));
  const timestamp = parts.find(([key]) => key === 't')?.[1];
  const signatures = parts.filter(([key]) => key === 'v1').map(([, value]) => value ?? '');
  if (timestamp === undefined || signatures.length === 0) {
    return refused('Stripe-Signature is not of the form t=…,v1=…');
  }
  const problem = timeProblem(timestamp, now);
  if (problem !== undefined) return refused(problem);
  for (const secret of secrets) {
    if (secret === '') continue;
    const expected = createHmac('sha256', secret).update(`${timestamp}.`).update(rawBody).digest('hex');
    if (signatures.some((signature) => equalInConstantTime(signature, expected)))
      return { ok: true, ...eventId(rawBody) };
  }
  return refused('no signature fits the body and the secret');
};

/** The id of the event is in the signed body. */
function eventId(rawBody: Uint8Array): { id?: string } {
  try {
    const body = parseJson(Buffer.from(rawBody).toString());
    if (typeof body === 'object' && body !== null && 'id' in body && typeof body.id === 'string')
      return { id: body.id };
  } catch {
    // A signed body that is not JSON is the sender's affair; it just has no id.
  }
  return {};
}

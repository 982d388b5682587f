import { createHmac, createPublicKey, randomBytes, verify } from 'node:crypto';
import { equalInConstantTime } from './constant-time.ts';
import { refused, type SignedRequest, timeProblem, type Verdict } from './verifier.ts';

const prefix = 'whsec_';
const publicPrefix = 'whpk_';
/** What precedes the 32 bytes of an Ed25519 key in its DER form. */
const ed25519Der = Buffer.from('302a300506032b6570032100', 'hex');

/** A new secret for a subscription: 32 random bytes in the form `whsec_` + Base64. */
export function newSigningSecret(random: (count: number) => Uint8Array = randomBytes): string {
  return prefix + Buffer.from(random(32)).toString('base64');
}

/** Whether a text is a secret that Standard Webhooks can sign with: Base64 of 24 to 64 bytes, `whsec_` before it or not. */
export function isSigningSecret(text: string): boolean {
  const length = keyOf(text)?.length ?? 0;
  return length >= 24 && length <= 64;
}

/** What is signed: the id stays the same on every attempt, the time (whole epoch seconds) is that of the attempt. */
export interface OutgoingWebhook {
  id: string;
  timestamp: number;
  body: string | Uint8Array;
}

/**
 * The three headers of a Standard Webhooks message, signed with each secret, so that a receiver may hold the old or the new
 * one while they change. Throws when the id could be mistaken or a secret cannot be used.
 */
export function webhookHeaders(webhook: OutgoingWebhook, secrets: readonly string[]): Record<string, string> {
  const { id, timestamp, body } = webhook;
  if (!/^[\w-]+$/.test(id)) throw new TypeError('A webhook id consists of letters, digits, hyphens and underscores');
  if (!Number.isSafeInteger(timestamp) || timestamp < 0) throw new TypeError('A webhook timestamp is in whole seconds');
  if (secrets.length === 0) throw new TypeError('A webhook needs a secret to be signed with');
  const signatures = secrets.map((secret) => {
    const key = keyOf(secret);
    if (key === undefined) throw new TypeError('A webhook secret is whsec_ followed by Base64');
    return `v1,${sign(key, id, String(timestamp), body)}`;
  });
  return { 'webhook-id': id, 'webhook-timestamp': String(timestamp), 'webhook-signature': signatures.join(' ') };
}

/** Whether a text is a public key of Standard Webhooks: `whpk_` and the Base64 of 32 bytes. */
export function isPublicKey(text: string): boolean {
  return text.startsWith(publicPrefix) && Buffer.from(text.slice(publicPrefix.length), 'base64').length === 32;
}

/**
 * Verifies a Standard Webhooks message (headers `webhook-…`, or `svix-…` as older senders call them) with symmetric keys (`v1`) or
 * Ed25519 public keys (`v1a`, `whpk_…`).
 */
export function verifyWebhook(request: SignedRequest, secrets: readonly string[], now: number): Verdict {
  const { headers, rawBody } = request;
  const family = headers['webhook-id'] === undefined ? 'svix' : 'webhook';
  const id = headers[`${family}-id`];
  const timestamp = headers[`${family}-timestamp`];
  const signatures = headers[`${family}-signature`];
  if (!id || !timestamp || !signatures) {
    return refused('the headers webhook-id, webhook-timestamp and webhook-signature are not all there');
  }
  // Signed parts are joined by full stops: one inside the id would let a part of the body pass for a part of the id.
  if (id.includes('.')) return refused('the webhook-id holds a full stop');
  const problem = timeProblem(timestamp, now);
  if (problem !== undefined) return refused(problem);
  const all = signatures.split(' ');
  const given = all.filter((one) => one.startsWith('v1,'));
  const asymmetric = all.flatMap((one) => (one.startsWith('v1a,') ? [Buffer.from(one.slice(4), 'base64')] : []));
  const signed = Buffer.concat([Buffer.from(`${id}.${timestamp}.`), rawBody]);
  for (const secret of secrets) {
    if (isPublicKey(secret)) {
      const bytes = Buffer.from(secret.slice(publicPrefix.length), 'base64');
      const key = createPublicKey({ key: Buffer.concat([ed25519Der, bytes]), format: 'der', type: 'spki' });
      if (asymmetric.some((signature) => verify(null, signed, key, signature))) return { ok: true, id };
      continue;
    }
    const key = keyOf(secret);
    if (key === undefined) continue;
    const expected = `v1,${sign(key, id, timestamp, rawBody)}`;
    if (given.some((one) => equalInConstantTime(one, expected))) return { ok: true, id };
  }
  return refused('no signature fits the body and the secret');
}

function sign(key: Buffer, id: string, timestamp: string, body: string | Uint8Array): string {
  return createHmac('sha256', key).update(`${id}.${timestamp}.`).update(body).digest('base64');
}

function keyOf(secret: string): Buffer | undefined {
  const text = secret.startsWith(prefix) ? secret.slice(prefix.length) : secret;
  if (text === '' || !/^[A-Za-z0-9+/]+={0,2}$/.test(text)) return undefined;
  const key = Buffer.from(text, 'base64');
  return key.length === 0 ? undefined : key;
}

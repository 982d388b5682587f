import { type KeyObject, verify, X509Certificate } from 'node:crypto';
import { GatewayError } from '../../core/errors.ts';
import type { HttpClient } from '../../core/http/client.ts';
import { parseJson } from '../../core/json.ts';
import { LruMap } from '../../core/lru-map.ts';
import { refused, type SignedRequest, type Verdict } from '../../core/verifier.ts';

/** Public keys by the address of their certificate; AWS gives a new one a new address. */
const publicKeys = new LruMap<string, KeyObject>(100);
/** SNS repeats a delivery for an hour at most. */
const toleranceMs = 3_600_000;
const fetchTimeoutMs = 5_000;

const signedFields = {
  Notification: ['Message', 'MessageId', 'Subject', 'Timestamp', 'TopicArn', 'Type'],
  SubscriptionConfirmation: ['Message', 'MessageId', 'SubscribeURL', 'Timestamp', 'Token', 'TopicArn', 'Type'],
  UnsubscribeConfirmation: ['Message', 'MessageId', 'SubscribeURL', 'Timestamp', 'Token', 'TopicArn', 'Type'],
} as const;

/** Verifies a message of one Amazon SNS topic with the certificate of AWS that it names. */
export async function verifySns(
  http: HttpClient,
  topicArn: string,
  request: SignedRequest,
  now: number,
): Promise<Verdict & { confirm?: string }> {
  const message = messageIn(request.rawBody);
  const type = message?.Type;
  if (
    !message ||
    (type !== 'Notification' && type !== 'SubscriptionConfirmation' && type !== 'UnsubscribeConfirmation')
  ) {
    return refused('the body is not a message of SNS');
  }
  if (message.TopicArn !== topicArn) return refused(`the message is of another topic: ${String(message.TopicArn)}`);
  const at = Date.parse(message.Timestamp ?? '');
  if (Number.isNaN(at) || Math.abs(now - at) > toleranceMs) return refused('the message is more than an hour old');
  const certificateUrl = message.SigningCertURL ?? '';
  if (!isOfSns(certificateUrl)) return refused('SigningCertURL is not an address of SNS');
  const signed = signedFields[type]
    .flatMap((name) => (message[name] === undefined ? [] : [`${name}\n${message[name]}\n`]))
    .join('');
  const algorithm = message.SignatureVersion === '2' ? 'sha256' : 'sha1';
  const key = await publicKeyAt(http, certificateUrl);
  if (!verify(algorithm, Buffer.from(signed), key, Buffer.from(message.Signature ?? '', 'base64'))) {
    return refused('the signature does not fit the message and the certificate');
  }
  const confirm = type === 'SubscriptionConfirmation' ? message.SubscribeURL : undefined;
  return {
    ok: true,
    ...(message.MessageId && { id: message.MessageId }),
    ...(confirm && isOfSns(confirm) && { confirm }),
  };
}

/** Confirms a subscription by the address that SNS gave for it. */
export async function confirmSns(http: HttpClient, url: string): Promise<void> {
  await fetchFromSns(http, url);
}

async function publicKeyAt(http: HttpClient, url: string): Promise<KeyObject> {
  const known = publicKeys.get(url);
  if (known !== undefined) return known;
  const text = await fetchFromSns(http, url);
  let publicKey: KeyObject;
  try {
    ({ publicKey } = new X509Certificate(text));
  } catch (cause) {
    throw unavailable('answered without a certificate', cause);
  }
  publicKeys.set(url, publicKey);
  return publicKey;
}

/** A text from SNS. Throws `unavailable` if it cannot be had: SNS sends its message again. */
async function fetchFromSns(http: HttpClient, url: string): Promise<string> {
  const request = { method: 'GET', url, timeoutMs: fetchTimeoutMs, maxBytes: 64 * 1024, address: {} };
  const answer = await http.request(request).catch((cause: unknown) => {
    throw unavailable('could not be reached', cause);
  });
  if (answer.status !== 200) throw unavailable(`answered ${answer.status}`);
  return answer.text();
}

function unavailable(why: string, cause?: unknown): GatewayError {
  return new GatewayError('unavailable', `SNS ${why}, so its message could not be verified. Send it again.`, {
    retryAfter: 5,
    cause,
  });
}

function isOfSns(url: string): boolean {
  const parsed = URL.parse(url);
  return parsed?.protocol === 'https:' && /^sns\.[a-z0-9-]+\.amazonaws\.com(?:\.cn)?$/.test(parsed.host);
}

function messageIn(rawBody: Uint8Array): Record<string, string | undefined> | undefined {
  try {
    const value = parseJson(Buffer.from(rawBody).toString('utf8'));
    if (value === null || typeof value !== 'object') return undefined;
    return Object.fromEntries(Object.entries(value).filter(([, each]) => typeof each === 'string'));
  } catch {
    return undefined;
  }
}

import { createHmac, randomUUID } from 'node:crypto';
import { webhookHeaders } from '../../lib/core/standard-webhooks.ts';
import { UsageError } from '../failures.ts';
import { jsonArgument } from '../input.ts';
import type { Output } from '../output.ts';

export interface TriggerOptions {
  data: string;
  sign?: string;
  secret?: string;
  wait?: number;
}

/** Headers that a sender of each kind puts on its message. */
const signatures: Readonly<Record<string, (body: string, secret: string) => Record<string, string>>> = {
  'standard-webhooks': (body, secret) =>
    webhookHeaders({ id: `msg_${randomUUID()}`, timestamp: epochSeconds(), body }, [secret]),
  github: (body, secret) => ({
    'x-github-delivery': randomUUID(),
    'x-github-event': 'ping',
    'x-hub-signature-256': `sha256=${hmac(secret, body)}`,
  }),
  stripe: (body, secret) => {
    const at = epochSeconds();
    return { 'stripe-signature': `t=${at},v1=${hmac(secret, `${at}.${body}`)}` };
  },
  bearer: (_, secret) => ({ authorization: `Bearer ${secret}` }),
  basic: (_, secret) => ({ authorization: `Basic ${Buffer.from(secret).toString('base64')}` }),
};

const signatureKinds: readonly string[] = Object.keys(signatures);

/** `trunkline trigger URL`: posts a message to a hook as its sender would, and says what came of it. */
export async function trigger(output: Output, url: string, options: TriggerOptions): Promise<void> {
  if (!URL.canParse(url) || !/\/hooks\/[^/]+$/.test(new URL(url).pathname)) {
    throw new UsageError("The address must be a hook's, …/hooks/{token}, as it was shown when the hook was created.");
  }
  const body = JSON.stringify(jsonArgument(options.data));
  const answer = await fetch(options.wait === undefined ? url : `${url}?wait=${options.wait}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...signatureOf(body, options) },
    body,
  });
  const text = await answer.text();
  const parsed: unknown = text.startsWith('{') ? JSON.parse(text) : text;
  output.result({ status: answer.status, body: parsed }, `${answer.status} ${text}`);
  if (!answer.ok) throw new Error(`The hook answered with ${answer.status}.`);
}

function signatureOf(body: string, { sign, secret }: TriggerOptions): Record<string, string> {
  if (sign === undefined) return {};
  const make = Object.hasOwn(signatures, sign) ? signatures[sign] : undefined;
  if (!make) throw new UsageError(`--sign must be one of ${signatureKinds.join(', ')}.`);
  if (secret === undefined) throw new UsageError('--sign needs --secret; for basic it is user:password.');
  return make(body, secret);
}

function hmac(secret: string, text: string): string {
  return createHmac('sha256', secret).update(text).digest('hex');
}

function epochSeconds(): number {
  return Math.floor(Date.now() / 1000);
}

import type { HttpClient } from '../../core/http/client.ts';
import { verifyWebhook } from '../../core/standard-webhooks.ts';
import type { SignedRequest, Verdict, Verifier } from '../../core/verifier.ts';
import type { HookVerify } from '../hooks.ts';
import { verifyBasic, verifyBearer } from './authorization.ts';
import { verifyGitHub } from './github.ts';
import { verifyHeader, verifyHmac } from './hmac.ts';
import { verifyMailgun } from './mailgun.ts';
import { type Preset, type PresetName, presets } from './presets.ts';
import { verifySendGrid } from './sendgrid.ts';
import { verifyStripe } from './stripe.ts';
import { verifyTwilio } from './twilio.ts';

/** The kinds of verification that have a rule of their own, by the name that a hook's `verify.kind` gives; vendors add theirs. */
export const verifiers = {
  'standard-webhooks': verifyWebhook,
  github: verifyGitHub,
  stripe: verifyStripe,
  twilio: verifyTwilio,
  mailgun: verifyMailgun,
  sendgrid: verifySendGrid,
  basic: verifyBasic,
  bearer: verifyBearer,
  none: () => ({ ok: true }),
} as const satisfies Readonly<Record<string, Verifier>>;

/** Verifies a request as its hook says; undefined for a kind that is not known. `confirm` is an address that confirms a subscription. */
export async function verifySender(
  http: HttpClient,
  verify: HookVerify,
  request: SignedRequest,
  secrets: readonly string[],
  now: number,
): Promise<(Verdict & { confirm?: string }) | undefined> {
  const { kind, hmac, header, topicArn } = verify;
  if (kind === 'hmac' && hmac) return verifyHmac(hmac, request, secrets, now);
  if (kind === 'header' && header !== undefined) return verifyHeader(header, request, secrets);
  if (kind === 'sns' && topicArn !== undefined) {
    const { verifySns } = await import('./sns.ts');
    return verifySns(http, topicArn, request, now);
  }
  if (Object.hasOwn(presets, kind)) {
    const preset: Preset = presets[kind as PresetName];
    if ('hmac' in preset) return verifyHmac(preset.hmac, request, secrets, now, preset.id);
    return verifyHeader(preset.header, request, secrets, preset.id);
  }
  return Object.hasOwn(verifiers, kind) ? verifiers[kind as keyof typeof verifiers](request, secrets, now) : undefined;
}

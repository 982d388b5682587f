import { verifyWebhook } from '../../core/standard-webhooks.ts';
import type { Verifier } from '../../core/verifier.ts';
import { verifyBasic, verifyBearer } from './authorization.ts';
import { verifyGitHub } from './github.ts';
import { verifyStripe } from './stripe.ts';

/** The kinds of hook verification that belong to no vendor, by the name that a hook's `verify.kind` gives; vendors add theirs. */
export const verifiers = {
  'standard-webhooks': verifyWebhook,
  github: verifyGitHub,
  stripe: verifyStripe,
  basic: verifyBasic,
  bearer: verifyBearer,
  none: () => ({ ok: true }),
} as const satisfies Readonly<Record<string, Verifier>>;

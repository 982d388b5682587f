import type { Clock, Random } from '../core/clock.ts';
import { GatewayError } from '../core/errors.ts';
import { validSecrets } from '../core/rotated-secret.ts';
import { hookSecret, type SecretStore } from '../core/secrets.ts';
import type { HookItem, HookVerify } from './hooks.ts';

/** Whether a hook has its own secret: kinds `none` and `sns` need none, and a vendor's calls are verified by its connection. */
export function hasSecret({ kind, vendor }: HookVerify): boolean {
  return kind !== 'none' && kind !== 'sns' && vendor === undefined;
}

/** The secrets that a sender may have signed with now, the newest first. */
export async function goodSecrets(services: { secrets: SecretStore; clock: Clock }, item: HookItem): Promise<string[]> {
  if (!hasSecret(item.verify)) return [];
  const valid = await validSecrets(services, hookSecret(item.id), item.secretVersion);
  if (valid.length > 0) return valid;
  throw new GatewayError('unavailable', 'The hook cannot be reached just now.', { retryAfter: 5 });
}

/** A new secret for senders that take any text: 32 random bytes in hex. */
export function newPlainSecret(random: Random): string {
  return Buffer.from(random.bytes(32)).toString('hex');
}

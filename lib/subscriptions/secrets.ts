import type { Clock, Random } from '../core/clock.ts';
import { GatewayError } from '../core/errors.ts';
import { rotateSecret, validSecrets } from '../core/rotated-secret.ts';
import { type SecretStore, subscriptionSecret } from '../core/secrets.ts';
import { newSigningSecret } from '../core/standard-webhooks.ts';
import { keys } from '../store/items.ts';
import type { Table } from '../store/table.ts';
import type { SubscriptionItem } from './subscriptions.ts';

export interface SecretServices {
  secrets: SecretStore;
  clock: Clock;
}

/**
 * Rotates a subscription's secret. For `overlap` seconds, every delivery is also signed with the old one. Of two concurrent
 * rotations, one fails with `conflict`.
 */
export async function rotateSigningSecret(
  services: SecretServices & { table: Table; random: Random },
  item: SubscriptionItem,
  overlap: number,
): Promise<string> {
  const { table, clock, random } = services;
  const version = item.secretVersion + 1;
  const claimed = await table.update(
    keys.subscription(item.id),
    'SET #secretVersion = :next, #updatedAt = :now',
    { next: version, now: clock.now(), version: item.secretVersion },
    '#secretVersion = :version',
  );
  if (!claimed.done) {
    throw new GatewayError('conflict', 'Another request rotated the secret at the same time. Rotate it again.');
  }
  const current = newSigningSecret(random.bytes);
  await rotateSecret(services, subscriptionSecret(item.id), version, current, overlap);
  return current;
}

/** The secrets with which deliveries are currently signed, newest first. */
export async function signingSecrets(services: SecretServices, item: SubscriptionItem): Promise<string[]> {
  const valid = await validSecrets(services, subscriptionSecret(item.id), item.secretVersion);
  if (valid.length === 0) throw new Error(`The secret of subscription ${item.id} is missing`);
  return valid;
}

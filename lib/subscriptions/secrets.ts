import type { Clock, Random } from '../core/clock.ts';
import { GatewayError } from '../core/errors.ts';
import { type SecretStore, subscriptionSecret } from '../core/secrets.ts';
import { newSigningSecret } from '../core/standard-webhooks.ts';
import { keys } from '../store/items.ts';
import type { Table } from '../store/table.ts';
import type { SubscriptionItem } from './subscriptions.ts';

export interface SecretServices {
  secrets: SecretStore;
  clock: Clock;
}

interface StoredSecrets {
  version: number;
  current: string;
  previous?: { secret: string; until: number };
}

/** Makes and stores a subscription's first secret. */
export async function firstSecret(services: { secrets: SecretStore; random: Random }, id: string): Promise<string> {
  const current = newSigningSecret(services.random.bytes);
  await write(services.secrets, id, { version: 1, current });
  return current;
}

/**
 * Gives a subscription a new secret; for `overlap` seconds everything is signed with the old one, too. Of two that rotate at
 * once, one is told so.
 */
export async function rotateSecret(
  services: SecretServices & { table: Table; random: Random },
  item: SubscriptionItem,
  overlap: number,
): Promise<string> {
  const { table, secrets, clock, random } = services;
  const version = item.secretVersion + 1;
  const claimed = await table.update(
    keys.subscription(item.id),
    'SET #secretVersion = :next, #updatedAt = :now',
    { next: version, now: clock.now(), version: item.secretVersion },
    '#secretVersion = :version',
  );
  if (!claimed.done) {
    throw new GatewayError(
      'conflict',
      'The subscription was given another secret at the same moment. Rotate it again.',
    );
  }
  const before = await read(secrets, item.id, true);
  const current = newSigningSecret(random.bytes);
  const previous = before && overlap > 0 && { secret: before.current, until: clock.now() + overlap * 1000 };
  await write(secrets, item.id, { version, current, ...(previous && { previous }) });
  return current;
}

/** The secrets that a delivery is signed with now, the newest first. */
export async function signingSecrets(services: SecretServices, item: SubscriptionItem): Promise<string[]> {
  const cached = await read(services.secrets, item.id, false);
  const stored = cached?.version === item.secretVersion ? cached : await read(services.secrets, item.id, true);
  if (!stored) throw new Error(`The secret of subscription ${item.id} is missing`);
  const { current, previous } = stored;
  return previous && previous.until > services.clock.now() ? [current, previous.secret] : [current];
}

/** Forgets a subscription's secrets. */
export function deleteSecrets(secrets: SecretStore, id: string): Promise<void> {
  return secrets.delete(subscriptionSecret(id));
}

async function read(secrets: SecretStore, id: string, fresh: boolean): Promise<StoredSecrets | undefined> {
  const text = await secrets.read(subscriptionSecret(id), fresh);
  // Written by `write`.
  return text === undefined ? undefined : (JSON.parse(text) as StoredSecrets);
}

function write(secrets: SecretStore, id: string, value: StoredSecrets): Promise<void> {
  return secrets.write(subscriptionSecret(id), JSON.stringify(value));
}

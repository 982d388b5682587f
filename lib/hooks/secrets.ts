import type { Clock, Random } from '../core/clock.ts';
import { GatewayError } from '../core/errors.ts';
import { fillSecret, validSecrets } from '../core/rotated-secret.ts';
import { hookSecret, type SecretStore } from '../core/secrets.ts';
import type { HookItem, HookVerify } from './hooks.ts';
import { notTheSender } from './refusal.ts';
import { handshakeHeader } from './verify/presets.ts';

/** Whether a hook has its own secret: kinds `none` and `sns` need none, and a vendor's calls are verified by its connection. */
export function hasSecret({ kind, vendor }: HookVerify): boolean {
  return kind !== 'none' && kind !== 'sns' && vendor === undefined;
}

/** The secrets that a sender may have signed with now, the newest first. */
export async function goodSecrets(services: { secrets: SecretStore; clock: Clock }, item: HookItem): Promise<string[]> {
  if (!hasSecret(item.verify)) return [];
  const name = hookSecret(item.id);
  let valid = await validSecrets(services, name, item.secretVersion);
  // It waits for its handshake, which another process may have answered a moment ago.
  if (valid.includes('')) {
    await services.secrets.read(name, true);
    valid = await validSecrets(services, name, item.secretVersion);
  }
  if (valid.length > 0) return valid;
  throw new GatewayError('unavailable', 'The hook cannot be reached just now.', { retryAfter: 5 });
}

/**
 * Stores the secret from a handshake, for senders that choose it themselves. Only the first one counts: anyone who learns the
 * address later must not replace it. Throws `HookRefusal` for another one.
 */
export async function keepHandshakeSecret(
  { secrets }: { secrets: SecretStore },
  { id, verify: { kind } }: HookItem,
  headers: Readonly<Record<string, string | undefined>>,
): Promise<void> {
  const header = handshakeHeader(kind);
  const given = header === undefined ? undefined : headers[header];
  if (given === undefined) return;
  if (given.length >= 8 && given.length <= 500 && (await fillSecret(secrets, hookSecret(id), given))) return;
  throw notTheSender('another handshake set this hook up before; rotate its secret to accept a new one');
}

/** A new secret for senders that take any text: 32 random bytes in hex. */
export function newPlainSecret(random: Random): string {
  return Buffer.from(random.bytes(32)).toString('hex');
}

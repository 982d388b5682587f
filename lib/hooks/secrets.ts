import type { Clock, Random } from '../core/clock.ts';
import { GatewayError } from '../core/errors.ts';
import { hookSecret, type SecretStore } from '../core/secrets.ts';
import type { HookItem, HookVerify } from './hooks.ts';

export interface HookSecretServices {
  secrets: SecretStore;
  clock: Clock;
}

interface StoredSecrets {
  version: number;
  current: string;
  previous?: { secret: string; until: number };
}

/** Whether a hook has a secret of its own: none needs one, and a vendor's calls are known by its connection. */
export function hasSecret({ kind, vendor }: HookVerify): boolean {
  return kind !== 'none' && vendor === undefined;
}

/** Stores the secret that a hook knows its sender by, as the only one. */
export function storeSecret(secrets: SecretStore, id: string, version: number, current: string): Promise<void> {
  return write(secrets, id, { version, current });
}

/** Stores a new secret beside the one before, which stays good for `overlap` seconds. */
export async function addSecret(
  { secrets, clock }: HookSecretServices,
  id: string,
  version: number,
  current: string,
  overlap: number,
): Promise<void> {
  const before = overlap > 0 ? await read(secrets, id, true) : undefined;
  const previous = before && { secret: before.current, until: clock.now() + overlap * 1000 };
  await write(secrets, id, { version, current, ...(previous && { previous }) });
}

/** The secrets that a sender may have signed with now, the newest first. */
export async function goodSecrets({ secrets, clock }: HookSecretServices, item: HookItem): Promise<string[]> {
  if (!hasSecret(item.verify)) return [];
  const cached = await read(secrets, item.id, false);
  const stored = cached?.version === item.secretVersion ? cached : await read(secrets, item.id, true);
  if (!stored) throw new GatewayError('unavailable', 'The hook cannot be reached just now.', { retryAfter: 5 });
  const { current, previous } = stored;
  return previous && previous.until > clock.now() ? [current, previous.secret] : [current];
}

/** Forgets a hook's secrets; one that has none is no error. */
export function forgetSecrets(secrets: SecretStore, id: string): Promise<void> {
  return secrets.delete(hookSecret(id));
}

/** A new secret for senders that take any text: 32 random bytes in hex. */
export function newPlainSecret(random: Random): string {
  return Buffer.from(random.bytes(32)).toString('hex');
}

async function read(secrets: SecretStore, id: string, fresh: boolean): Promise<StoredSecrets | undefined> {
  const text = await secrets.read(hookSecret(id), fresh);
  // Written by `write`.
  return text === undefined ? undefined : (JSON.parse(text) as StoredSecrets);
}

function write(secrets: SecretStore, id: string, value: StoredSecrets): Promise<void> {
  return secrets.write(hookSecret(id), JSON.stringify(value));
}

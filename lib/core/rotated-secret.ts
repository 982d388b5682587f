import type { Clock } from './clock.ts';
import type { SecretStore } from './secrets.ts';

/** A secret whose predecessor stays valid during the overlap of a rotation. `version` counts the rotations. */
interface RotatedSecret {
  version: number;
  current: string;
  /** `until` is in epoch milliseconds. */
  previous?: { secret: string; until: number };
}

/** Stores the first or only secret of a name. */
export function storeSecret(secrets: SecretStore, name: string, version: number, current: string): Promise<void> {
  return write(secrets, name, { version, current });
}

/** Replaces a secret; the one before stays valid for `overlapSeconds`. */
export async function rotateSecret(
  { secrets, clock }: { secrets: SecretStore; clock: Clock },
  name: string,
  version: number,
  current: string,
  overlapSeconds: number,
): Promise<void> {
  const before = overlapSeconds > 0 ? await read(secrets, name, true) : undefined;
  const previous = before && { secret: before.current, until: clock.now() + overlapSeconds * 1000 };
  await write(secrets, name, { version, current, ...(previous && { previous }) });
}

/** Fills in a current secret that was stored empty, and answers whether the given one is the current one then. */
export async function fillSecret(secrets: SecretStore, name: string, current: string): Promise<boolean> {
  const stored = await read(secrets, name, true);
  if (stored?.current !== '') return stored?.current === current;
  await write(secrets, name, { ...stored, current });
  return true;
}

/** The secrets that are valid now, the newest first; none when the name has none. A cached one of another version is read again. */
export async function validSecrets(
  { secrets, clock }: { secrets: SecretStore; clock: Clock },
  name: string,
  version: number,
): Promise<string[]> {
  const cached = await read(secrets, name, false);
  const stored = cached?.version === version ? cached : await read(secrets, name, true);
  if (!stored) return [];
  const { current, previous } = stored;
  return previous && previous.until > clock.now() ? [current, previous.secret] : [current];
}

async function read(secrets: SecretStore, name: string, fresh: boolean): Promise<RotatedSecret | undefined> {
  const text = await secrets.read(name, fresh);
  // Written by `write`.
  return text === undefined ? undefined : (JSON.parse(text) as RotatedSecret);
}

function write(secrets: SecretStore, name: string, value: RotatedSecret): Promise<void> {
  return secrets.write(name, JSON.stringify(value));
}

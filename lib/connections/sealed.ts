import { createCipheriv, createDecipheriv, createHash } from 'node:crypto';
import type { Random } from '../core/clock.ts';
import { GatewayError } from '../core/errors.ts';
import { type SecretStore, sessionKeySecret } from '../core/secrets.ts';

interface SealServices {
  secrets: SecretStore;
  random: Random;
}

/** Text that carries a value and shows nothing of it: encrypted under a vendor's session key, good for one purpose alone. */
export async function seal(services: SealServices, vendor: string, purpose: string, value: object): Promise<string> {
  const iv = services.random.bytes(12);
  const cipher = createCipheriv('aes-256-gcm', await cipherKey(services.secrets, vendor), iv);
  cipher.setAAD(Buffer.from(purpose));
  const sealed = Buffer.concat([cipher.update(JSON.stringify(value), 'utf8'), cipher.final()]);
  return Buffer.concat([iv, cipher.getAuthTag(), sealed]).toString('base64url');
}

/** The value that was sealed for this purpose, or undefined for any other text. */
export async function unseal(
  services: SealServices,
  vendor: string,
  purpose: string,
  text: string,
): Promise<unknown | undefined> {
  const bytes = Buffer.from(text, 'base64url');
  const key = await cipherKey(services.secrets, vendor);
  try {
    const decipher = createDecipheriv('aes-256-gcm', key, bytes.subarray(0, 12));
    decipher.setAAD(Buffer.from(purpose));
    decipher.setAuthTag(bytes.subarray(12, 28));
    return JSON.parse(Buffer.concat([decipher.update(bytes.subarray(28)), decipher.final()]).toString('utf8'));
  } catch {
    return undefined;
  }
}

async function cipherKey(secrets: SecretStore, vendor: string): Promise<Buffer> {
  const secret = await secrets.read(sessionKeySecret(vendor));
  if (secret === undefined) {
    throw new GatewayError(
      'unavailable',
      `The secret ${sessionKeySecret(vendor)} is missing: deploy the storage stack again.`,
    );
  }
  // Another key than that of the sessions, so that neither can stand for the other.
  return createHash('sha256').update(`sealed ${secret}`).digest();
}

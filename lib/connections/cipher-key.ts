import { hash } from 'node:crypto';
import { GatewayError } from '../core/errors.ts';
import { type SecretStore, sessionKeySecret } from '../core/secrets.ts';

/** What is put before the secret, so that the uses have different keys. */
const prefixes = { sessions: '', tokens: 'sealed ', outputs: 'outputs ', inputs: 'inputs ' } as const;

/** The AES key for one use of a vendor's session secret; no use can open what another has sealed. */
export async function cipherKey(secrets: SecretStore, vendor: string, use: keyof typeof prefixes): Promise<Buffer> {
  const secret = await secrets.read(sessionKeySecret(vendor));
  if (secret === undefined) {
    throw new GatewayError(
      'unavailable',
      `The secret ${sessionKeySecret(vendor)} is missing: deploy the storage stack again.`,
    );
  }
  return hash('sha256', prefixes[use] + secret, 'buffer');
}

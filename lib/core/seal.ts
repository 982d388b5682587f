import { createCipheriv, createDecipheriv, createHmac, randomBytes } from 'node:crypto';

const nonceBytes = 12;
const tagBytes = 16;

/**
 * Encrypts text with AES-256-GCM under a key of 32 bytes; answers nonce, tag and ciphertext in this order. What was sealed for one
 * `purpose` opens for that purpose only.
 */
export function seal(key: Uint8Array, purpose: string, text: string): Buffer {
  return encrypt(key, randomBytes(nonceBytes), purpose, text);
}

/**
 * The same, but deterministic: equal texts have equal results. The nonce is derived from the text with a separate key, so no nonce
 * is used for two texts. This reveals which sealed texts are equal.
 */
export function sealDeterministic(key: Uint8Array, nonceKey: Uint8Array, purpose: string, text: string): Buffer {
  const nonce = createHmac('sha256', nonceKey).update(`${purpose}\0${text}`).digest().subarray(0, nonceBytes);
  return encrypt(key, nonce, purpose, text);
}

function encrypt(key: Uint8Array, nonce: Uint8Array, purpose: string, text: string): Buffer {
  const cipher = createCipheriv('aes-256-gcm', key, nonce).setAAD(Buffer.from(purpose));
  const body = Buffer.concat([cipher.update(text, 'utf8'), cipher.final()]);
  return Buffer.concat([nonce, cipher.getAuthTag(), body]);
}

/** The text that was sealed; throws when key, purpose or bytes are not those of `seal`. */
export function unseal(key: Uint8Array, purpose: string, sealed: Uint8Array): string {
  const bytes = Buffer.from(sealed.buffer, sealed.byteOffset, sealed.byteLength);
  const decipher = createDecipheriv('aes-256-gcm', key, bytes.subarray(0, nonceBytes), { authTagLength: tagBytes })
    .setAAD(Buffer.from(purpose))
    .setAuthTag(bytes.subarray(nonceBytes, nonceBytes + tagBytes));
  return Buffer.concat([decipher.update(bytes.subarray(nonceBytes + tagBytes)), decipher.final()]).toString('utf8');
}

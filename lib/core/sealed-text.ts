import { createHmac } from 'node:crypto';
import { GatewayError } from './errors.ts';
import { sealedForm } from './redaction/secret-text.ts';
import { sealDeterministic, unseal } from './seal.ts';

/**
 * A secret inside stored JSON, encrypted: `{sealed:OWNER:BASE64URL}`. Expressions pass it on like any text, so whatever is built from
 * it is sealed too. Only the call of an operation opens it. The owner names the key, and who may open it where:
 * - a vendor: a write-only field of one of its operations; opened in such fields only
 * - `hook`: a value of an inbound message; opened in write-only fields only
 * - `step`: a literal value of a `set` step with `secret`; opened when the step runs
 */
const whole = /^\{sealed:[a-z0-9]+:[A-Za-z0-9_-]{38,}\}$/;

/** The owners that are not vendors. */
export const hookOwner = 'hook';
export const stepOwner = 'step';

/**
 * Seals a text; parts of it that are sealed already stay as they are. The same text has the same sealed form under a key, so that
 * a repeated step finds the same input.
 */
export function sealText(key: Uint8Array, owner: string, text: string): string {
  const nonceKey = createHmac('sha256', key).update('nonce').digest();
  const seal = (part: string) => (part === '' ? '' : sealedText(owner, sealDeterministic(key, nonceKey, owner, part)));
  let made = '';
  let end = 0;
  for (const { index, 0: sealed } of text.matchAll(sealedForm)) {
    made += seal(text.slice(end, index)) + sealed;
    end = index + sealed.length;
  }
  return made + seal(text.slice(end));
}

/** The form of sealed bytes in a text. */
export function sealedText(owner: string, sealed: Buffer): string {
  return `{sealed:${owner}:${sealed.toString('base64url')}}`;
}

/** True for a text that is sealed as a whole. */
export function isSealed(text: unknown): boolean {
  return typeof text === 'string' && whole.test(text);
}

/** The owners of the sealed texts in a JSON value. */
export function sealOwners(value: unknown): Set<string> {
  const owners = new Set<string>();
  mapTexts(value, (text) => {
    for (const [, owner = ''] of text.matchAll(sealedForm)) owners.add(owner);
    return text;
  });
  return owners;
}

/** The value with every sealed text in it replaced, by what `replace` returns for its owner and bytes. */
export function replaceSealed(value: unknown, replace: (owner: string, sealed: Buffer) => string): unknown {
  return mapTexts(value, (text) =>
    text.includes('{sealed:')
      ? text.replace(sealedForm, (_, owner: string, sealed: string) => replace(owner, Buffer.from(sealed, 'base64url')))
      : text,
  );
}

/** The text that was sealed. Throws `invalid_input` for one that another installation or another key has sealed. */
export function openText(key: Uint8Array, owner: string, sealed: Uint8Array): string {
  try {
    return unseal(key, owner, sealed);
  } catch {
    throw new GatewayError(
      'invalid_input',
      'A sealed value cannot be opened, because the key that it was sealed with is gone. Enter the value again.',
    );
  }
}

/** A copy of a JSON value in which every text, names excepted, is replaced. */
export function mapTexts(value: unknown, map: (text: string) => string): unknown {
  if (typeof value === 'string') return map(value);
  if (Array.isArray(value)) return value.map((each) => mapTexts(each, map));
  if (value === null || typeof value !== 'object') return value;
  return Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, mapTexts(inner, map)]));
}

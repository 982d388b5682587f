import { createHash } from 'node:crypto';
import { GatewayError } from '../core/errors.ts';
import type { Operation } from '../core/operation.ts';
import { mask } from '../core/redaction/secret-text.ts';
import {
  hookOwner,
  mapTexts,
  openText,
  replaceSealed,
  sealedText,
  sealOwners,
  sealText,
  stepOwner,
} from '../core/sealed-text.ts';
import { type SecretStore, sealingKeySecret } from '../core/secrets.ts';
import { writeOnlyFields } from '../core/write-only.ts';
import { cipherKey } from './cipher-key.ts';

type Input = Record<string, unknown>;

/** The input with its write-only fields sealed for its vendor, for whatever is stored until the call is made. */
export async function sealInput(
  secrets: SecretStore,
  vendor: string,
  operation: Operation,
  input: Input,
  isLiteral: (text: string) => boolean = () => true,
): Promise<Input> {
  const names = writeOnlyFields(operation).filter((name) => {
    const value = input[name];
    return typeof value === 'string' && value !== '' && isLiteral(value);
  });
  if (names.length === 0) return input;
  const seal = await inputSealer(secrets, vendor);
  return { ...input, ...Object.fromEntries(names.map((name) => [name, seal(String(input[name]))])) };
}

/** Seals texts that go into write-only fields of a vendor. */
export async function inputSealer(secrets: SecretStore, vendor: string): Promise<(text: string) => string> {
  const key = await cipherKey(secrets, vendor, 'inputs');
  return (text) => sealText(key, vendor, text);
}

/**
 * The input as the vendor is to get it, and the secrets that were opened for it. They are opened in write-only fields only; elsewhere
 * they are masked.
 */
export async function openInput(
  secrets: SecretStore,
  vendor: string,
  operation: Operation,
  input: Input,
): Promise<{ input: Input; opened: string[] }> {
  const owners = [...sealOwners(input)];
  if (owners.length === 0) return { input, opened: [] };
  const keys = new Map<string, Buffer>();
  for (const owner of owners) {
    if (owner === hookOwner) keys.set(owner, await sealingKey(secrets));
    else if (owner === vendor) keys.set(owner, await cipherKey(secrets, vendor, 'inputs'));
  }
  const writeOnly = new Set(writeOnlyFields(operation));
  const opened: string[] = [];
  const openField = ([name, value]: [string, unknown]) => {
    const given = replaceSealed(value, (owner, sealed) => {
      const key = keys.get(owner);
      if (!key || !writeOnly.has(name)) return mask;
      const text = openText(key, owner, sealed);
      opened.push(text);
      return text;
    });
    return [name, given] as const;
  };
  return { input: Object.fromEntries(Object.entries(input).map(openField)), opened };
}

/** Seals the literal texts in the value of a secret step, for the stored definition. */
export async function sealLiterals(
  secrets: SecretStore,
  value: unknown,
  isLiteral: (text: string) => boolean,
): Promise<unknown> {
  const key = await sealingKey(secrets);
  return mapTexts(value, (text) => (isLiteral(text) ? sealText(key, stepOwner, text) : text));
}

/** The value with what `sealLiterals` has sealed in plain text. */
export async function openLiterals(secrets: SecretStore, value: unknown): Promise<unknown> {
  if (!sealOwners(value).has(stepOwner)) return value;
  const key = await sealingKey(secrets);
  return replaceSealed(value, (owner, sealed) =>
    owner === stepOwner ? openText(key, owner, sealed) : sealedText(owner, sealed),
  );
}

/** Seals texts of an inbound message. */
export async function hookSealer(secrets: SecretStore): Promise<(text: string) => string> {
  const key = await sealingKey(secrets);
  return (text) => sealText(key, hookOwner, text);
}

async function sealingKey(secrets: SecretStore): Promise<Buffer> {
  const secret = await secrets.read(sealingKeySecret);
  if (secret !== undefined) return createHash('sha256').update(secret).digest();
  throw new GatewayError('unavailable', `The secret ${sealingKeySecret} is missing: deploy the storage stack again.`);
}

import { cipherKey } from '../../connections/cipher-key.ts';
import { seal, unseal } from '../../core/seal.ts';
import type { RunContext } from './run-context.ts';

/** Encrypts what a secret step gave: an execution keeps what its steps return. */
export async function sealed({ services, run }: RunContext, output: unknown): Promise<string> {
  return seal(await keyOf(services), run.id, JSON.stringify(output ?? null)).toString('base64');
}

/** Decrypts what `sealed` has encrypted for the same run. */
export async function opened({ services, run }: RunContext, text: string): Promise<unknown> {
  return JSON.parse(unseal(await keyOf(services), run.id, Buffer.from(text, 'base64')));
}

function keyOf({ secrets, vendorNames }: RunContext['services']): Promise<Buffer> {
  return cipherKey(secrets, vendorNames[0] ?? '', 'outputs');
}

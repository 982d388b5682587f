import { cipherKey } from '../../connections/cipher-key.ts';
import { seal, unseal } from '../../core/seal.ts';
import type { AutomationServices } from './run-context.ts';

/** The run whose outputs are encrypted. */
interface Sealing {
  services: AutomationServices;
  run: { id: string };
}

/** Encrypts what a secret step gave: an execution keeps what its steps return. */
export async function sealed({ services, run }: Sealing, output: unknown): Promise<string> {
  return seal(await keyOf(services), run.id, JSON.stringify(output ?? null)).toString('base64');
}

/** Decrypts what `sealed` has encrypted for the same run. */
export async function opened({ services, run }: Sealing, text: string): Promise<unknown> {
  return JSON.parse(unseal(await keyOf(services), run.id, Buffer.from(text, 'base64')));
}

function keyOf({ secrets, vendorNames }: AutomationServices): Promise<Buffer> {
  return cipherKey(secrets, vendorNames[0] ?? '', 'outputs');
}

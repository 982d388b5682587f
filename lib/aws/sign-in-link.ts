import { hashOf } from '../api/keys/admin-key.ts';
import { adminKeyId } from '../api/keys/key-check.ts';
import { SignIns } from '../api/sign-ins/sign-ins.ts';
import { services } from './services.ts';

/** An address of the console that signs in with the admin key, once and within an hour. The token is in the fragment, which no server sees. */
export async function signInLink(url: string, adminKey: string): Promise<string> {
  const { table, clock, random } = services();
  const token = await new SignIns(table, clock, random).createLink({ keyId: adminKeyId, keyHash: hashOf(adminKey) });
  return `${url}/console#sign-in=${token}`;
}

import { equalInConstantTime } from '../../core/constant-time.ts';
import { refused, type Verifier } from '../../core/verifier.ts';

/** HTTP Basic: each secret is `user:password`. */
export const verifyBasic: Verifier = ({ headers }, secrets) => {
  const encoded = credentials(headers.authorization, 'basic');
  if (encoded === undefined) return refused('the header Authorization: Basic is missing');
  const given = Buffer.from(encoded, 'base64');
  const known = secrets.filter((secret) => secret.includes(':')).some((secret) => equalInConstantTime(given, secret));
  return known ? { ok: true } : refused('user name or password are wrong');
};

/** A token in `Authorization: Bearer`. */
export const verifyBearer: Verifier = ({ headers }, secrets) => {
  const token = credentials(headers.authorization, 'bearer');
  if (token === undefined) return refused('the header Authorization: Bearer is missing');
  const known = secrets.filter((secret) => secret !== '').some((secret) => equalInConstantTime(token, secret));
  return known ? { ok: true } : refused('the token is wrong');
};

function credentials(header: string | undefined, scheme: string): string | undefined {
  const [given = '', value] = header?.trim().split(/ +/, 2) ?? [];
  return given.toLowerCase() === scheme && value ? value : undefined;
}

import { createHmac } from 'node:crypto';
import { equalInConstantTime } from '../../lib/core/constant-time.ts';

/** Tokens that carry their own contents and cannot be made or changed without the key. */
export interface LinkTokens<Contents extends object> {
  /** A token that is good until `expiresAt`, epoch milliseconds. */
  sign(contents: Contents, expiresAt: number): string;
  /** The contents, or why there are none. */
  read(token: string, now: number): Contents | 'forged' | 'expired';
}

/** Tokens for one purpose; one for another purpose under the same key is forged here. */
export function linkTokens<Contents extends object>(key: Buffer, purpose: string): LinkTokens<Contents> {
  const signatureOf = (payload: string) =>
    createHmac('sha256', key).update(`${purpose}.${payload}`).digest('base64url');
  return {
    sign: (contents, expiresAt) => {
      const payload = Buffer.from(JSON.stringify({ contents, expiresAt })).toString('base64url');
      return `${payload}.${signatureOf(payload)}`;
    },
    read: (token, now) => {
      const [payload = '', signature = ''] = token.split('.');
      if (!equalInConstantTime(signature, signatureOf(payload))) return 'forged';
      // Signed by us, so it is what we wrote.
      const signed = JSON.parse(Buffer.from(payload, 'base64url').toString()) as {
        contents: Contents;
        expiresAt: number;
      };
      return signed.expiresAt > now ? signed.contents : 'expired';
    },
  };
}

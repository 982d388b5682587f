import { createHmac } from 'node:crypto';
import { equalInConstantTime } from '../../core/constant-time.ts';
import { refused, timeProblem, type Verifier } from '../../core/verifier.ts';
import { valueAt } from '../places.ts';

/**
 * Mailgun's signature: HMAC-SHA256 in hex over timestamp and token, which are in the body with it, in `signature` of a webhook or as
 * fields of a routed message. It does not cover the rest of the body.
 */
export const verifyMailgun: Verifier = (request, secrets, now) => {
  const at = (name: string) => valueAt(request, `body.signature.${name}`) ?? valueAt(request, `body.${name}`);
  const [timestamp, token, signature] = [at('timestamp'), at('token'), at('signature')];
  if (!timestamp || !token || !signature) return refused('timestamp, token and signature are not all in the body');
  const problem = timeProblem(timestamp, now);
  if (problem !== undefined) return refused(problem);
  const known = secrets.some(
    (secret) =>
      secret !== '' &&
      equalInConstantTime(
        signature,
        createHmac('sha256', secret)
          .update(timestamp + token)
          .digest('hex'),
      ),
  );
  return known ? { ok: true, id: token } : refused('the signature does not fit the timestamp, the token and the key');
};

import { createHmac } from 'node:crypto';
import { rootOf, type TalkCall, type TalkSession, talkError } from '../connection.ts';
import { dialectOf, routeOf } from './dialect.ts';
import { type OcsAnswer, ocsRequest } from './protocol.ts';
import { type TalkRequest, wireRequest } from './request.ts';

/** A request that a bot signs: over a random text and the field itself, not over the body. It is not sent as an account. */
export async function botRequest(call: TalkCall, request: TalkRequest, session: TalkSession): Promise<OcsAnswer> {
  const { botSecret } = await call.credentials();
  if (botSecret === undefined) {
    throw talkError(
      'connection_needs_attention',
      `${request.doing} speaks as a bot: store the secret that the bot was installed with as botSecret of this connection.`,
    );
  }
  const wire = wireRequest(request.route, request.fields, dialectOf(session));
  const signed = String(request.fields[routeOf(request.route).bot ?? 'message']);
  const random = call.random.bytes(32).toString('hex');
  return ocsRequest(call, {
    method: wire.method,
    url: `${rootOf(call.connection.settings)}/ocs/v2.php/apps/spreed/api/${wire.path}?format=json`,
    headers: {
      'x-nextcloud-talk-bot-random': random,
      'x-nextcloud-talk-bot-signature': createHmac('sha256', botSecret).update(random).update(signed).digest('hex'),
    },
    body: wire.body,
    effect: request.effect,
    doing: request.doing,
  });
}

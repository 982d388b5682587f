import { createHmac, timingSafeEqual } from 'node:crypto';
import { GatewayError } from '../../../core/errors.ts';
import type { FoundEvent, Push, PushRequest } from '../../../core/event-type.ts';
import { parseJson } from '../../../core/json.ts';
import { renderText } from '../chat/message.ts';
import { placeOf, rootOf, type TalkCredentials, type TalkSettings, talkError } from '../connection.ts';
import { recordOf, textOf } from '../wire/protocol.ts';
import type { Line, Viewer } from './chat-line.ts';
import { actorOf, eventOf } from './line.ts';
import { reactionEvent } from './reactions.ts';

/** Names of `Activity` lines for content that a user shared, as opposed to changes of the room. */
const shared = new Set(['object_shared', 'file_shared']);

/** The server's notifications to a bot: ActivityStreams, signed over a random text and the raw bytes. Each is sent only once. */
export const botPush: Push<TalkSettings, TalkCredentials> = {
  summary: 'A Talk bot: messages, reactions, calls and participants of the rooms where it is enabled',
  problem: ({ botSecret }) =>
    botSecret === undefined
      ? 'has no botSecret; first store the secret that the bot was installed with among its credentials'
      : undefined,
  async receive(request, { connection, credentials }) {
    const { settings } = connection;
    const nonce = verify(request, settings, (await credentials()).botSecret);
    const body = bodyOf(request.rawBody);
    const event = read(body, { place: placeOf(settings) }, new Date(request.receivedAt).toISOString(), nonce);
    // A push contains neither the time of the event nor everything that the chat shows.
    return { events: event === undefined ? [] : [{ ...event, partial: true }], nonce, status: 200 };
  },
};

/** Throws `unauthorized` unless our server signed exactly these bytes. Returns the random text, which identifies the delivery. */
function verify({ headers, rawBody }: PushRequest, settings: TalkSettings, secret: string | undefined): string {
  if (secret === undefined) {
    throw talkError(
      'connection_needs_attention',
      'The connection has no botSecret; store the secret that the bot was installed with.',
    );
  }
  const header = (name: string) => Object.entries(headers).find(([each]) => each.toLowerCase() === name)?.[1] ?? '';
  const random = header('x-nextcloud-talk-random');
  const given = Buffer.from(header('x-nextcloud-talk-signature').toLowerCase());
  const expected = Buffer.from(createHmac('sha256', secret).update(random).update(rawBody).digest('hex'));
  if (random.length < 32 || given.length !== expected.length || !timingSafeEqual(given, expected)) {
    throw new GatewayError('unauthorized', 'The signature is not that of the bot of this connection.');
  }
  const backend = sameAddress(header('x-nextcloud-talk-backend'));
  if (![rootOf(settings), settings.backendUrl ?? ''].some((known) => known !== '' && sameAddress(known) === backend)) {
    throw new GatewayError(
      'unauthorized',
      `The call comes from the server ${backend.slice(0, 200)}, which is not that of this connection. If it is the same, set backendUrl to it.`,
    );
  }
  return random;
}

/** An address in comparable form: the case of the host and a trailing slash do not count. */
function sameAddress(address: string): string {
  return (URL.parse(address)?.href ?? address).replace(/\/+$/, '');
}

function bodyOf(rawBody: Buffer): Record<string, unknown> {
  try {
    const body = recordOf(parseJson(rawBody.toString('utf8')));
    if (body !== undefined) return body;
  } catch {
    // Signed, but not JSON.
  }
  throw new GatewayError('invalid_json', 'The body is not a JSON object.');
}

function read(body: Record<string, unknown>, viewer: Viewer, time: string, nonce: string): FoundEvent | undefined {
  const target = recordOf(body.target) ?? {};
  const around = { token: textOf(target.id), roomName: textOf(target.name), ...whoOf(body.actor), time };
  const object = recordOf(body.object) ?? {};
  switch (body.type) {
    case 'Create':
    case 'Activity':
      return eventOf(lineOf(body.type, object, around), viewer);
    case 'Like':
    case 'Undo': {
      // An `Undo` contains the `Like` that it reverses.
      const added = body.type === 'Like';
      const like = added ? body : object;
      const messageId = Number(recordOf(like.object)?.id);
      if (around.actorType === 'bots' || Number.isNaN(messageId)) return undefined;
      const report = { added, emoji: textOf(like.content), push: nonce.slice(0, 32) };
      return { ...reactionEvent(viewer, { ...around, messageId }, report), by: actorOf(around, viewer) };
    }
    default:
      // Join and Leave are about the bot itself.
      return undefined;
  }
}

/** The actor: `users/bob`. */
function whoOf(value: unknown): Pick<Line, 'actorType' | 'actorId' | 'actorDisplayName'> {
  const actor = recordOf(value) ?? {};
  const [actorType = '', ...rest] = textOf(actor.id).split('/');
  return { actorType, actorId: rest.join('/'), actorDisplayName: textOf(actor.name) };
}

type LineContext = Pick<Line, 'token' | 'roomName' | 'actorType' | 'actorId' | 'actorDisplayName' | 'time'>;

function lineOf(type: string, object: Record<string, unknown>, around: LineContext): Line {
  const content = recordOf(contentOf(object.content)) ?? {};
  const message = textOf(content.message);
  const messageParameters = recordOf(content.parameters) ?? {};
  const name = textOf(object.name);
  const parent = Number(recordOf(recordOf(object.inReplyTo)?.object)?.id);
  return {
    ...around,
    id: Number(object.id),
    message,
    messageParameters,
    text: renderText(message, messageParameters),
    systemMessage: type === 'Create' || shared.has(name) ? '' : name,
    parentId: Number.isNaN(parent) ? undefined : parent,
  };
}

/** `object.content` is JSON inside a string. */
function contentOf(value: unknown): unknown {
  try {
    return parseJson(textOf(value));
  } catch {
    return undefined;
  }
}

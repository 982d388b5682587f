import { createHash, createHmac } from 'node:crypto';
import { isReplyable, maxLength } from './chat.ts';
import { addMessage, findMessage } from './messages.ts';
import { type Answer, Stop } from './ocs.ts';
import { addReaction, removeReaction } from './reactions.ts';
import { type Author, type Bot, nextId, type Room } from './state.ts';
import { bool, findRoom, int, requireSeat, type Talk, type TalkRequest, text } from './talk.ts';
import { countFailure } from './throttle.ts';

/** A bot to install. The secret has 40 to 128 characters; `features` is the sum of 1 webhook, 2 response, 8 reaction. */
export interface NewBot {
  name: string;
  url: string;
  secret: string;
  description?: string;
  features?: number;
  /** 0 off, 1 on, 2 on, but only the administrator may switch it per room. */
  state?: 0 | 1 | 2;
}

/** Installs a bot as `occ talk:bot:install` does. Throws a RangeError for a secret or URL that it would refuse. */
export function installBot(talk: Talk, bot: NewBot): Bot {
  if (bot.secret.length < 40 || bot.secret.length > 128) throw new RangeError('A bot secret has 40 to 128 characters');
  if (bot.url.length > 4000) throw new RangeError('A bot URL has at most 4,000 characters');
  const installed: Bot = {
    id: nextId(talk.state, 'bot'),
    name: bot.name,
    description: bot.description ?? '',
    url: bot.url,
    urlHash: createHash('sha1').update(bot.url).digest('hex'),
    secret: bot.secret,
    features: bot.features ?? 3,
    state: bot.state ?? 1,
    errorCount: 0,
    lastErrorDate: 0,
    lastErrorMessage: null,
  };
  talk.state.bots.push(installed);
  return installed;
}

/** `GET /bot/{token}`: the bots that a moderator can switch. */
export function listBots(r: TalkRequest): Answer {
  const { room } = requireSeat(r, { moderator: true });
  return { status: 200, data: r.talk.state.bots.filter((bot) => bot.state !== 0).map((bot) => shown(room, bot)) };
}

/** `GET /bot/admin`: everything but the secret. */
export function listBotsForAdmin(r: TalkRequest): Answer {
  if (!r.user?.admin) return { status: 403, message: 'Logged in account must be an admin' };
  const data = r.talk.state.bots.map((bot) => ({
    id: bot.id,
    name: bot.name,
    url: bot.url,
    url_hash: bot.urlHash,
    description: bot.description,
    error_count: bot.errorCount,
    last_error_date: bot.lastErrorDate,
    last_error_message: bot.lastErrorMessage,
    state: bot.state,
    features: bot.features,
  }));
  return { status: 200, data };
}

/** `POST` and `DELETE /bot/{token}/{botId}`: switches a bot on (201, or 200 if it already was) or off. */
export function switchBot(r: TalkRequest): Answer {
  const { room } = requireSeat(r, { moderator: true });
  const bot = r.talk.state.bots.find((one) => one.id === int(r, 'botId'));
  if (bot?.state !== 1) return { status: 400, data: { error: 'bot' } };
  const status = setBot(r.talk, room, bot, r.raw.method === 'POST') && r.raw.method === 'POST' ? 201 : 200;
  return { status, data: shown(room, bot) };
}

/** Enables or disables a bot in a room. Returns whether that changed anything. */
export function setBot(talk: Talk, room: Room, bot: Bot, on: boolean): boolean {
  if (room.bots.includes(bot.id) === on) return false;
  room.bots = on ? [...room.bots, bot.id] : room.bots.filter((id) => id !== bot.id);
  talk.pushes.membership(room, bot, on);
  return true;
}

/** `POST /bot/{token}/message`, signed over random and message text. */
export function sendAsBot(r: TalkRequest): Answer {
  const message = text(r, 'message');
  const { room, author } = signedBot(r, message);
  const parent = int(r, 'replyTo');
  if (parent !== 0 && !isReplyable(findMessage(r.talk, room, parent))) return { status: 400 };
  if (message.trim() === '') return { status: 400 };
  if ([...message].length > maxLength(r.talk)) return { status: 413 };
  addMessage(r.talk, room, author, {
    verb: 'comment',
    text: message.trim(),
    parent,
    referenceId: text(r, 'referenceId'),
    silent: bool(r, 'silent'),
  });
  return { status: 201 };
}

/** `POST` and `DELETE /bot/{token}/reaction/{messageId}`, signed over random and reaction. */
export function reactAsBot(r: TalkRequest): Answer {
  const emoji = text(r, 'reaction');
  const { room, author } = signedBot(r, emoji);
  const line = findMessage(r.talk, room, int(r, 'messageId'));
  if (!line) return { status: 404 };
  const react = r.raw.method === 'POST' ? addReaction : removeReaction;
  return { status: react(r.talk, room, author, line, emoji) };
}

/** The bot that signed the request and is on in its room. Refuses a short random with 400, anything else with 401, which is counted. */
function signedBot(r: TalkRequest, signed: string): { room: Room; author: Author } {
  const random = String(r.raw.headers['x-nextcloud-talk-bot-random'] ?? '');
  const signature = String(r.raw.headers['x-nextcloud-talk-bot-signature'] ?? '').toLowerCase();
  if (random.length < 32 || signature === '') throw new Stop(400);
  const room = findRoom(r.talk, r.input.token);
  const bot = r.talk.state.bots.find((one) => {
    if (!room?.bots.includes(one.id) || one.state === 0 || (one.features & 2) === 0) return false;
    const expected = createHmac('sha256', one.secret).update(random + signed);
    return expected.digest('hex') === signature;
  });
  if (room && bot) {
    return { room, author: { actorType: 'bots', actorId: `bot-${bot.urlHash}`, actorName: `${bot.name} (Bot)` } };
  }
  const delay = countFailure(r.talk.state, 'bot', text(r, 'token'), r.now);
  throw new Stop(401, [], r.talk.state.bruteForce ? { 'X-Nextcloud-Bruteforce-Throttled': `${delay}ms` } : {});
}

function shown(room: Room, bot: Bot): object {
  return { id: bot.id, name: bot.name, description: bot.description, state: room.bots.includes(bot.id) ? 1 : 0 };
}

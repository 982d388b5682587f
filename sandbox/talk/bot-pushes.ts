import { createHmac } from 'node:crypto';
import { request as plainRequest } from 'node:http';
import { request as tlsRequest } from 'node:https';
import { displayNameOf, richText } from './message-format.ts';
import { findMessage } from './messages.ts';
import { roomNames } from './room-format.ts';
import { type Author, type Bot, type Message, type Room, randomText, wordAlphabet } from './state.ts';
import { type BotPushes, isTalk, seconds, serverUrl, type Talk } from './talk.ts';

const feature = { webhook: 1, reaction: 8 };

/** Makes the pushes of a server; `talk` is called at each push, because the server is built after this. */
export function createBotPushes(talk: () => Talk): BotPushes {
  const underWay = new Set<Promise<void>>();

  return {
    chatMessage: (room, line) => {
      tell(room, feature.webhook, () => activity('Create', room, line));
    },
    systemMessage: (room, line) => {
      tell(room, feature.webhook, () => activity('Activity', room, line));
    },
    reaction: (room, author, line, emoji, added) => {
      if (!isTalk(talk(), '21') || author.actorType === 'bots') return;
      const like = () => ({
        type: 'Like',
        actor: person(room, author),
        object: note(room, line),
        target: target(room),
        content: emoji,
      });
      const undo = () => ({ type: 'Undo', actor: person(room, author), object: like(), target: target(room) });
      tell(room, feature.reaction, added ? like : undo);
    },
    membership: (room, bot, added) => {
      if (!isTalk(talk(), '20') || (bot.features & feature.webhook) === 0) return;
      const actor = { type: 'Application', id: `bots/bot-${bot.urlHash}`, name: bot.name };
      const { id, name } = target(room);
      dispatch(bot, { type: added ? 'Join' : 'Leave', actor, object: { type: 'Collection', id, name } });
    },
    release: () => {
      const held = talk().state.heldPushes.splice(0);
      for (const { botId, body } of held) {
        const bot = talk().state.bots.find((one) => one.id === botId);
        if (bot) start(bot, body);
      }
    },
    settled: async () => {
      while (underWay.size > 0) await Promise.all(underWay);
    },
  };

  function tell(room: Room, bit: number, content: () => object): void {
    if (!isTalk(talk(), '17.1')) return;
    for (const bot of talk().state.bots) {
      if (!room.bots.includes(bot.id) || bot.state === 0 || (bot.features & bit) === 0) continue;
      dispatch(bot, content());
    }
  }

  function dispatch(bot: Bot, content: object): void {
    const body = phpJson(content);
    const { state } = talk();
    if (state.pushes === 'drop') return;
    if (state.pushes === 'pause') state.heldPushes.push({ botId: bot.id, body });
    else start(bot, body);
  }

  function start(bot: Bot, body: string): void {
    const sent: Promise<void> = post(talk(), bot, body).then((error) => {
      if (error !== undefined) {
        bot.errorCount += 1;
        bot.lastErrorDate = seconds(talk());
        bot.lastErrorMessage = error;
      }
      underWay.delete(sent);
    });
    underWay.add(sent);
  }

  function activity(type: string, room: Room, line: Message): object {
    const object: Record<string, unknown> = note(room, line);
    const parent = line.parent === 0 ? undefined : findMessage(talk(), room, line.parent);
    // System messages do not say which message they are about.
    if (parent && type === 'Create' && isTalk(talk(), '21')) {
      object.inReplyTo = { actor: person(room, parent), object: note(room, parent) };
    }
    return { type, actor: person(room, line), object, target: target(room) };
  }

  function person(room: Room, author: Author): object {
    const { actorType, actorId } = author;
    const name = displayNameOf(talk(), room, author as Message);
    const base = { type: 'Person', id: `${actorType}/${actorId}`, name };
    const attendee = room.attendees.find((one) => one.actorType === actorType && one.actorId === actorId);
    return attendee && isTalk(talk(), '21') ? { ...base, talkParticipantType: String(attendee.type) } : base;
  }

  function note(room: Room, line: Message): Record<string, unknown> {
    const { message, parameters } = richText(talk(), room, line, undefined);
    const content = phpJson({ message, parameters: Object.keys(parameters).length === 0 ? [] : parameters });
    const name = line.verb === 'comment' ? 'message' : line.text;
    return { type: 'Note', id: String(line.id), name, content, mediaType: 'text/markdown' };
  }

  function target(room: Room): { type: string; id: string; name: string } {
    return { type: 'Collection', id: room.token, name: roomNames(talk(), room, undefined).displayName };
  }
}

/** JSON as PHP writes it: slashes escaped, everything beyond ASCII as `\uXXXX`. */
export function phpJson(value: unknown): string {
  const escaped = (character: string) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;
  // UTF-16 units on purpose: PHP writes a character beyond the first plane as two escapes.
  return JSON.stringify(value)
    .replaceAll('/', '\\/')
    .replace(/[\u0080-\uffff]/g, escaped);
}

/** One request with a timeout of five seconds. Returns what went wrong; nothing for 200 and 202. */
function post(talk: Talk, bot: Bot, body: string): Promise<string | undefined> {
  const random = randomText(64, `${wordAlphabet}+/`);
  const headers = {
    'Content-Type': 'application/json',
    'X-Nextcloud-Talk-Random': random,
    'X-Nextcloud-Talk-Signature': createHmac('sha256', bot.secret)
      .update(random + body)
      .digest('hex'),
    'X-Nextcloud-Talk-Backend': `${serverUrl(talk)}/`,
    'OCS-APIRequest': 'true',
    'User-Agent': 'Nextcloud Server Crawler',
    'Accept-Encoding': 'gzip',
    'Content-Length': String(Buffer.byteLength(body)),
  };
  return new Promise((resolve) => {
    try {
      const url = new URL(bot.url);
      const send = url.protocol === 'https:' ? tlsRequest : plainRequest;
      const call = send(url, { method: 'POST', headers, agent: false, timeout: 5000 }, (response) => {
        response.resume();
        const good = response.statusCode === 200 || response.statusCode === 202;
        resolve(good ? undefined : `Server responded with ${response.statusCode}`);
      });
      call.on('timeout', () => call.destroy(new Error('Timed out after 5000 milliseconds')));
      call.on('error', (error) => resolve(error.message));
      call.end(body);
    } catch (error) {
      resolve(error instanceof Error ? error.message : String(error));
    }
  });
}

import { createHmac } from 'node:crypto';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { FoundEvent, TrunklineEvent } from '../../lib/core/event-type.ts';
import { newEvents } from '../../lib/events/found.ts';
import { appendEvents, type EventItem, shownEvent } from '../../lib/events/log.ts';
import { keys } from '../../lib/store/items.ts';
import type { TalkCall, TalkSettings } from '../../lib/vendors/talk/connection.ts';
import { events, identify, pushes } from '../../lib/vendors/talk/events/index.ts';
import type { TalkUnderTest } from './talk-gateway.ts';

export const botSecret = 'test-only-bot-secret-0123456789-0123456789-abcdef';

/** A push in the form in which the server of an address sends it, signed for the bot of the tests. */
export function signedPush(rawBody: string, backend: string) {
  const random = createHmac('sha256', rawBody).update('random').digest('hex');
  const headers = {
    'x-nextcloud-talk-random': random,
    'x-nextcloud-talk-signature': createHmac('sha256', botSecret).update(random).update(rawBody).digest('hex'),
    'x-nextcloud-talk-backend': backend,
  };
  return [headers, Buffer.from(rawBody)] as const;
}

type Connected = Awaited<ReturnType<TalkUnderTest['connect']>>;

/** The real event log of one connection, fed by polls and by pushes as the clock and a hook would. */
export class Listener {
  /** The events as they are stored now, in the order in which they came; by type and id. */
  readonly log = new Map<string, TrunklineEvent>();
  /** As it lies in the table between polls. */
  cursor: string | undefined;
  /** Whether a listener wants quiet events. */
  hears = true;
  readonly #connected: Connected;
  readonly #nonces = new Set<string>();
  /** One push at a time, as the table takes them one after another, too. */
  #pushing: Promise<unknown> = Promise.resolve();

  constructor(connected: Connected) {
    this.#connected = connected;
  }

  /** One turn of the clock: polls until there is no more at once. Answers what is new. */
  async poll(by?: Parameters<Connected['call']>[0], since?: number): Promise<TrunklineEvent[]> {
    const fresh: TrunklineEvent[] = [];
    for (let polls = 0; polls < 30; polls++) {
      // The gateway does not know a vendor's own types.
      const call = this.#connected.call(by) as TalkCall;
      const before = this.cursor === undefined ? undefined : JSON.parse(this.cursor);
      const found = await events.rooms?.poll?.poll(before, call, { since, hasListener: async () => this.hears });
      if (!found) throw new Error('There is no source');
      this.cursor = JSON.stringify(found.cursor);
      if (before === undefined && since === undefined && found.events.length > 0)
        throw new Error('The first poll gave history');
      fresh.push(...(await this.#append(found.events)));
      if (!found.more) break;
    }
    return fresh;
  }

  /** A bot's call as it came. */
  push(headers: Record<string, string>, rawBody: Buffer, receivedAt: number): Promise<TrunklineEvent[]> {
    const turn = this.#pushing.then(() => this.#take(headers, rawBody, receivedAt));
    this.#pushing = turn.catch(() => undefined);
    return turn;
  }

  async #take(headers: Record<string, string>, rawBody: Buffer, receivedAt: number): Promise<TrunklineEvent[]> {
    const { connection, call } = this.#connected;
    const context = {
      connection: connection as typeof connection & { settings: TalkSettings },
      credentials: () => call().credentials(),
    };
    const result = await pushes['talk-bot']?.receive({ headers, rawBody, receivedAt }, context);
    if (!result) throw new Error('There is no receiver');
    if (result.nonce !== undefined && this.#nonces.has(result.nonce)) return [];
    if (result.nonce !== undefined) this.#nonces.add(result.nonce);
    return this.#append(result.events);
  }

  /** A server where bots are installed: what they receive goes to this log. */
  async startHook(now: () => number): Promise<{ url: string; failures: unknown[]; close(): Promise<void> }> {
    const failures: unknown[] = [];
    const server = createServer((request, response) => {
      const chunks: Buffer[] = [];
      request.on('data', (chunk: Buffer) => chunks.push(chunk));
      request.on('end', () => {
        this.push(request.headers as Record<string, string>, Buffer.concat(chunks), now())
          .catch((error: unknown) => failures.push(error))
          .finally(() => response.end());
      });
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as AddressInfo;
    return {
      url: `http://127.0.0.1:${port}/`,
      failures,
      close: () => new Promise((resolve) => server.close(() => resolve())),
    };
  }

  async #append(found: FoundEvent[]): Promise<TrunklineEvent[]> {
    const { connection, process } = this.#connected;
    const news = await newEvents(process, { events, identify }, connection, found);
    const { ids, fresh } = await appendEvents(process, news);
    const stored = await process.table.getMany<EventItem>(ids.map(keys.event));
    const added: TrunklineEvent[] = [];
    for (const [index, item] of stored.entries()) {
      if (!item) throw new Error(`${ids[index]} is not stored`);
      const event = await shownEvent(process.files, item);
      const parsed = events.rooms?.types[event.type]?.data().safeParse(event.data);
      if (!parsed?.success) throw new Error(`${event.type}: ${JSON.stringify(parsed?.error?.issues)}`);
      this.log.set(event.id, event);
      if (fresh.includes(event.id)) added.push(event);
    }
    return added;
  }
}

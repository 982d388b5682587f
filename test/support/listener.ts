import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { FoundEvent } from '../../lib/core/event-type.ts';
import type { TalkCall, TalkSettings } from '../../lib/vendors/talk/connection.ts';
import { events, pushes } from '../../lib/vendors/talk/events/index.ts';
import type { TalkUnderTest } from './talk-gateway.ts';

export const botSecret = 'test-only-bot-secret-0123456789-0123456789-abcdef';

type Connected = Awaited<ReturnType<TalkUnderTest['connect']>>;

/** An event log of one connection, as small as can be: looks and pushes feed it, and an id is taken once. */
export class Listener {
  readonly log = new Map<string, FoundEvent>();
  /** As it lies in the table between looks. */
  cursor: string | undefined;
  readonly roads: string[] = [];
  readonly #connected: Connected;
  readonly #nonces = new Set<string>();

  constructor(connected: Connected) {
    this.#connected = connected;
  }

  /** One turn of the clock: looks until there is no more at once. Answers what is new. */
  async poll(by?: Parameters<Connected['call']>[0]): Promise<FoundEvent[]> {
    const fresh: FoundEvent[] = [];
    for (let looks = 0; looks < 30; looks++) {
      // The gateway knows no vendor's own form.
      const call = this.#connected.call(by) as TalkCall;
      const found = await events.rooms?.poll?.poll(
        this.cursor === undefined ? undefined : JSON.parse(this.cursor),
        call,
      );
      if (!found) throw new Error('There is no source');
      const isFirst = this.cursor === undefined;
      this.cursor = JSON.stringify(found.cursor);
      if (isFirst && found.events.length > 0) throw new Error('The first look gave history');
      fresh.push(...this.#append(found.events, 'look'));
      if (!found.more) break;
    }
    return fresh;
  }

  /** A bot's call as it came. */
  async push(headers: Record<string, string>, rawBody: Buffer, receivedAt: number): Promise<FoundEvent[]> {
    const { connection, call } = this.#connected;
    const context = {
      connection: connection as typeof connection & { settings: TalkSettings },
      credentials: () => call().credentials(),
    };
    const result = await pushes['talk-bot']?.receive({ headers, rawBody, receivedAt }, context);
    if (!result) throw new Error('There is no receiver');
    if (result.nonce !== undefined && this.#nonces.has(result.nonce)) return [];
    if (result.nonce !== undefined) this.#nonces.add(result.nonce);
    return this.#append(result.events, 'push');
  }

  /** A server where bots are installed: what they are told goes to this log. */
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

  #append(found: FoundEvent[], road: string): FoundEvent[] {
    const fresh = found.filter(({ type, id }) => !this.log.has(`${type} ${id}`));
    for (const event of fresh) {
      const type = events.rooms?.types[event.type];
      if (!type) throw new Error(`${event.type} is not declared`);
      const parsed = type.data().safeParse(event.data);
      if (!parsed.success) throw new Error(`${event.type}: ${JSON.stringify(parsed.error.issues)}`);
      this.log.set(`${event.type} ${event.id}`, event);
      this.roads.push(`${road} ${event.type}`);
    }
    return fresh;
  }
}

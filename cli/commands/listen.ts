import { newSigningSecret, webhookHeaders } from '../../lib/core/standard-webhooks.ts';
import type { Api } from '../api.ts';
import { UsageError } from '../failures.ts';
import { messageOf, type Output } from '../output.ts';
import { follow } from './tail.ts';

export interface ListenOptions {
  /** Only what this subscription delivers, its filter included. */
  subscription?: string;
  type?: string;
  connection?: string;
  secret?: string;
  limit?: number;
  signal: AbortSignal;
}

/** `trunkline listen URL`: forwards new events to a program on this machine, signed as a delivery is. */
export async function listen(api: Api, output: Output, target: string, options: ListenOptions): Promise<void> {
  const url = /^\d+$/.test(target) ? `http://127.0.0.1:${target}/` : target;
  if (!URL.canParse(url)) throw new UsageError(`${target} is neither a port nor an address.`);
  const secret = options.secret ?? newSigningSecret();
  output.note(`Forwarding new events to ${url}. They are signed with ${secret}`);
  let left = options.limit ?? Number.POSITIVE_INFINITY;
  for await (const event of eventsOf(api, output, options)) {
    const body = JSON.stringify(event);
    const signed = webhookHeaders({ id: String(event.id), timestamp: Math.floor(Date.now() / 1000), body }, [secret]);
    const outcome = await fetch(url, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...signed },
      body,
      redirect: 'manual',
      signal: options.signal,
    }).then(
      ({ status }) => ({ status }),
      (error: unknown) => ({ problem: messageOf(error) }),
    );
    const said = 'status' in outcome ? String(outcome.status) : outcome.problem;
    output.result(
      { event: event.id, type: event.type, ...outcome },
      `${String(event.type)} ${String(event.id)} → ${said}`,
    );
    if (--left <= 0) return;
  }
}

/** New events: all that fit the options, or those of which a subscription makes deliveries. */
async function* eventsOf(api: Api, output: Output, options: ListenOptions): AsyncGenerator<Record<string, unknown>> {
  if (options.subscription === undefined) {
    yield* follow(api, 'events', options, output.note);
    return;
  }
  if (options.type !== undefined || options.connection !== undefined)
    throw new UsageError(
      'A subscription names its types and its connection itself: leave --type and --connection out.',
    );
  await api.get(`/v1/subscriptions/${options.subscription}`);
  const seen = new Set<unknown>();
  for await (const { eventId } of follow(api, 'deliveries', options, output.note)) {
    // A delivery is reported again with each of its states.
    if (seen.has(eventId)) continue;
    seen.add(eventId);
    yield await api.get<Record<string, unknown>>(`/v1/events/${String(eventId)}`);
  }
}

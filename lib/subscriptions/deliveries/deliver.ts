import type { Pause } from '../../api/pause/pause.ts';
import type { DurableContext, Starter } from '../../core/durable.ts';
import type { AddressPolicy } from '../../core/http/address-policy.ts';
import type { HttpClient, HttpStream } from '../../core/http/client.ts';
import { HttpFailure } from '../../core/http/failure.ts';
import { redactText } from '../../core/redaction/redact.ts';
import { webhookHeaders } from '../../core/standard-webhooks.ts';
import { retryAfter } from '../../core/vendor-failure.ts';
import { type EventItem, isKept, shownEvent } from '../../events/log.ts';
import { appendOwnEvent } from '../../events/own-events.ts';
import { aboutEvent } from '../../events/reading.ts';
import { registerResumption } from '../../events/waiters.ts';
import type { Item, Table } from '../../store/table.ts';
import { noteFailure, noteGone, noteSuccess } from '../health.ts';
import { targetOf } from '../reach.ts';
import { signingSecrets } from '../secrets.ts';
import type { SubscriptionItem, SubscriptionServices } from '../subscriptions.ts';
import { type Attempt, type DeliveryItem, type DeliveryState, deliveryKeys, listedAs } from './deliveries.ts';
import { pauseAfter } from './schedule.ts';
import { noteAnswerTime, reserveTurn, slowAfterMs, type Turn as TargetTurn } from './target-rate.ts';

export interface DeliverServices extends SubscriptionServices {
  http: HttpClient;
  pause: Pause;
  starter: Starter;
  /** The policy for target addresses. */
  targets: AddressPolicy;
}

/** How long a target may take to answer, in milliseconds. */
const attemptTimeoutMs = 15_000;
/** If the turn at the target is this near, the process waits for it. */
const maxInProcessWaitMs = 2_000;
const maxExcerpt = 500;
/**
 * The maximum number of bytes read from a response, so that its connection can be reused; of a longer one only the start is read.
 */
const maxResponseBytes = 65_536;

/** The outcome of a turn of the execution: an end, or the seconds until the next turn, which comes earlier when sending is resumed. */
type Turn = { state: DeliveryState } | { seconds: number; pausedSince?: number };

/** An attempt, the milliseconds that the target asked to wait, and whether the time for its answer was over. */
interface Sent {
  attempt: Attempt;
  waitFor?: number;
  timedOut?: boolean;
}

/** Delivers one event to one subscription: attempts it until it is accepted, given up or cancelled. */
export async function deliver(
  services: DeliverServices,
  context: DurableContext,
  { deliveryId }: { deliveryId: string },
): Promise<{ state: DeliveryState }> {
  for (let turn = 1; ; turn++) {
    const result = await context.step(`turn ${turn}`, () => takeTurn(services, deliveryId, turn));
    if ('state' in result) return result;
    const { seconds, pausedSince } = result;
    if (pausedSince === undefined) await context.wait(`pause ${turn}`, seconds);
    else {
      const register = (callbackId: string) =>
        registerResumption(services, callbackId, pausedSince, services.clock.now() + seconds * 1000);
      await context.waitFor(`pause ${turn}`, register, seconds);
    }
  }
}

/** Gives up a delivery whose execution cannot continue. Does nothing for one that has ended, and for an id of anything else. */
export async function abandonDelivery(services: SubscriptionServices, id: string, reason: string): Promise<void> {
  const { delivery, subscription } = await readAll(services.table, id);
  if (!delivery || !isOpen(delivery)) return;
  if (subscription) await tellGivenUp(services, delivery, subscription, delivery.attempts.length, reason);
  await end(services, delivery, 'given_up', reason);
}

async function takeTurn(services: DeliverServices, id: string, turn: number): Promise<Turn> {
  const { table, clock } = services;
  const { delivery, subscription, event } = await readAll(table, id);
  if (!delivery) return { state: 'cancelled' };
  if (!isOpen(delivery)) return { state: delivery.state };
  // The turn ran before, but a crash prevented it from being recorded.
  if (delivery.attempts.some((attempt) => attempt.turn === turn)) {
    return { seconds: ((delivery.nextAttemptAt ?? 0) - clock.now()) / 1000 };
  }
  if (subscription?.state !== 'active') {
    return end(services, delivery, 'cancelled', `The subscription is ${subscription?.state ?? 'removed'}.`);
  }
  if (!event || !isKept(event, clock.now()))
    return end(services, delivery, 'cancelled', 'The event is older than 30 days.');

  const paused = await services.pause.state();
  if (paused) {
    const seconds = services.pause.waitSeconds(paused);
    const now = clock.now();
    await table.update(key(delivery), 'SET #nextAttemptAt = :next, #pausedAt = :now', {
      now,
      next: now + seconds * 1000,
    });
    return { seconds, pausedSince: paused.since };
  }
  const now = clock.now();
  const target = delivery.reserved ?? (await reserveTurn(table, subscription.url, now));
  // One that has waited for its turn sends now, although the clock may have been set back meanwhile.
  const hasWaited = (delivery.reserved?.turn ?? turn) < turn;
  const waitMs = hasWaited ? 0 : target.at - now;
  if (waitMs > maxInProcessWaitMs) {
    const reserved = { ...target, turn };
    await table.update(key(delivery), 'SET #reserved = :reserved, #nextAttemptAt = :at', { reserved, at: target.at });
    return { seconds: waitMs / 1000 };
  }
  if (waitMs > 0) await clock.sleep(waitMs);
  const body = JSON.stringify(await shownEvent(services.files, event));
  const secrets = await signingSecrets(services, subscription);
  const { attempt, waitFor } = await watched(services, subscription.url, target, () =>
    send(services, delivery, subscription, body, secrets, turn),
  );
  return judge(services, delivery, subscription, attempt, waitFor);
}

/** Makes an attempt and notes how quickly the target answers: at once when it takes long, because other processes are about to send to it, too. */
async function watched(
  { table, clock }: DeliverServices,
  url: string,
  { spacing }: TargetTurn,
  attempt: () => Promise<Sent>,
): Promise<Sent> {
  let known = Promise.resolve(spacing);
  const note = (ms: number) => {
    known = known.then((before) =>
      noteAnswerTime(table, url, ms, { known: before, now: clock.now() }).catch(() => before),
    );
  };
  const timer = setTimeout(() => note(attemptTimeoutMs), slowAfterMs(spacing));
  try {
    const done = await attempt();
    note(done.timedOut ? attemptTimeoutMs : done.attempt.ms);
    return done;
  } finally {
    clearTimeout(timer);
    await known;
  }
}

/** Reads delivery, subscription and event in one request. */
async function readAll(table: Table, id: string) {
  const places = deliveryKeys(id);
  const found = places && (await table.getMany([places.delivery, places.subscription, places.event]));
  // Each key's items have one form.
  const [delivery, subscription, event] = (found ?? []) as [DeliveryItem?, SubscriptionItem?, EventItem?];
  return { delivery, subscription, event };
}

async function send(
  services: DeliverServices,
  delivery: DeliveryItem,
  subscription: SubscriptionItem,
  body: string,
  secrets: string[],
  turn: number,
): Promise<Sent> {
  const { clock, http, targets } = services;
  const at = clock.now();
  const startedAt = performance.now();
  const timestamp = Math.floor(at / 1000);
  const common = { number: delivery.attempts.length + 1, turn, at };
  const took = () => Math.round(performance.now() - startedAt);
  try {
    const answer = await http.stream({
      method: 'POST',
      url: subscription.url,
      headers: {
        'content-type': 'application/json',
        'user-agent': 'Trunkline',
        ...webhookHeaders({ id: delivery.eventId, timestamp, body }, secrets),
      },
      body,
      timeoutMs: attemptTimeoutMs,
      maxBytes: maxResponseBytes,
      address: targets,
    });
    const excerpt = await beginning(answer);
    const asked = answer.headers['retry-after'];
    return {
      attempt: { ...common, ms: took(), status: answer.status, ...(excerpt !== '' && { excerpt }) },
      ...(asked !== undefined && { waitFor: retryAfter(asked, clock.now(), 0) * 1000 }),
    };
  } catch (error) {
    if (!(error instanceof HttpFailure)) throw error;
    return { attempt: { ...common, ms: took(), error: sentence(error) }, timedOut: error.kind === 'timeout' };
  }
}

/** Decides the outcome of an attempt and records it last: a crash before that repeats the turn and, with it, the attempt. */
async function judge(
  services: DeliverServices,
  delivery: DeliveryItem,
  subscription: SubscriptionItem,
  attempt: Attempt,
  waitFor: number | undefined,
): Promise<Turn> {
  const { table, clock, random } = services;
  const status = attempt.status ?? 0;
  if (status >= 200 && status < 300) {
    await noteSuccess(table, subscription);
    return end(services, delivery, 'delivered', undefined, attempt);
  }
  if (status === 410) {
    await noteGone(services, subscription);
    return end(services, delivery, 'cancelled', 'The target answered 410 Gone: the subscription is off.', attempt);
  }
  const reason = attempt.error ?? `The target answered ${status}.`;
  const now = clock.now();
  const firstAt = delivery.attempts[0]?.at ?? attempt.at;
  const pause = pauseAfter({ number: attempt.number, firstAt, now, retryAfter: waitFor }, random);
  await noteFailure(services, subscription, reason);
  if (pause === undefined) {
    await tellGivenUp(services, delivery, subscription, attempt.number, reason);
    return end(services, delivery, 'given_up', reason, attempt);
  }
  await table.update(
    key(delivery),
    `SET #state = :retrying, #duePk = :duePk, #reason = :reason, #nextAttemptAt = :next,
     #attempts = list_append(#attempts, :attempt) REMOVE #reserved`,
    {
      retrying: 'retrying',
      duePk: listedAs('retrying', delivery.eventId, 0).duePk,
      reason,
      next: now + pause,
      attempt: [attempt],
      before: delivery.attempts.length,
    },
    'size(#attempts) = :before',
  );
  return { seconds: pause / 1000 };
}

async function end(
  services: SubscriptionServices,
  delivery: DeliveryItem,
  state: DeliveryState,
  reason: string | undefined,
  attempt?: Attempt,
): Promise<Turn> {
  await services.table.update<Item>(
    key(delivery),
    `SET #state = :state, #duePk = :duePk, #finishedAt = :now, #attempts = list_append(#attempts, :attempts)${
      reason === undefined ? '' : ', #reason = :reason'
    } REMOVE #reserved, #nextAttemptAt${reason === undefined ? ', #reason' : ''}`,
    {
      state,
      duePk: listedAs(state, delivery.eventId, 0).duePk,
      reason,
      now: services.clock.now(),
      attempts: attempt ? [attempt] : [],
      before: delivery.attempts.length,
    },
    'size(#attempts) = :before',
  );
  return { state };
}

async function tellGivenUp(
  services: SubscriptionServices,
  delivery: DeliveryItem,
  subscription: SubscriptionItem,
  attempts: number,
  reason: string,
): Promise<void> {
  const { id, eventId, eventType, subscriptionId } = delivery;
  // Otherwise a target that accepts nothing would be notified endlessly that it accepts nothing.
  if (eventType.startsWith('trunkline.delivery.') || eventType.startsWith('trunkline.subscription.')) return;
  await appendOwnEvent(services, {
    type: 'trunkline.delivery.given_up',
    id,
    data: { deliveryId: id, subscriptionId, target: targetOf(subscription), eventId, eventType, attempts, reason },
    ...aboutEvent(delivery),
  });
}

function isOpen({ state }: DeliveryItem): boolean {
  return state === 'pending' || state === 'retrying';
}

function key({ pk, sk }: DeliveryItem) {
  return { pk, sk };
}

/**
 * The start of a response body, redacted. Only the status counts: a body that breaks off or never ends does not change the
 * outcome.
 */
async function beginning({ body }: HttpStream): Promise<string> {
  const chunks: Buffer[] = [];
  try {
    for await (const chunk of body) chunks.push(chunk as Buffer);
  } catch {
    // The part received so far is enough.
  }
  const text = Buffer.concat(chunks)
    .subarray(0, maxExcerpt * 4)
    .toString('utf8');
  return redactText(text).slice(0, maxExcerpt);
}

function sentence(error: HttpFailure): string {
  switch (error.kind) {
    case 'timeout':
      return `The target did not answer within ${attemptTimeoutMs / 1000} seconds.`;
    case 'refused-address':
      return `The target's address is not allowed: ${error.message.split(';')[0]}.`;
    case 'tls':
      return `No secure connection to the target: ${error.message}.`;
    case 'not-connected':
      return `The target could not be reached: ${error.message}.`;
    default:
      return `The target broke off: ${error.message}.`;
  }
}

import type { JsonAnswer } from '../api/idempotency.ts';
import type { RateLimit } from '../api/rate-limit.ts';
import type { HttpRequest } from '../api/request.ts';
import { GatewayError, methodNotAllowed } from '../core/errors.ts';
import { parseJson } from '../core/json.ts';
import { isWithin } from '../core/networks.ts';
import { redactText } from '../core/redaction/redact.ts';
import type { EventCatalogue } from '../core/vendor.ts';
import { type EventItem, findEvent } from '../events/log.ts';
import { type Accepted, type AcceptServices, acceptRequest } from './accept.ts';
import { basicChallenge, resultAnswer } from './answers.ts';
import { answerChallenge, openChallenges } from './challenge.ts';
import { takeMessage } from './claim.ts';
import type { HookItem, Hooks } from './hooks.ts';
import { maxHookBodyBytes } from './read/body.ts';
import { HookRefusal } from './refusal.ts';
import { keepHandshakeSecret } from './secrets.ts';
import { noteHandshake, noteReceived, noteRefused, noteRepeated, sampleOf } from './status.ts';
import { type RunResult, secondsToWait, waitForRuns } from './wait.ts';

export interface HookServices extends AcceptServices {
  hooks: Hooks;
  /** Counts what each hook takes in this process. */
  hookRates: RateLimit;
  /** Receives what went wrong after a message was stored. */
  report(error: unknown, hookId: string): void;
}

/** What a stored event sets going, and how that ended. */
export interface HookRuns {
  /** Starts the runs that an event triggers and returns their ids. Repeating it starts nothing twice. */
  startRuns(event: EventItem): Promise<string[]>;
  /** How a run ended; undefined while it is in progress. */
  runResult(runId: string): Promise<RunResult | undefined>;
}

/** How many refusals a minute are noted for the owner, in one process. */
const notedPerMinute = 60;
/** How much of a refused body is read, and shown if it is not JSON. */
const maxRefusedBytes = 16_384;
const maxRefusedShown = 2_000;

/**
 * One request to `/hooks/{token}`: the sender is verified, the message stored, its runs started, and only then is it answered.
 * Throws `GatewayError` for what is rejected; every rejection of a hook's own is counted and explained to its owner.
 */
export async function receiveHook(
  services: HookServices,
  vendors: EventCatalogue,
  runs: HookRuns,
  request: HttpRequest,
): Promise<JsonAnswer> {
  const hook = await services.hooks.byToken(/^\/hooks\/([^/]+)\/?$/.exec(request.path)?.[1] ?? '');
  if (!hook) throw new GatewayError('not_found', 'There is no hook at this address.');
  const now = services.clock.now();
  try {
    checkSurface(hook, request);
    const open = openChallenges(hook.verify.kind, hook.challenge);
    const answer = answerChallenge(open, request, []);
    if (answer) {
      await keepHandshakeSecret(services, hook, request.headers);
      return await handshake(services, hook, answer, now);
    }
    const methods: readonly string[] = hook.methods ?? ['POST'];
    if (!methods.includes(request.method)) {
      const others = open.map(({ method }) => method);
      throw methodNotAllowed('This hook', request.method, [...new Set([...methods, ...others])]);
    }
    const accepted = await acceptRequest(services, vendors, hook, request, now);
    if ('handshake' in accepted) return await handshake(services, hook, accepted.handshake, now);
    takeTurn(services, hook, now);
    return await store(services, runs, hook, request, accepted, now);
  } catch (error) {
    if (!(error instanceof GatewayError)) throw error;
    const isSender = error.code === 'unauthorized' || error.code === 'forbidden';
    if (isSender && (await services.hooks.hasChanged(hook))) return receiveHook(services, vendors, runs, request);
    await noteRefusal(services, hook, request, error, now);
    if (error.code === 'unauthorized' && hook.verify.kind === 'basic') return basicChallenge(error, request);
    throw error;
  }
}

async function handshake(services: HookServices, hook: HookItem, answer: JsonAnswer, now: number): Promise<JsonAnswer> {
  takeTurn(services, hook, now);
  await noteHandshake(services.table, hook.id, now);
  return answer;
}

/** Checks that do not read the message itself. */
function checkSurface({ allowFrom }: HookItem, { rawBody, sourceIp }: HttpRequest): void {
  if (rawBody.length > maxHookBodyBytes) {
    throw new GatewayError(
      'payload_too_large',
      `The body has ${rawBody.length} bytes; a hook takes ${maxHookBodyBytes} at most.`,
    );
  }
  if (allowFrom && !isWithin(allowFrom, sourceIp)) {
    throw new HookRefusal('forbidden', 'Your address may not post here.', `${sourceIp} is not on the list allowFrom.`);
  }
}

/** Counts only what was verified, so that strangers cannot use up the sender's limit. */
function takeTurn({ hookRates }: HookServices, { id, perMinute }: HookItem, now: number): void {
  try {
    hookRates.take({ keyId: id, name: id, scopes: [], perMinute }, now);
  } catch (error) {
    if (!(error instanceof GatewayError) || error.retryAfter === undefined) throw error;
    const words = `This hook takes ${perMinute} messages a minute.`;
    throw new HookRefusal('rate_limited', `${words} Try again in ${error.retryAfter} s.`, words, {
      retryAfter: error.retryAfter,
    });
  }
}

async function noteRefusal(
  services: HookServices,
  hook: HookItem,
  { rawBody }: HttpRequest,
  error: GatewayError,
  now: number,
): Promise<void> {
  if (error.status >= 500) return;
  try {
    services.hookRates.take({ keyId: `${hook.id} refused`, name: '', scopes: [], perMinute: notedPerMinute }, now);
  } catch {
    return;
  }
  const reason = error instanceof HookRefusal ? error.reason : error.message;
  await noteRefused(services.table, hook.id, now, { reason, status: error.status, body: refusedSample(rawBody) });
}

/** The beginning of a refused body. It was not verified, so it is read as text or JSON and as nothing else. */
function refusedSample(rawBody: Buffer): string {
  const beginning = rawBody.toString('utf8', 0, maxRefusedBytes);
  try {
    return sampleOf(parseJson(beginning));
  } catch {
    return rawBody.length === 0 ? '' : redactText(beginning).slice(0, maxRefusedShown);
  }
}

async function store(
  services: HookServices,
  runs: HookRuns,
  hook: HookItem,
  request: HttpRequest,
  accepted: Accepted,
  now: number,
): Promise<JsonAnswer> {
  const { events, message, already, body, problem } = accepted;
  const { ids, items, repeated } = already
    ? { ids: [already], items: [], repeated: true }
    : await takeMessage(services, events, message);
  const wait = hook.verify.vendor === undefined ? secondsToWait(request.query) : 0;
  const news = new Set(items.map(({ id }) => id));
  // Events that arrived in another way before have started their runs, except those of this hook. A repeat returns the runs that it had.
  const older = already || (repeated && wait === 0) ? [] : ids.filter((id) => !news.has(id));
  const [runIds] = await Promise.all([
    startAll(services, runs, hook, items, older),
    repeated ? noteRepeated(services.table, hook.id) : noteReceived(services.table, hook.id, now, { body, problem }),
  ]);
  const headers: Record<string, string> = repeated ? { 'idempotent-replayed': 'true' } : {};
  if (hook.verify.vendor !== undefined) return { status: accepted.status, headers, body: { eventIds: ids } };
  const eventId = ids[0];
  if (wait === 0 || runIds.length === 0) {
    return { status: accepted.status, headers, body: accepted.status === 204 ? undefined : { eventId } };
  }
  const ended = await waitForRuns(services.clock, runIds, wait, request.signal, (id) => runs.runResult(id));
  return resultAnswer(eventId, ended, headers, request);
}

async function startAll(
  services: HookServices,
  runs: HookRuns,
  hook: HookItem,
  fresh: readonly EventItem[],
  older: readonly string[],
): Promise<string[]> {
  try {
    const found = await Promise.all(older.map((id) => findEvent(services, id)));
    const events = [...fresh, ...found.flatMap((item) => (item ? [{ ...item, hook: hook.id }] : []))];
    return (await Promise.all(events.map((event) => runs.startRuns(event)))).flat();
  } catch (error) {
    // It is stored: the table's stream starts the runs too, and the sender must not send it again.
    services.report(error, hook.id);
    return [];
  }
}

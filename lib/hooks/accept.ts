import type { JsonAnswer } from '../api/idempotency.ts';
import type { HttpRequest } from '../api/request.ts';
import { serverUrl } from '../api/server-url.ts';
import type { Connections } from '../connections/connections.ts';
import { readPushCredentials } from '../connections/credentials.ts';
import type { Random } from '../core/clock.ts';
import { GatewayError } from '../core/errors.ts';
import { type FileStore, uploadKey } from '../core/files.ts';
import type { HttpClient } from '../core/http/client.ts';
import { parseJson } from '../core/json.ts';
import { mapTexts } from '../core/sealed-text.ts';
import type { SecretStore } from '../core/secrets.ts';
import type { EventCatalogue } from '../core/vendor.ts';
import { newEvents } from '../events/found.ts';
import { findEvent, type LogServices, type NewEvent } from '../events/log.ts';
import { ownEventTypes } from '../events/own-event-types.ts';
import { answerChallenge, signedChallenges } from './challenge.ts';
import type { Message } from './claim.ts';
import type { HookAnswer, HookItem } from './hooks.ts';
import { messageOf } from './message.ts';
import { maxHookBodyBytes, readBody, type StoreBody } from './read/body.ts';
import { safeHeaders, safeQuery } from './read/headers.ts';
import { decoded } from './read/inflate.ts';
import { redactPaths } from './redact-paths.ts';
import { HookRefusal, notTheSender, outOfOrder } from './refusal.ts';
import { goodSecrets } from './secrets.ts';
import { verifySender } from './verify/verifiers.ts';

export interface AcceptServices extends LogServices {
  secrets: SecretStore;
  connections: Connections;
  random: Random;
  http: HttpClient;
  files: FileStore;
}

/** A verified request as the events that it becomes. */
export interface Accepted {
  events: NewEvent[];
  message?: Message | undefined;
  /** The event of our own log that a delivery sent back to a hook. */
  already?: string | undefined;
  /** What the sender is answered. */
  status: HookAnswer;
  /** For the sample that the owner is shown. */
  body: unknown;
  /** Something that kept nothing from being stored, for the owner. */
  problem?: string | undefined;
}

/** The type of the event that a hook appends. */
export const receivedType = 'trunkline.hook.received';
/** How long a vendor's name for a call counts where the vendor does not say. */
const nonceSeconds = 86_400;

/** A request that only sets a hook up. */
export interface Handshake {
  handshake: JsonAnswer;
}

/** Verifies a request and reads it. Throws `HookRefusal`, or another `GatewayError` for a body that cannot be read. */
export function acceptRequest(
  services: AcceptServices,
  vendors: EventCatalogue,
  hook: HookItem,
  request: HttpRequest,
  now: number,
): Promise<Accepted | Handshake> {
  return hook.verify.vendor === undefined
    ? acceptMessage(services, hook, request, now)
    : acceptPush(services, vendors, hook, request, now);
}

async function acceptMessage(
  services: AcceptServices,
  hook: HookItem,
  request: HttpRequest,
  now: number,
): Promise<Accepted | Handshake> {
  const { headers, rawBody, query, method } = request;
  const { kind } = hook.verify;
  const secrets = await goodSecrets(services, hook);
  const search = query.size > 0 ? `?${query}` : '';
  const signed = { headers, url: `${serverUrl(request)}${request.path}${search}` };
  const sender = (bytes: Buffer) =>
    verifySender(services.http, hook.verify, { ...signed, rawBody: bytes }, secrets, now);
  let verdict = await sender(rawBody);
  if (!verdict) throw outOfOrder(`There is no kind of verification named ${kind}.`);
  const bytes = await decoded(rawBody, headers['content-encoding'], maxHookBodyBytes);
  // Some senders sign what they compress, others what they have compressed.
  if (!verdict.ok && bytes !== rawBody) verdict = (await sender(bytes)) ?? verdict;
  if (!verdict.ok) throw notTheSender(verdict.reason);
  if (verdict.confirm !== undefined) {
    const { confirmSns } = await import('./verify/sns.ts');
    await confirmSns(services.http, verdict.confirm);
    return { handshake: { status: 200, body: {} } };
  }
  const handshake = answerChallenge(signedChallenges(kind, hook.challenge), { ...request, rawBody: bytes }, secrets);
  if (handshake) return { handshake };

  const contentType = headers['content-type'];
  const read = method === 'GET' ? null : await readBody(bytes, contentType, storeWith(services));
  const body = kind === 'github' ? gitHubPayload(read) : read;
  const data = {
    hookId: hook.id,
    hook: hook.name,
    method,
    contentType: contentType?.slice(0, 200) ?? null,
    headers: safeHeaders(headers, secrets),
    query: safeQuery(query, secrets),
    body,
  };
  const about = {
    type: receivedType,
    timestamp: new Date(now).toISOString(),
    vendor: 'trunkline' as const,
    connection: hook.id,
    data,
  };
  const { message, problem } = await messageOf(hook, { headers, rawBody, id: verdict.id, event: about }, now);
  const already = message?.by === 'id' ? await ownEvent(services, message.value) : undefined;
  const id = `${now}-${Buffer.from(services.random.bytes(12)).toString('base64url')}`;
  // Values that the owner redacts from events still count for deduplication.
  const kept = await keptData(services, hook, data);
  const events = [{ ...about, data: kept, id, hook: hook.id, readBy: ownEventTypes[receivedType].readBy }];
  return { events, message, already, status: hook.answer ?? 202, body: kept.body, problem };
}

/** What an event keeps of a message: without the values that its owner redacts, and with those sealed that only automations use. */
export async function keptData<Data extends object>(
  { secrets }: Pick<AcceptServices, 'secrets'>,
  { redact = [], seal: paths = [] }: HookItem,
  given: Data,
): Promise<Data> {
  const data = redactPaths(given, redact);
  if (paths.length === 0) return data;
  const { hookSealer } = await import('../connections/sealed-input.ts');
  const seal = await hookSealer(secrets);
  // Numbers become text, so that no value stays readable.
  const sealed = (value: unknown): unknown => (typeof value === 'number' ? seal(String(value)) : mapTexts(value, seal));
  return redactPaths(data, paths, sealed);
}

/** GitHub's default content type is a form with its JSON in one field. */
function gitHubPayload(body: unknown): unknown {
  const payload: unknown = body !== null && typeof body === 'object' ? Reflect.get(body, 'payload') : undefined;
  if (typeof payload !== 'string') return body;
  try {
    return parseJson(payload);
  } catch {
    return body;
  }
}

function storeWith({ files, random }: AcceptServices): StoreBody {
  return async (bytes, type, name) => {
    const uploadId = Buffer.from(random.bytes(24)).toString('base64url');
    await files.put(uploadKey(uploadId), bytes, type);
    return { uploadId, type, size: bytes.length, ...(name && { name: name.slice(0, 200) }) };
  };
}

async function acceptPush(
  services: AcceptServices,
  vendors: EventCatalogue,
  { id: hook, verify }: HookItem,
  { headers, rawBody }: HttpRequest,
  now: number,
): Promise<Accepted> {
  const vendor = verify.vendor === undefined ? undefined : vendors[verify.vendor];
  const push = vendor?.pushes?.[verify.kind];
  if (!push || verify.vendor === undefined) throw outOfOrder(`No vendor receives calls of the kind ${verify.kind}.`);
  const given = Object.entries(headers).filter((entry): entry is [string, string] => entry[1] !== undefined);
  try {
    const connection = await services.connections.find(verify.vendor, verify.connection);
    const result = await push.receive(
      { headers: Object.fromEntries(given), rawBody, receivedAt: now },
      { connection, credentials: () => readPushCredentials(services.secrets, vendor, connection) },
    );
    const place = { vendor: verify.vendor, connection: connection.name };
    const events = await newEvents(services, vendor, connection, result.events);
    return {
      events: events.map((event) => ({ ...event, hook })),
      message:
        result.nonce === undefined
          ? undefined
          : {
              owner: `${place.vendor}/${place.connection}`,
              by: verify.kind,
              value: result.nonce,
              seconds: result.nonceSeconds ?? nonceSeconds,
            },
      status: result.status ?? 200,
      // Its contents require the right to read the vendor's events, which a reader of hooks may lack.
      body: { events: events.map(({ type }) => type) },
    };
  } catch (error) {
    throw pushRefusal(error);
  }
}

/** What a vendor's code reports is for the hook's owner. A stranger may not learn about connections. */
function pushRefusal(error: unknown): unknown {
  if (!(error instanceof GatewayError) || error instanceof HookRefusal) return error;
  if (error.code === 'unauthorized') return notTheSender(error.message);
  return error.status === 400 || error.code === 'unavailable' ? error : outOfOrder(error.message);
}

/** An event from a hook that a subscription delivers back to a hook is the same fact. As a new event it would loop forever. */
async function ownEvent(services: LogServices, id: string): Promise<string | undefined> {
  const event = /^evt_[\w-]{27}$/.test(id) ? await findEvent(services, id) : undefined;
  return event?.type === receivedType ? event.id : undefined;
}

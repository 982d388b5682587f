import type { HttpRequest } from '../api/request.ts';
import type { Connections } from '../connections/connections.ts';
import { readPushCredentials } from '../connections/credentials.ts';
import type { Random } from '../core/clock.ts';
import { GatewayError } from '../core/errors.ts';
import type { SecretStore } from '../core/secrets.ts';
import type { EventCatalogue } from '../core/vendor.ts';
import type { Verifier } from '../core/verifier.ts';
import { newEvents } from '../events/found.ts';
import { findEvent, type LogServices, type NewEvent } from '../events/log.ts';
import type { Message } from './claim.ts';
import type { HookItem } from './hooks.ts';
import { messageOf } from './message.ts';
import { readBody } from './read/body.ts';
import { safeHeaders, safeQuery } from './read/headers.ts';
import { HookRefusal, notTheSender, outOfOrder } from './refusal.ts';
import { goodSecrets } from './secrets.ts';
import { verifiers } from './verify/verifiers.ts';

export interface AcceptServices extends LogServices {
  secrets: SecretStore;
  connections: Connections;
  random: Random;
}

/** A request whose sender is who it should be, as the events that it becomes. */
export interface Accepted {
  events: NewEvent[];
  message?: Message | undefined;
  /** The event in our own log that was delivered to us again. */
  already?: string | undefined;
  /** What the sender needs to hear. */
  status: 200 | 202;
  /** For the sample that the owner is shown. */
  body: unknown;
  /** Something that kept nothing from being stored, for the owner. */
  problem?: string | undefined;
}

/** What our own type of event is called. */
const receivedType = 'trunkline.hook.received';
/** How long a vendor's name for a call counts where the vendor does not say. */
const nonceSeconds = 86_400;

/** Verifies a request and reads it. Throws `HookRefusal`, or another `GatewayError` for a body that cannot be read. */
export function acceptRequest(
  services: AcceptServices,
  vendors: EventCatalogue,
  hook: HookItem,
  request: HttpRequest,
  now: number,
): Promise<Accepted> {
  return hook.verify.vendor === undefined
    ? acceptMessage(services, hook, request, now)
    : acceptPush(services, vendors, hook, request, now);
}

async function acceptMessage(
  services: AcceptServices,
  hook: HookItem,
  request: HttpRequest,
  now: number,
): Promise<Accepted> {
  const { headers, rawBody, query } = request;
  const { kind } = hook.verify;
  const verify: Verifier | undefined = Object.hasOwn(verifiers, kind)
    ? verifiers[kind as keyof typeof verifiers]
    : undefined;
  if (!verify) throw outOfOrder(`There is no kind of verification named ${kind}.`);
  const verdict = verify({ headers, rawBody }, await goodSecrets(services, hook), now);
  if (!verdict.ok) throw notTheSender(verdict.reason);

  const contentType = headers['content-type'];
  const body = readBody(rawBody, contentType);
  const data = {
    hookId: hook.id,
    hook: hook.name,
    contentType: contentType?.slice(0, 200) ?? null,
    headers: safeHeaders(headers),
    query: safeQuery(query),
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
  return { events: [{ ...about, id, hook: hook.id }], message, already, status: 202, body, problem };
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
  if (!push || verify.vendor === undefined) throw outOfOrder(`Nobody takes calls of the kind ${verify.kind}.`);
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
      body: rawBody.toString('utf8'),
    };
  } catch (error) {
    throw pushRefusal(error);
  }
}

/** What a vendor's code says is for the hook's owner; a stranger may not hear of connections. */
function pushRefusal(error: unknown): unknown {
  if (!(error instanceof GatewayError) || error instanceof HookRefusal) return error;
  if (error.code === 'unauthorized') return notTheSender(error.message);
  return error.status === 400 || error.code === 'unavailable' ? error : outOfOrder(error.message);
}

/** What came through a hook and a subscription delivers to a hook again is the same fact; anew, it would go round for ever. */
async function ownEvent(services: LogServices, id: string): Promise<string | undefined> {
  const event = /^evt_[\w-]{27}$/.test(id) ? await findEvent(services, id) : undefined;
  return event?.type === receivedType ? event.id : undefined;
}

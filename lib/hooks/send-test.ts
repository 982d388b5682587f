import type { Random } from '../core/clock.ts';
import { refusedField } from '../core/errors.ts';
import type { SecretStore } from '../core/secrets.ts';
import { appendEvents, eventId, type LogServices } from '../events/log.ts';
import { ownEventTypes } from '../events/own-event-types.ts';
import { keptData, receivedType } from './accept.ts';
import type { HookItem } from './hooks.ts';
import { noteReceived } from './status.ts';

/**
 * Stores a message as if the sender of a hook had posted it, without verification and deduplication; it starts what every message
 * starts. Returns the id of its event. Throws `invalid_input` for a hook of a vendor, whose messages only the vendor can form.
 */
export async function sendTest(
  services: LogServices & { random: Random; secrets: SecretStore },
  hook: HookItem,
  body: unknown,
) {
  if (hook.verify.vendor !== undefined) {
    throw refusedField('/body', `cannot be sent: only the vendor can post to a hook of the kind ${hook.verify.kind}`);
  }
  const now = services.clock.now();
  const data = {
    hookId: hook.id,
    hook: hook.name,
    method: 'POST',
    contentType: 'application/json',
    headers: { 'user-agent': 'Trunkline test' },
    query: {},
    body,
  };
  const event = {
    id: `${now}-${Buffer.from(services.random.bytes(12)).toString('base64url')}`,
    type: receivedType,
    timestamp: new Date(now).toISOString(),
    vendor: 'trunkline' as const,
    connection: hook.id,
    data: await keptData(services, hook, data),
    hook: hook.id,
    readBy: ownEventTypes[receivedType].readBy,
  };
  await appendEvents(services, [event]);
  await noteReceived(services.table, hook.id, now, { body: event.data.body });
  return eventId(event);
}

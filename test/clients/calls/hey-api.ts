import { createClient } from '../generated/hey-api/client';
import {
  createAutomation,
  createHook,
  getEvent,
  getMe,
  proptt2SendSosToChannel,
  receiveHook,
} from '../generated/hey-api/sdk.gen';

/** Uses the product through the client of @hey-api/openapi-ts. */
export async function main(url: string, key: string) {
  const client = createClient({ baseUrl: url, auth: key });
  const me = await getMe({ client });

  const path = { connection: 'demo' };
  const sos = await proptt2SendSosToChannel({ client, path, body: { channelId: 1 } });
  const refused = await proptt2SendSosToChannel({ client, path, body: { channelId: -1 } });

  const hook = await createHook({ client, body: { name: 'of hey-api', verify: { kind: 'none' } } });
  const posted = await receiveHook({
    client,
    path: { token: hook.data?.url.split('/').at(-1) ?? '' },
    body: { text: 'Hello from a client' },
  });
  const event = await getEvent({ client, path: { id: posted.data?.eventId ?? '' } });
  const words: string[] = [];
  // The type of an event says what its data is.
  if (event.data?.type === 'talk.message.created') words.push(event.data.data.text);
  if (event.data?.type === 'trunkline.hook.received') {
    const { body } = event.data.data;
    if (typeof body === 'object' && body !== null && 'text' in body) words.push(String(body.text));
  }

  const automation = await createAutomation({
    client,
    body: {
      name: 'Made with hey-api',
      enabled: false,
      when: { event: 'talk.message.created' },
      do: [{ name: 'siren', call: 'proptt2/demo/sendSosToChannel', input: { channelId: 1 } }],
    },
  });
  return {
    name: me.data?.name ?? '',
    code: sos.data?.code,
    refused: { status: refused.response?.status ?? 0, code: refused.error?.code },
    words,
    automation: automation.data?.name ?? '',
  };
}

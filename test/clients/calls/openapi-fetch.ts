import createClient from 'openapi-fetch';
import type { components, paths } from '../generated/paths.d.ts';

/** Uses the product through openapi-fetch and the types of openapi-typescript. */
export async function main(url: string, key: string) {
  const client = createClient<paths>({ baseUrl: url, headers: { authorization: `Bearer ${key}` } });
  const me = await client.GET('/v1/me');

  const path = { connection: 'demo' };
  const sos = await client.POST('/v1/proptt2/{connection}/sendSosToChannel', {
    params: { path },
    body: { channelId: 1 },
  });
  const refused = await client.POST('/v1/proptt2/{connection}/sendSosToChannel', {
    params: { path },
    body: { channelId: -1 },
  });
  const problem: components['schemas']['Problem'] | undefined = refused.error;

  const hook = await client.POST('/v1/hooks', { body: { name: 'of openapi-fetch', verify: { kind: 'none' } } });
  const posted = await client.POST('/hooks/{token}', {
    params: { path: { token: hook.data?.url.split('/').at(-1) ?? '' } },
    body: { text: 'Hello from a client' },
  });
  const event = await client.GET('/v1/events/{id}', { params: { path: { id: posted.data?.eventId ?? '' } } });
  const words: string[] = [];
  // The type of an event says what its data is.
  if (event.data?.type === 'talk.message.created') words.push(event.data.data.text);
  if (event.data?.type === 'trunkline.hook.received') {
    const { body } = event.data.data;
    if (typeof body === 'object' && body !== null && 'text' in body) words.push(String(body.text));
  }

  const automation = await client.POST('/v1/automations', {
    body: {
      name: 'Made with openapi-fetch',
      enabled: false,
      when: { event: 'talk.message.created' },
      do: [{ name: 'siren', call: 'proptt2/demo/sendSosToChannel', input: { channelId: 1 } }],
    },
  });
  return {
    name: me.data?.name ?? '',
    code: sos.data?.code,
    refused: { status: refused.response.status, code: problem?.code },
    words,
    automation: automation.data?.name ?? '',
  };
}

import { afterEach, expect, test } from 'vitest';
import { type EventStream, type EventStreamOptions, eventStream } from './event-stream.ts';
import { type HttpBridge, startHttpBridge } from './http-bridge.ts';

let bridge: HttpBridge;
let stream: EventStream;
afterEach(async () => {
  stream.close();
  await bridge.close();
});

async function start(handler: EventStreamOptions['handler']) {
  stream = eventStream({ path: '/v1/stream', functionName: 'control', handler, gatherMs: 5 });
  bridge = await startHttpBridge({ routes: [stream.route] });
  return fetch(`${bridge.url}/v1/stream`, { headers: { authorization: 'Bearer tl_x' } });
}

test('a change is written into the open connection, from the last id on', async () => {
  const asked: (string | undefined)[] = [];
  const answer = await start(async ({ headers }) => {
    asked.push(headers['last-event-id']);
    expect(headers.authorization).toBe('Bearer tl_x');
    return { statusCode: 200, headers: {}, body: `data: ${asked.length}\n\nid: c${asked.length}\n\n` };
  });
  expect(answer.headers.get('content-type')).toBe('text/event-stream');
  const reader = answer.body?.pipeThrough(new TextDecoderStream()).getReader();
  const read = async () => (await reader?.read())?.value ?? '';
  expect(await read()).toContain('data: 1\n');
  stream.changed();
  expect(await read()).toContain('data: 2\n');
  expect(asked).toEqual([undefined, 'c1']);
});

test('each call of the function gets a new event, like a new request', async () => {
  const events: object[] = [];
  const answer = await start(async (event) => {
    events.push(event, event.headers);
    return { statusCode: 200, headers: {}, body: `data: ${events.length}\n\nid: 1\n\n` };
  });
  const reader = answer.body?.pipeThrough(new TextDecoderStream()).getReader();
  await reader?.read();
  stream.changed();
  expect((await reader?.read())?.value).toContain('data: 4\n');
  expect(new Set(events).size).toBe(4);
});

test('a refusal is returned as the response, and a later one ends the stream', async () => {
  let status = 403;
  const handler: EventStreamOptions['handler'] = async () => ({
    statusCode: status,
    headers: { 'content-type': 'application/problem+json' },
    body: status === 200 ? 'id: 1\n\n' : '{}',
  });
  expect((await start(handler)).status).toBe(403);
  status = 200;
  const answer = await fetch(`${bridge.url}/v1/stream`);
  status = 401;
  stream.changed();
  expect(await answer.text()).toBe('id: 1\n\n');
});

test('closing ends open connections', async () => {
  const answer = await start(async () => ({ statusCode: 200, headers: {}, body: 'id: 1\n\n' }));
  stream.close();
  expect(await answer.text()).toBe('id: 1\n\n');
});

test('a stream that is closed while its function is called ends', async () => {
  const called = Promise.withResolvers<void>();
  const body = Promise.withResolvers<string>();
  let calls = 0;
  const answer = await start(async () => {
    if (++calls === 1) return { statusCode: 200, headers: {}, body: 'id: 1\n\n' };
    called.resolve();
    return { statusCode: 200, headers: {}, body: await body.promise };
  });
  stream.changed();
  await called.promise;
  stream.close();
  body.resolve('id: 2\n\n');
  expect(await answer.text()).toBe('id: 1\n\n');
});

test('what a client does not read is not collected for it', async () => {
  const asked: string[] = [];
  const handler: EventStreamOptions['handler'] = async ({ headers }) => {
    const name = headers['x-name'] ?? '';
    asked.push(name);
    return {
      statusCode: 200,
      headers: {},
      body: `${name === 'slow' ? ':'.repeat(20_000_000) : 'data: 1'}\n\nid: 1\n\n`,
    };
  };
  await (await start(handler)).body?.cancel();
  asked.length = 0;
  const follow = (name: string) => fetch(`${bridge.url}/v1/stream`, { headers: { 'x-name': name } });
  const slow = await follow('slow');
  const quick = (await follow('quick')).body?.getReader();
  await quick?.read();
  for (let change = 0; change < 3; change++) {
    stream.changed();
    await quick?.read();
  }
  expect(asked.filter((name) => name === 'slow')).toHaveLength(1);
  const reader = slow.body?.getReader();
  for (let length = 0; length < 21_000_000; ) length += (await reader?.read())?.value?.length ?? 0;
  expect(asked.filter((name) => name === 'slow')).toHaveLength(2);
});

import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type ControlDesk, startControlDesk } from '../../test/support/control-desk.ts';

let desk: ControlDesk;
let hook: string;

beforeAll(async () => {
  desk = await startControlDesk();
  hook = (await desk.call('POST', '/v1/hooks', { name: 'Panel', verify: { kind: 'none' } })).body.id;
});
afterAll(() => desk.close());

const line = { name: 'line', call: 'talk/dispatch/sendChatMessage', input: { token: 'abcd', message: 'x' } };
let count = 0;
const automation = (more: object) => ({ name: `A ${++count}`, when: { hook }, do: [line], ...more });
const create = (more: object) => desk.call('POST', '/v1/automations', automation(more));
const step = (input: object, call = 'talk/dispatch/sendChatMessage') => ({ do: [{ name: 'line', call, input }] });

describe('an automation that could not run is refused', () => {
  test.each<[string, object, string, string]>([
    [
      'an event type with a typo',
      { when: { event: 'talk.message.creatd' } },
      '/when/event',
      'is not an event type. Did you mean talk.message.created?',
    ],
    [
      'an event at a connection that does not exist',
      { when: { event: 'talk.message.created', connection: 'dispatsh' } },
      '/when/connection',
      'is neither a connection nor a hook that can have such events. Did you mean dispatch?',
    ],
    [
      'an awaited event type with a typo',
      { do: [{ name: 'ack', waitFor: { event: 'talk.message.creatd', seconds: 5 } }] },
      '/do/0/waitFor/event',
      'is not an event type',
    ],
    [
      'an awaited event at a connection that does not exist',
      { do: [{ name: 'ack', waitFor: { event: 'talk.message.created', connection: 'nowhere', seconds: 5 } }] },
      '/do/0/waitFor/connection',
      'is neither a connection nor a hook',
    ],
    ['a hook by its name', { when: { hook: 'Panel' } }, '/when/hook', 'is not the id of a hook. Did you mean hook-'],
    [
      'an operation with a typo',
      step({ channelId: 1 }, 'proptt2/dispatch/sendSos'),
      '/do/0/call',
      'ProPTT2 has no operation "sendSos". Did you mean sendSosToChannel?',
    ],
    [
      'a connection with a typo',
      step({ token: 'abcd', message: 'x' }, 'talk/dispach/sendChatMessage'),
      '/do/0/call',
      'does not exist: dispach. Did you mean dispatch?',
    ],
    [
      'a step that does not exist',
      step({ token: 'abcd', message: '{% steps.lines.output.id %}' }),
      '/do/0/input/message',
      'refers to steps.lines, which does not exist. Did you mean line?',
    ],
    [
      'a step that does not exist, named in a filter',
      step({ token: 'abcd', message: '{% event.list[no = $steps.chans.output.no].name %}' }),
      '/do/0/input/message',
      'refers to steps.chans',
    ],
    [
      'a function that does not exist',
      step({ token: 'abcd', message: '{% $nosuchfn(1) %}' }),
      '/do/0/input/message',
      'There is no function $nosuchfn',
    ],
    [
      'an expression that does not parse',
      step({ token: 'abcd', message: '{% event.data. %}' }),
      '/do/0/input/message',
      '(at character',
    ],
    [
      'a required field that is missing beside an expression',
      step({ message: '{% event.data.body.text %}' }),
      '/do/0/input/token',
      'is required',
    ],
    [
      'an unknown field beside an expression',
      step({ token: 'abcd', message: '{% 1 %}', mesage: 'x' }),
      '/do/0/input/mesage',
      'is not a field',
    ],
    [
      'a field of the wrong type beside an expression',
      step({ channelId: 'one', message: '{% 1 %}' }, 'proptt2/dispatch/sendMessageToChannel'),
      '/do/0/input/channelId',
      'must be',
    ],
    [
      'more rounds than an execution can take',
      {
        do: ['a', 'b'].map((name) => ({
          name,
          repeat: {
            do: [
              { name: `${name}1`, wait: { seconds: 1 } },
              ...Array.from({ length: 5 }, (_, n) => ({ name: `${name}x${n}`, wait: { seconds: 1 } })),
            ],
            until: '{% false %}',
            max: 100,
          },
        })),
      },
      '/do/0',
      'operations',
    ],
    ['six fields of a cron', { when: { schedule: { cron: '*/10 * * * * *' } } }, '/when/schedule/cron', 'five fields'],
    [
      'a moment that has passed',
      { when: { schedule: { at: '2020-01-01T00:00:00Z' } } },
      '/when/schedule/at',
      'must be in the future',
    ],
    [
      'waits that outlast a run',
      { do: [{ wait: { seconds: 2_592_000 } }, { wait: { seconds: 172_800 } }, line] },
      '/do/1',
      '31 days',
    ],
  ])('%s', async (_, more, pointer, message) => {
    const { status, body } = await create(more);
    expect(status, JSON.stringify(body)).toBe(422);
    expect(body.errors).toContainEqual({ pointer, message: expect.stringContaining(message) });
  });

  test('every problem is listed at once', async () => {
    const { body } = await create({ when: { event: 'talk.mesage.created' }, ...step({ message: '{% $nix() %}' }) });
    expect(body.errors.map((each: { pointer: string }) => each.pointer).sort()).toEqual([
      '/do/0/input/message',
      '/do/0/input/token',
      '/when/event',
    ]);
  });
});

describe('similar definitions that are valid are stored', () => {
  test.each<[string, string]>([
    ['a field named steps inside a filter', '{% event.list[steps.any = 1].name %}'],
    ['a function that the expression defines', '{% ($twice := function($x) { $x * 2 }; $string($twice(2))) %}'],
    ['our own functions', '{% $ref(event) & $hash("x") & $base64("y") %}'],
    ['JSONata functions as values', "{% $join($map(['a'], $uppercase)) %}"],
    ['all steps', '{% $count(steps.*) & $count($keys(steps)) %}'],
    ['variables of a path', '{% $string(event.list@$l.x#$i.($i)) %}'],
  ])('%s', async (_, message) => {
    const { status, body } = await create(step({ token: 'abcd', message }));
    expect(status, JSON.stringify(body)).toBe(201);
  });

  test('a pattern of types, a hook as a connection', async () => {
    expect((await create({ when: { event: 'talk.*' } })).status).toBe(201);
    expect((await create({ when: { event: 'trunkline.hook.received', connection: hook } })).status).toBe(201);
  });
});

describe('the same rule at the other calls', () => {
  test.each([
    ['GET', '/v1/events?type=talk.message.creatd', undefined, '/type', 'Did you mean talk.message.created?'],
    ['GET', '/v1/events?connection=dispatsh', undefined, '/connection', 'Did you mean dispatch?'],
    [
      'POST',
      '/v1/subscriptions',
      { url: 'https://example.com/', types: ['talk.message.creatd'] },
      '/types/0',
      'Did you mean talk.message.created?',
    ],
    [
      'POST',
      '/v1/subscriptions',
      { url: 'https://example.com/', types: ['talk.message.created'], connection: 'dispatsh' },
      '/connection',
      'Did you mean dispatch?',
    ],
    [
      'POST',
      '/v1/keys',
      { name: 'k', scopes: ['*/*/*', 'proptt2/dispatch/sendSos'] },
      '/scopes/1',
      'Did you mean sendSosToChannel?',
    ],
    [
      'POST',
      '/v1/keys',
      { name: 'k', scopes: ['proptt2/dispatsh/*'] },
      '/scopes/0',
      'names a connection that does not exist: dispatsh. Did you mean dispatch?',
    ],
  ] as const)('%s %s', async (method, path, body, pointer, message) => {
    const answer = await desk.call(method, path, body);
    expect(answer.status, JSON.stringify(answer.body)).toBe(422);
    expect(answer.body.errors).toContainEqual({ pointer, message: expect.stringContaining(message) });
  });

  test.each(['*/*/sendSosToChannel', 'talk/dispatch/raw', 'trunkline/runs/read', 'timetonic/*/*'])(
    'a key with the scope %s is made',
    async (scope) => {
      expect((await desk.call('POST', '/v1/keys', { name: 'k', scopes: [scope] })).status).toBe(201);
    },
  );

  test('events of a connection that the key may not see are refused like those of a missing one', async () => {
    const key = { keyId: 'k', name: 'k', scopes: ['talk/other/*', 'trunkline/events/read'], perMinute: 1 };
    const answer = await desk.call('GET', '/v1/events?connection=talk/dispatch', undefined, key);
    expect(answer.status).toBe(422);
    expect(answer.body.message).not.toContain('Did you mean');
  });
});

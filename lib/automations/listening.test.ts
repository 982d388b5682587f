import { afterAll, beforeAll, expect, test } from 'vitest';
import { type ControlDesk, startControlDesk } from '../../test/support/control-desk.ts';
import { automationListening } from './listening.ts';

let desk: ControlDesk;
beforeAll(async () => {
  desk = await startControlDesk();
});
afterAll(() => desk.close());

test('an automation listens for what starts it, and for what its steps at any depth and its cancelOn wait for', async () => {
  const wait = (name: string, event: string) => ({ name, waitFor: { event, seconds: 60 } });
  const read = (name: string, unless: object) => ({ name, call: 'talk/dispatch/getRooms', unless });
  const made = await desk.call('PUT', '/v1/automations/Listens', {
    when: { event: 'talk.message.created' },
    cancelOn: [{ event: 'talk.message.deleted' }],
    do: [
      wait('top', 'talk.message.edited'),
      { parallel: [[wait('beside', 'talk.reaction.added')], [read('one', { event: 'talk.room.created' })]] },
      { name: 'each', forEach: '{% [1] %}', do: [wait('inside', 'talk.reaction.removed')] },
      read('two', [{ event: 'proptt2.user.located' }, { event: 'proptt2.function_key.pressed' }]),
    ],
  });
  expect(made.status, JSON.stringify(made.body)).toBe(201);
  const types = (await automationListening(desk.services.table)).map(({ type }) => type);
  expect(types.sort()).toEqual([
    'proptt2.function_key.pressed',
    'proptt2.user.located',
    'talk.message.created',
    'talk.message.deleted',
    'talk.message.edited',
    'talk.reaction.added',
    'talk.reaction.removed',
    'talk.room.created',
  ]);
});

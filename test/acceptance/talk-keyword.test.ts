import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { until } from '../support/until.ts';
import { type Bench, startBench } from './product.ts';

/** R5: a keyword in a chat room triggers an alert on the radio, and an SOS only after a confirmation. */
const room = 'controlroom';
let bench: Bench;
let alert: string;
let sos: string;

const wholeSeconds = () => Math.floor(Date.now() / 1000);
const sent = () => bench.demo.proptt2.state.sent;
const say = (user: string, message: string) => bench.demo.talk.postMessage({ token: room, user, message });
const lines = async () =>
  (
    await bench.call<{ messages: { text: string; actorId: string }[] }>(
      'GET',
      `/v1/talk/demo/getChatMessages?token=${room}&limit=50`,
    )
  ).body.messages;

beforeAll(async () => {
  bench = await startBench();
  say('bob', '!alert 12 this is history and must not sound');
  await bench.poll('talk', 'demo');
  // Talk reports whole seconds: a message in the second in which an automation is created counts as new.
  const saidIn = wholeSeconds();
  await until(() => wholeSeconds() > saidIn);
  const from = "event.data.actorType = 'users' and event.data.actorId in ['bob', 'carol']";
  const channel = { name: 'channels', call: 'proptt2/demo/getChannelList' };
  const id = (text: string) => `{% steps.channels.output.channels[no = $split(${text}, ' ')[1]].id %}`;
  const made = await bench.call<{ id: string }>('POST', '/v1/automations', {
    name: 'Alert by chat',
    when: { event: 'talk.message.created', connection: 'talk/demo' },
    if: `{% ${from} and $contains(event.data.text, /^!alert \\S+ /) %}`,
    do: [
      channel,
      {
        name: 'alert',
        call: 'proptt2/demo/sendAlertToChannel',
        input: {
          channelId: id('$event.data.text'),
          message: "{% $join($split(event.data.text, ' ')[[2..99]], ' ') & ' #' & run.ref %}",
        },
        onError: 'continue',
      },
      {
        name: 'reply',
        call: 'talk/demo/sendChatMessage',
        input: {
          token: room,
          message:
            "{% steps.alert.error ? 'failed: ' & steps.alert.error.message : 'sent to channel ' & $split(event.data.text, ' ')[1] & ' (#' & run.ref & ')' %}",
        },
      },
    ],
  });
  expect(made.status, JSON.stringify(made.body)).toBe(201);
  alert = made.body.id;
  const confirmed = await bench.call<{ id: string }>('POST', '/v1/automations', {
    name: 'SOS by chat',
    when: { event: 'talk.message.created', connection: 'talk/demo' },
    if: `{% ${from} and $contains(event.data.text, /^!sos \\S+/) %}`,
    do: [
      channel,
      {
        name: 'ask',
        call: 'talk/demo/sendChatMessage',
        input: { token: room, message: '{% "confirm #" & run.ref & " within 60 s" %}' },
      },
      {
        name: 'confirmed',
        waitFor: {
          event: 'talk.message.created',
          connection: 'talk/demo',
          if: "{% event.data.actorId = run.event.data.actorId and event.data.text = 'confirm #' & run.ref %}",
          seconds: 60,
        },
      },
      {
        name: 'siren',
        if: '{% $exists(steps.confirmed.output.id) %}',
        call: 'proptt2/demo/sendSosToChannel',
        input: { channelId: id('$run.event.data.text') },
      },
    ],
  });
  expect(confirmed.status, JSON.stringify(confirmed.body)).toBe(201);
  sos = confirmed.body.id;
});
afterAll(() => bench.close());

describe('R5 Talk keyword', () => {
  test('history does not sound; an alert does, once, and is answered in the room', async () => {
    expect(sent()).toEqual([]);
    say('bob', '!alert 12 gate open');
    await Promise.all([bench.poll('talk', 'demo'), bench.poll('talk', 'demo')]);
    await bench.poll('talk', 'demo');
    const [run] = (await bench.runs(alert, 1)).filter((each) => each.state === 'succeeded');
    expect(run?.steps.map(({ name, state }) => [name, state])).toEqual([
      ['channels', 'succeeded'],
      ['alert', 'succeeded'],
      ['reply', 'succeeded'],
    ]);
    expect(sent()).toMatchObject([
      { kind: 'alert', channelId: 1, text: expect.stringMatching(/^gate open #[0-9A-F]{4}$/) },
    ]);
    expect((await lines()).at(-1)).toMatchObject({
      actorId: 'alice',
      text: expect.stringMatching(/^sent to channel 12 \(#[0-9A-F]{4}\)$/),
    });
  });

  test('our own answer starts nothing, and a person without the right is ignored', async () => {
    say('zoë', '!alert 12 not allowed');
    await bench.poll('talk', 'demo');
    const runs = await bench.runs(alert, 2);
    expect(runs.map((run) => run.state).sort()).toEqual(['skipped', 'succeeded']);
    expect(sent()).toHaveLength(1);
  });

  test('an error is reported in the room and the run is partial', async () => {
    say('carol', '!alert 999 no such channel');
    await bench.poll('talk', 'demo');
    const runs = await bench.runs(alert, 3);
    expect(runs.filter((run) => run.state === 'partial')).toHaveLength(1);
    expect((await lines()).at(-1)?.text).toMatch(/^failed: /);
    expect(sent()).toHaveLength(1);
  });

  test('an SOS waits for its confirmation', async () => {
    say('carol', '!sos 34');
    await bench.poll('talk', 'demo');
    await expect.poll(async () => (await lines()).at(-1)?.text).toMatch(/^confirm #/);
    const ask = (await lines()).at(-1)?.text.match(/#[0-9A-F]{4}/)?.[0];
    expect(sent().filter((each) => each.kind === 'sos')).toEqual([]);
    say('bob', `confirm ${ask}`);
    say('carol', `confirm ${ask}`);
    await bench.poll('talk', 'demo');
    const run = (await bench.runs(sos, 1)).find((each) => each.state === 'succeeded');
    expect(run?.steps.find((step) => step.name === 'siren')?.state).toBe('succeeded');
    expect(sent().filter((each) => each.kind === 'sos')).toMatchObject([{ channelId: 2 }]);
  });
});

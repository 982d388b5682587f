import { describe, expect, test } from 'vitest';
import { engineStage } from '../../../test/support/engine-stage.ts';
import type { HttpRequest } from '../../api/request.ts';
import { answerLink } from './link-page.ts';
import { undoRun } from './undo.ts';

const stage = engineStage();
const { go, sent, when } = stage;

const ask = (path: string, method = 'GET') =>
  answerLink(stage.services(), {
    method,
    path,
    query: new URLSearchParams(),
    headers: {},
    rawBody: Buffer.alloc(0),
    requestId: 'r',
    signal: new AbortController().signal,
    sourceIp: '127.0.0.1',
  } satisfies HttpRequest);

describe('$link', () => {
  const line = { name: 'line', call: 'chat/demo/say', input: { text: "Take it: {% $link('ack') %}" } };

  test('gives a signed address; confirming it ends the wait for it, and opening it does not', async () => {
    const id = await stage.start(
      stage.automation({
        do: [
          line,
          {
            name: 'ack',
            waitFor: { event: 'trunkline.link.opened', if: '{% event.data.runId = run.id %}', seconds: 600 },
          },
        ],
      }),
    );
    await stage.execution(id).invoke(stage.handlerOf(id));
    const address = String(sent[0]?.input.text).replace('Take it: https://gateway.example', '');
    expect(address).toMatch(/^\/links\/run_/);
    const page = await ask(address);
    expect(page).toMatchObject({ status: 200, headers: { 'content-type': 'text/html; charset=utf-8' } });
    expect(page.body).toContain('<button');
    expect(await stage.settle('trunkline.link.opened')).toHaveLength(0);
    expect((await ask(address, 'POST')).body).toContain('Thank you');
    await ask(address, 'POST');
    expect(await stage.settle('trunkline.link.opened')).toHaveLength(1);
    await stage.finish(id);
    expect((await stage.read(id)).steps.ack?.output).toMatchObject({ data: { name: 'ack', runId: id } });
  });

  test('gives an address that can be confirmed in a replay, too', async () => {
    const { id } = await go([line]);
    sent.length = 0;
    await stage.replay(id, { reuse: false });
    const address = String(sent[0]?.input.text).replace('Take it: https://gateway.example', '');
    expect(await ask(address, 'POST')).toMatchObject({ status: 200 });
  });

  test('accepts no other address and no other method', async () => {
    const run = await go([line]);
    const address = String(sent[0]?.input.text).replace('Take it: https://gateway.example', '');
    expect(run.state).toBe('succeeded');
    for (const path of ['/links/x', `${address}x`, address.replace('.ack.', '.other.')])
      await expect(ask(path)).rejects.toMatchObject({ code: 'not_found' });
    await expect(ask(address, 'DELETE')).rejects.toMatchObject({ code: 'method_not_allowed' });
  });
});

describe('undo', () => {
  const undo = (text: string) => ({ undo: { call: 'chat/demo/say', input: { text } } });

  test('reverses what succeeded once, newest first, with the outputs of the steps', async () => {
    when('radio/read', () => ({ id: '{% 7 %}' }));
    const run = await go([
      { name: 'first', call: 'radio/demo/read', ...undo('undo {% steps.first.output.id %}') },
      {
        name: 'each',
        call: 'table/demo/say',
        forEach: '{% ["a", "b"] %}',
        input: { text: '{% item %}' },
        ...undo('undo {% steps.each.output.ok %}'),
      },
      { name: 'skipped', call: 'chat/demo/say', if: '{% false %}', ...undo('never') },
    ]);
    sent.length = 0;
    const ids = [
      await undoRun(stage.services(), stage.catalogue, run),
      await undoRun(stage.services(), stage.catalogue, run),
    ];
    expect(ids[0]).toBe(ids[1]);
    await stage.finish(ids[0] ?? '');
    // What a vendor answered is no expression, whatever it looks like.
    expect(sent.map(({ input }) => input.text)).toEqual(['undo true', 'undo true', 'undo {% 7 %}']);
  });

  test('is refused if there is nothing to reverse', async () => {
    const run = await go([{ name: 'line', call: 'chat/demo/say' }]);
    await expect(undoRun(stage.services(), stage.catalogue, run)).rejects.toMatchObject({ code: 'conflict' });
  });
});

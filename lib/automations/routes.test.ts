import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type ControlDesk, startControlDesk } from '../../test/support/control-desk.ts';
import { admin } from '../../test/support/harness.ts';
import type { RunState } from './runs/runs.ts';
import { endRun, findRun, runKey } from './runs/runs.ts';

let desk: ControlDesk;

beforeAll(async () => {
  desk = await startControlDesk();
});
afterAll(() => desk.close());

const line = { name: 'line', call: 'talk/dispatch/sendChatMessage', input: { token: 'abcd', message: 'x' } };
const definition = (more: object = {}) => ({ when: { event: 'talk.message.created' }, do: [line], ...more });
const put = (name: string, more: object = {}) =>
  desk.call('PUT', `/v1/automations/${encodeURIComponent(name)}`, definition(more));

describe('names', () => {
  test('two automations cannot have the same, not even when they are created at once', async () => {
    const answers = await Promise.all(
      Array.from({ length: 5 }, () => desk.call('POST', '/v1/automations', { name: 'Twin', ...definition() })),
    );
    expect(answers.map(({ status }) => status).sort()).toEqual([201, 409, 409, 409, 409]);
    expect(answers.find(({ status }) => status === 409)?.body.message).toContain('"Twin"');
  });

  test('a name is free again after a rename and after a deletion', async () => {
    const { body } = await put('First name');
    expect((await desk.call('PATCH', `/v1/automations/${body.id}`, { name: 'Second name' })).status).toBe(200);
    expect((await put('First name')).status).toBe(201);
    expect((await desk.call('PATCH', `/v1/automations/${body.id}`, { name: 'First name' })).status).toBe(409);
    expect((await desk.call('DELETE', '/v1/automations/First name')).status).toBe(204);
    expect((await desk.call('PATCH', `/v1/automations/${body.id}`, { name: 'First name' })).status).toBe(200);
  });
});

describe('PUT', () => {
  test('creates, then replaces, and changes nothing when repeated', async () => {
    const created = await put('Nightly');
    expect(created.status).toBe(201);
    desk.clock.advance(1000);
    const repeated = await put('Nightly');
    expect(repeated.status).toBe(200);
    expect(repeated.body).toEqual(created.body);
    const changed = await put('Nightly', { maxPerMinute: 5 });
    expect(changed.body).toMatchObject({ id: created.body.id, maxPerMinute: 5 });
    expect(changed.body.updatedAt).not.toBe(created.body.updatedAt);
    const list = await desk.call('GET', '/v1/automations');
    expect(list.body.filter((each: { name: string }) => each.name === 'Nightly')).toHaveLength(1);
  });

  test('accepts the body of a GET, and by id too', async () => {
    const { body } = await put('Round trip', { when: { schedule: { cron: '0 6 * * *' } } });
    expect(body.nextRunAt).toBe('2026-01-05T06:00:00.000Z');
    const shown = await desk.call('GET', `/v1/automations/${body.id}`);
    for (const key of [body.id, 'Round trip']) {
      const answer = await desk.call('PUT', `/v1/automations/${encodeURIComponent(key)}`, shown.body);
      expect(answer.status, JSON.stringify(answer.body)).toBe(200);
      expect(answer.body).toEqual(shown.body);
    }
  });

  test('takes several triggers, and reports what is wrong with each', async () => {
    const when = [{ event: 'talk.message.created' }, { schedule: { cron: '0 6 * * *' } }];
    const { body } = await put('Several', { when });
    expect(body).toMatchObject({ when, nextRunAt: '2026-01-05T06:00:00.000Z' });
    expect((await desk.call('PUT', '/v1/automations/Several', body)).body).toEqual(body);
    const wrong = await put('Several', {
      when: [{ event: 'talk.message.creatd' }, { schedule: { cron: '0 6 * *' } }, { hook: 'hook-none' }],
    });
    expect(wrong.body.errors.map(({ pointer }: { pointer: string }) => pointer)).toEqual([
      '/when/0/event',
      '/when/1/schedule/cron',
      '/when/2/hook',
    ]);
    expect((await put('Several', { when: [] })).status).toBe(422);
  });

  test('accepts the body of a GET whose moment has passed', async () => {
    const { body } = await put('One shot', { when: { schedule: { at: '2026-01-05T02:20:00Z' } } });
    desk.clock.advance(3_600_000);
    expect((await desk.call('PUT', '/v1/automations/One shot', { ...body, maxPerMinute: 7 })).status).toBe(200);
    expect((await put('Another shot', { when: body.when })).status).toBe(422);
  });

  test('refuses another name in the body than in the address', async () => {
    const answer = await put('Here', { name: 'There' });
    expect(answer.body.errors).toEqual([{ pointer: '/name', message: 'must be "Here", as in the address' }]);
  });

  test('by a weaker key cannot redirect the rights of a stronger one', async () => {
    await put('Strong');
    const weak = { ...admin, keyId: 'weak', scopes: ['trunkline/automations/write', 'talk/dispatch/*'] };
    const answer = await desk.call('PUT', '/v1/automations/Strong', definition({ maxPerMinute: 2 }), weak);
    expect(answer.status).toBe(403);
  });
});

describe('PUT of a hook', () => {
  const put = (name: string, body: object) => desk.call('PUT', `/v1/hooks/${encodeURIComponent(name)}`, body);

  test('creates it with address and secret, and keeps both when repeated or sent back', async () => {
    const created = await put('Doors', { verify: { kind: 'bearer' } });
    expect(created.status, JSON.stringify(created.body)).toBe(201);
    expect(created.body).toMatchObject({ url: expect.stringContaining('/hooks/'), secret: expect.any(String) });
    const item = await desk.services.table.get({ pk: 'hooks', sk: created.body.id });
    const shown = (await desk.call('GET', '/v1/hooks/Doors')).body;
    for (const body of [shown, { verify: { kind: 'bearer' } }]) {
      const again = await put('Doors', body);
      expect(again.status, JSON.stringify(again.body)).toBe(200);
      expect(again.body).toEqual(shown);
      expect(await desk.services.table.get({ pk: 'hooks', sk: created.body.id })).toEqual(item);
    }
    const changed = await put('Doors', { verify: { kind: 'bearer' }, perMinute: 5 });
    expect(changed.body).toMatchObject({ id: created.body.id, perMinute: 5 });
    expect(changed.body.url).toBeUndefined();
    expect((await put('Doors', { verify: { kind: 'none' } })).body).toMatchObject({
      perMinute: 600,
      verify: { kind: 'none' },
    });
  });

  test('names are unique, also after a rename', async () => {
    await put('North', { verify: { kind: 'none' } });
    const { body } = await put('South', { verify: { kind: 'none' } });
    expect((await desk.call('POST', '/v1/hooks', { name: 'North', verify: { kind: 'none' } })).status).toBe(409);
    expect((await desk.call('PATCH', `/v1/hooks/${body.id}`, { name: 'North' })).status).toBe(409);
    expect((await desk.call('DELETE', '/v1/hooks/North')).status).toBe(204);
    expect((await desk.call('PATCH', `/v1/hooks/${body.id}`, { name: 'North' })).status).toBe(200);
    expect((await desk.call('POST', '/v1/hooks', { name: 'South', verify: { kind: 'none' } })).status).toBe(201);
  });

  test('refuses a way to verify that does not exist', async () => {
    expect((await put('Odd', { verify: { kind: 'nothing' } })).status).toBe(422);
  });
});

describe('what is in use cannot be deleted', () => {
  test('a connection names the automation, the hook and the subscription that use it', async () => {
    const bot = await desk.call('POST', '/v1/hooks', {
      name: 'Radio callback',
      verify: { kind: 'proptt2-callback', connection: 'dispatch' },
    });
    expect(bot.status, JSON.stringify(bot.body)).toBe(201);
    const subscription = await desk.call('POST', '/v1/subscriptions', {
      url: 'https://example.com/',
      types: ['proptt2.*'],
      connection: 'dispatch',
    });
    await put('Radio user', { do: [{ name: 'list', call: 'proptt2/dispatch/getChannelList' }] });
    const refused = await desk.call('DELETE', '/v1/connections/proptt2/dispatch');
    expect(refused.status).toBe(409);
    expect(refused.body.message).toBe(
      `The connection proptt2/dispatch is used by automation "Radio user", hook "Radio callback", subscription ${subscription.body.id}. Change or delete that first.`,
    );
    await desk.call('DELETE', '/v1/automations/Radio user');
    await desk.call('DELETE', `/v1/hooks/${bot.body.id}`);
    await desk.call('DELETE', `/v1/subscriptions/${subscription.body.id}`);
    expect((await desk.call('DELETE', '/v1/connections/proptt2/dispatch')).status).toBe(204);
  });

  test('a connection counts as used where an event is awaited from it', async () => {
    await put('Waits', {
      do: [{ name: 'ack', waitFor: { event: 'timetonic.row.created', connection: 'dispatch', seconds: 5 } }],
    });
    const refused = await desk.call('DELETE', '/v1/connections/timetonic/dispatch');
    expect(refused.body.message).toContain('automation "Waits"');
  });

  test('a hook names the automation that it starts', async () => {
    const hook = (await desk.call('POST', '/v1/hooks', { name: 'Panel', verify: { kind: 'none' } })).body.id;
    await put('Alarm', { when: { hook } });
    const refused = await desk.call('DELETE', `/v1/hooks/${hook}`);
    expect(refused.status).toBe(409);
    expect(refused.body.message).toContain('automation "Alarm"');
    await desk.call('DELETE', '/v1/automations/Alarm');
    expect((await desk.call('DELETE', `/v1/hooks/${hook}`)).status).toBe(204);
  });
});

describe('runs', () => {
  const startRun = async (automation: string, state: RunState) => {
    desk.clock.advance(1000);
    const { body, status } = await desk.call('POST', `/v1/automations/${automation}/run`);
    expect(status, JSON.stringify(body)).toBe(202);
    const run = await findRun(desk.services.table, body.id);
    if (run && state !== 'running') await endRun(desk.services, run, state, state === 'failed' ? 'broken' : undefined);
    return body.id as string;
  };
  const list = async (query: string) =>
    (await desk.call('GET', `/v1/runs?${query}`)).body.map((run: { id: string }) => run.id) as string[];

  test('are filtered before they are limited, and paged back to the first', async () => {
    const { body } = await put('Busy');
    const failed = await startRun(body.id, 'failed');
    const skipped: string[] = [];
    for (let at = 0; at < 55; at++) skipped.push(await startRun(body.id, 'skipped'));
    expect(await list(`automation=${body.id}&state=failed&limit=1`)).toEqual([failed]);
    expect(await list('state=failed&limit=1')).toEqual([failed]);
    const seen: string[] = [];
    for (let page = await list('limit=20'); page.length > 0; page = await list(`limit=20&before=${page.at(-1)}`)) {
      seen.push(...page);
    }
    expect(seen).toEqual([...skipped].reverse().concat(failed));
    const byState: string[] = [];
    for (let page = await list('state=skipped&limit=7'); page.length > 0; ) {
      byState.push(...page);
      page = await list(`state=skipped&limit=7&before=${page.at(-1)}`);
    }
    expect(byState).toEqual([...skipped].reverse());
  });

  test('of one millisecond are paged without gap or repeat', async () => {
    const { body } = await put('Burst');
    const ids = await Promise.all(
      Array.from({ length: 9 }, async () => (await desk.call('POST', `/v1/automations/${body.id}/run`)).body.id),
    );
    const seen: string[] = [];
    for (let page = await list(`automation=${body.id}&limit=2`); page.length > 0; ) {
      seen.push(...page);
      page = await list(`automation=${body.id}&limit=2&before=${page.at(-1)}`);
    }
    expect(seen).toEqual(ids.sort().reverse());
  });

  test('are found by time', async () => {
    const { body } = await put('Timed');
    const first = await startRun(body.id, 'succeeded');
    const at = new Date(desk.clock.now()).toISOString();
    const second = await startRun(body.id, 'succeeded');
    expect(await list(`automation=${body.id}&until=${at}`)).toEqual([first]);
    expect(await list(`state=succeeded&until=${at}&limit=1`)).toEqual([first]);
    const later = new Date(desk.clock.now()).toISOString();
    expect(await list(`since=${later}&state=succeeded`)).toEqual([second]);
  });

  test('of a deleted automation stay listed', async () => {
    const { body } = await put('Short-lived');
    const run = await startRun(body.id, 'succeeded');
    await desk.call('DELETE', `/v1/automations/${body.id}`);
    expect(await list('limit=1')).toEqual([run]);
    expect(await list('state=succeeded&limit=1')).toEqual([run]);
  });

  test('a bad cursor or time is refused by name', async () => {
    expect((await desk.call('GET', '/v1/runs?before=run_x')).body.errors[0]).toEqual({
      pointer: '/before',
      message: 'must be the id of a run',
    });
    expect((await desk.call('GET', '/v1/runs?since=yesterday')).body.errors[0].pointer).toBe('/since');
  });

  test('are shown with their automation: the last that fired, and the last that was not skipped', async () => {
    const { body } = await put('Watched');
    expect([body.lastFired, body.lastRun]).toEqual([undefined, undefined]);
    const failed = await startRun(body.id, 'failed');
    await startRun(body.id, 'skipped');
    const expected = {
      lastFired: new Date(desk.clock.now()).toISOString(),
      lastRun: { id: failed, state: 'failed', reason: 'broken' },
    };
    expect((await desk.call('GET', `/v1/automations/${body.id}`)).body).toMatchObject(expected);
    const all = (await desk.call('GET', '/v1/automations')).body;
    expect(all.find((each: { name: string }) => each.name === 'Watched')).toMatchObject(expected);
  });
});

describe('run now', () => {
  test('starts an automation that is switched off, with a firing as its event', async () => {
    const { body } = await put('Check', { when: { schedule: { cron: '0 6 * * *' } }, enabled: false });
    const answer = await desk.call('POST', '/v1/automations/Check/run');
    const run = await findRun(desk.services.table, answer.body.id);
    expect(JSON.parse(run?.event ?? '')).toMatchObject({
      type: 'trunkline.run.requested',
      data: { automationId: body.id },
    });
    expect(desk.started.at(-1)?.payload).toEqual({ runId: answer.body.id });
  });

  test('runs with a given event', async () => {
    await put('With event');
    const event = { type: 'talk.message.created', data: { text: '!sos 12' } };
    const answer = await desk.call('POST', '/v1/automations/With event/run', { event });
    const run = await findRun(desk.services.table, answer.body.id);
    expect(JSON.parse(run?.event ?? '')).toMatchObject(event);
  });

  test('is refused to a key with fewer rights than the automation has', async () => {
    await put('Guarded');
    const weak = { ...admin, keyId: 'weak', scopes: ['trunkline/automations/write'] };
    expect((await desk.call('POST', '/v1/automations/Guarded/run', {}, weak)).status).toBe(403);
  });
});

describe('disabling', () => {
  test('can end the runs in progress', async () => {
    const { body } = await put('Escalation');
    const ids: string[] = [];
    for (let n = 0; n < 2; n++) ids.push((await desk.call('POST', `/v1/automations/${body.id}/run`, {})).body.id);
    const [first = '', second = ''] = ids;
    await endRun(desk.services, runKey(first) ?? { pk: '', sk: '' }, 'succeeded');
    const path = `/v1/automations/${body.id}`;
    const enabled = await desk.call('PATCH', path, { endRuns: true });
    expect([enabled.status, enabled.body.errors]).toEqual([
      422,
      [{ pointer: '/endRuns', message: 'goes with enabled: false only' }],
    ]);
    expect((await desk.call('PATCH', path, { enabled: false })).body).not.toHaveProperty('endedRuns');
    expect((await findRun(desk.services.table, second))?.cancelRequested).toBeUndefined();
    const weak = { ...admin, scopes: ['trunkline/automations/write'] };
    expect((await desk.call('PATCH', path, { enabled: false, endRuns: true }, weak)).status).toBe(403);
    const ended = await desk.call('PATCH', path, { enabled: false, endRuns: true });
    expect(ended.body).toMatchObject({ enabled: false, endedRuns: 1 });
    expect(await findRun(desk.services.table, second)).toMatchObject({
      cancelRequested: true,
      reason: 'Its automation was disabled.',
    });
  });
});

test('a `start` step names an automation that exists and has no more scopes', async () => {
  const { body: target } = await put('Started');
  const starting = (start: string) => ({ do: [{ name: 'go', start }] });
  for (const start of [target.id, 'Started', 'Starting'])
    expect((await put('Starting', starting(start))).status).toBeLessThan(300);
  const unknown = await put('Starting', starting('Startet'));
  expect(unknown.body.errors).toEqual([
    { pointer: '/do/0/start', message: 'names no automation: Startet. Did you mean Started?' },
  ]);
  const weak = { ...admin, keyId: 'weak', scopes: ['talk/*/*', 'trunkline/automations/write'] };
  const refused = await desk.call(
    'POST',
    '/v1/automations',
    { name: 'Weak', ...definition(starting('Started')) },
    weak,
  );
  expect(refused.body.errors).toEqual([
    { pointer: '/do/0/start', message: 'names an automation that has more scopes than your key: Started' },
  ]);
});

describe('a rehearsal', () => {
  const sample = { event: { data: { text: 'x' } } };

  test('of a stored automation, and of one that is not stored', async () => {
    const { body } = await put('Rehearsed');
    const stored = await desk.call('POST', `/v1/automations/${body.id}/test`, sample);
    expect(stored.body).toMatchObject({ runs: true, automationId: body.id, steps: [{ input: { message: 'x' } }] });
    const automation = { name: 'Draft', ...definition() };
    const draft = await desk.call('POST', '/v1/automations/test', { automation, ...sample });
    expect(draft.body).toMatchObject({ runs: true, automation: 'Draft', steps: [{ call: line.call }] });
    expect(draft.body).not.toHaveProperty('automationId');
    const wrong = { ...automation, do: [{ ...line, call: 'talk/none/sendChatMessage' }] };
    expect((await desk.call('POST', '/v1/automations/test', { automation: wrong, ...sample })).status).toBe(422);
    expect(desk.started.filter(({ payload }) => JSON.stringify(payload).includes(body.id))).toEqual([]);
  });

  test('names what is wrong with the request', async () => {
    await put('Rehearsed');
    for (const [input, pointer] of [
      [{ ...sample, eventId: `evt_${'a'.repeat(27)}` }, '/eventId'],
      [{ eventId: `evt_${'a'.repeat(27)}` }, '/eventId'],
      [{ eventId: 'x' }, '/eventId'],
      [{ outputs: { lin: 1 } }, '/outputs/lin'],
    ] as const) {
      const answer = await desk.call('POST', '/v1/automations/Rehearsed/test', input);
      expect([answer.status, answer.body.errors?.[0]?.pointer]).toEqual([422, pointer]);
    }
    const back = await desk.call('POST', '/v1/automations/Rehearsed/backtest', { since: 'yesterday' });
    expect([back.status, back.body.errors?.[0]?.pointer]).toEqual([422, '/since']);
  });

  test('over past events', async () => {
    await put('Rehearsed');
    const since = new Date(desk.clock.now() - 60_000).toISOString();
    const automation = { name: 'Draft', ...definition({ when: { schedule: { everySeconds: 60 } } }) };
    const shown = await desk.call('POST', '/v1/automations/backtest', { automation, since });
    expect(shown.body.summary).toMatchObject({ calls: { [line.call]: shown.body.events } });
    expect((await desk.call('POST', '/v1/automations/Rehearsed/backtest', { since })).body).toMatchObject({
      events: 0,
    });
  });
});

test('an automation of 460 kB is stored, and one that fits nowhere is refused by its size', async () => {
  const steps = (text: (at: number) => string) =>
    Array.from({ length: 46 }, (_, at) => ({
      ...line,
      name: `line${at}`,
      input: { token: 'abcd', message: `{% /* ${text(at)} */ 'x' %}` },
    }));
  const large = { do: steps((at) => `${at} 출동 `.repeat(1000)) };
  expect(Buffer.byteLength(JSON.stringify(large))).toBeGreaterThan(400_000);
  const stored = await put('Large', large);
  expect(stored.status, JSON.stringify(stored.body).slice(0, 500)).toBe(201);
  const shown = await desk.call('GET', `/v1/automations/${stored.body.id}`);
  expect(shown.body.do).toEqual(stored.body.do);
  expect((await desk.call('POST', `/v1/automations/${stored.body.id}/run`, {})).status).toBe(202);
  const noise = await put('Noise', { do: steps(() => randomBytes(6_000).toString('hex')) });
  expect(noise).toMatchObject({ status: 413, body: { code: 'payload_too_large' } });
});

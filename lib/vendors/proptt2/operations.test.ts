import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { type Proptt2Sandbox, startProptt2Sandbox } from '../../../sandbox/proptt2/index.ts';
import { memorySecrets, processOf, putConnection, startBackends, TestClock } from '../../../test/support/harness.ts';
import { proptt2Settings } from '../../../test/support/proptt2-settings.ts';
import { proptt2 } from './index.ts';

let backends: Awaited<ReturnType<typeof startBackends>>;
let sandbox: Proptt2Sandbox;
let process: ReturnType<typeof processOf>;
let clock: TestClock;
let number = 0;
let name = '';

const call = <T = Record<string, unknown>>(operation: string, input: Record<string, unknown> = {}) =>
  // Each test checks its own input.
  process.call('proptt2', name, operation, input) as Promise<T>;

beforeAll(async () => {
  backends = await startBackends();
});
afterAll(() => backends.stop());
beforeEach(async () => {
  clock = new TestClock();
  sandbox = await startProptt2Sandbox({ now: clock.now });
  process = processOf(backends.database, memorySecrets(), clock);
  name = `operations-${number++}`;
  const settings = proptt2Settings(sandbox.url);
  await putConnection(process, 'proptt2', name, settings, { interactionKey: 'bb00cc' });
});
afterEach(async () => {
  const refusals = sandbox.journal.flatMap((entry) =>
    entry.refusal === undefined ? [] : [`${entry.method} ${entry.path}: ${entry.refusal}`],
  );
  process.close();
  await sandbox.close();
  expect(refusals).toEqual([]);
});

test('a vendor that is as strict as its document accepts every operation', async () => {
  const { id: channelId } = await call<{ id: number }>('createChannel', {
    no: 942,
    name: 'INC-42',
    TOT: 20,
    shareLocations: true,
  });
  const { id: userId } = await call<{ id: number }>('createUser', {
    strId: 'new@company.com',
    password: 'Tmp-7Yp4!é',
    name: 'New',
    type: 50,
    email: 'new@company.com',
  });
  const inputs: Record<string, Record<string, unknown>> = {
    createChannel: {
      no: '943',
      name: 'INC-43',
      description: 'd',
      notification: 'n',
      recordable: true,
      encrypted: false,
    },
    getChannel: { channelId },
    updateChannel: { channelId, name: 'INC-42 closed', description: 'over' },
    linkUserToChannel: { channelId, userId, role: 20 },
    getUsersOfChannel: { channelId },
    unlinkUserToChannel: { channelId, userId },
    getRecordsOfChannel: { channelId: 1, start: 0, pageSize: 10 },
    sendMessageToChannel: { channelId, message: 'Évacuation bât. B – 3ᵉ étage' },
    sendSosToChannel: { channelId },
    sendAlertToChannel: { channelId, message: '화재 경보: 3층' },
    sendCustomMessageToChannel: { channelId, message: 'door=open' },
    createUser: { strId: 'second@company.com', password: 'p', name: 'Second', type: 70 },
    getUser: { userId },
    updateUser: { userId, name: 'Newer', type: 70 },
    sendMessageToUser: { userId, message: 'JOB 117829' },
    getOrganization: { organizationId: 1 },
    getUsersOfOrganization: { organizationId: 1 },
    getRecordList: { start: 0, pageSize: 5 },
    getRecord: { recordId: 1 },
    deleteUser: { userId },
    deleteChannel: { channelId },
  };
  const last = ['unlinkUserToChannel', 'deleteUser', 'deleteChannel'];
  const order = Object.keys(proptt2.operations).sort((one, other) => last.indexOf(one) - last.indexOf(other));
  // The admin key names no destructive or session operation: here each is called as its own key would.
  for (const operation of order) {
    const answer = await process.perform('proptt2', name, operation, inputs[operation] ?? {});
    expect(answer, operation).toBeTypeOf('object');
  }
  expect(order).toHaveLength(27);
});

describe('what goes over the wire', () => {
  test('texts as Base64 of UTF-8, numbers counted on', async () => {
    for (const message of ['Hello', 'Évacuation bât. B – 3ᵉ étage', '화재 경보: 3층', 'ALARM S12/Z3 Fire 🔥 #7F3A']) {
      await call('sendMessageToChannel', { channelId: 1, message });
    }
    const bodies = sandbox.journal
      .filter((entry) => entry.path.endsWith('/sendMessage'))
      .map((entry) => JSON.parse(entry.body));
    expect(bodies.map((body) => body.messageContent)).toEqual([
      'SGVsbG8=',
      'w4l2YWN1YXRpb24gYsOidC4gQiDigJMgM+G1iSDDqXRhZ2U=',
      '7ZmU7J6sIOqyveuztDogM+y4tQ==',
      'QUxBUk0gUzEyL1ozIEZpcmUg8J+UpSAjN0YzQQ==',
    ]);
    const ids = bodies.map((body) => body.messageId as number);
    expect(ids).toEqual(ids.map((_, at) => (ids[0] ?? 0) + at));
    expect(Math.min(...ids)).toBeGreaterThan(0);
    expect(sandbox.state.sent.map((each) => each.text)).toContain('화재 경보: 3층');
  });

  test('a custom message as the frame of the SDK, raw bytes as they are', async () => {
    await call('sendCustomMessageToChannel', { channelId: 1, messageId: 1, message: 'door=open' });
    await call('sendCustomMessageToChannel', { channelId: 1, messageId: 2, data: 'oAAAAWRvb3I9b3Blbg==', raw: true });
    const bodies = sandbox.journal
      .filter((entry) => entry.path.endsWith('/sendCustomMessage'))
      .map((entry) => JSON.parse(entry.body));
    expect(bodies.map((body) => body.messageContent)).toEqual(['oAAAAWRvb3I9b3Blbg==', 'oAAAAWRvb3I9b3Blbg==']);
    await expect(
      call('sendCustomMessageToChannel', { channelId: 1, message: 'a', data: 'YQ==' }),
    ).rejects.toMatchObject({ code: 'invalid_input' });
  });

  test('a password as lower-case SHA-512 of its UTF-8 bytes, and never as itself', async () => {
    await call('createUser', { strId: 'p@company.com', password: 'Tmp-7Yp4!é', name: 'P', type: 50 });
    const body = JSON.parse(
      sandbox.journal.find((entry) => entry.method === 'POST' && entry.path.endsWith('/users'))?.body ?? '{}',
    );
    expect(body.hashedPassword).toMatch(/^606ba9fb[0-9a-f]{115}f442c$/);
    expect(JSON.stringify(body)).not.toContain('Tmp-7Yp4');
  });
});

describe('answers', () => {
  test.each(['table', 'example'] as const)(
    'come in one form from a vendor that answers by its %s',
    async (answerTypes) => {
      sandbox.configure({ answerTypes });
      const { users } = await call<{ users: { id: unknown; type: unknown; latitude: unknown }[] }>('getUserList');
      for (const user of users) {
        expect(user).toMatchObject({ id: expect.any(Number), type: expect.any(Number), strId: expect.any(String) });
        expect(user.latitude === undefined || user.latitude === null || typeof user.latitude === 'number').toBe(true);
      }
      const { channels } = await call<{ channels: unknown[] }>('getChannelList');
      expect(channels[0]).toMatchObject({ id: expect.any(Number), no: expect.any(String) });
      await expect(call('getRecord', { recordId: 1 })).resolves.toMatchObject({
        channelNo: expect.any(String),
        fileSize: expect.any(Number),
      });
      await expect(call('getOrganization', { organizationId: 1 })).resolves.toMatchObject({ id: 1, parentId: 0 });
    },
  );
});

describe('conveniences', () => {
  test('merge keeps what is not given', async () => {
    await call('updateChannel', { channelId: 1, name: 'A', description: 'kept', notification: 'too' });
    await call('updateChannel', { channelId: 1, name: 'B', merge: true });
    await expect(call('getChannel', { channelId: 1 })).resolves.toMatchObject({
      name: 'B',
      description: 'kept',
      notification: 'too',
    });
    await call('updateChannel', { channelId: 1, name: 'C' });
    await expect(call('getChannel', { channelId: 1 })).resolves.toMatchObject({ name: 'C', description: '' });
  });

  test('`ensure` links once, and corrects a different role', async () => {
    const link = { channelId: 3, userId: 5 };
    await call('linkUserToChannel', { ...link, role: 10, ensure: true });
    await expect(call('linkUserToChannel', { ...link, ensure: true })).resolves.toMatchObject({
      code: '200',
      existing: true,
    });
    await call('linkUserToChannel', { ...link, role: 90, ensure: true });
    const { users } = await call<{ users: { id: number; role: number }[] }>('getUsersOfChannel', { channelId: 3 });
    expect(users.find((user) => user.id === 5)?.role).toBe(90);
  });

  test.each([
    // The server is down behind its proxy: nothing was done, and the request may be made again.
    [503, { code: 'vendor_failed', outcome: 'no', retryable: true }],
    [502, { code: 'outcome_unknown', outcome: 'unknown', retryable: false }],
    [504, { code: 'outcome_unknown', outcome: 'unknown', retryable: false }],
    [500, { code: 'vendor_failed', outcome: 'refused', retryable: false }],
  ])('a write that is answered with a page of status %s', async (status, expected) => {
    sandbox.fault({ kind: 'html', status, path: '/sendSOS', times: 1 });
    await expect(call('sendSosToChannel', { channelId: 1 })).rejects.toMatchObject(expected);
  });

  test('the licence that is used up is 406', async () => {
    sandbox.putCompany({ ownerId: 'owner@company.com', interactionKey: 'bb00cc', licenceLimit: 1 });
    await expect(
      call('createUser', { strId: 'x@company.com', password: 'p', name: 'X', type: 50 }),
    ).rejects.toMatchObject({ status: 406 });
  });

  test('the check detects a second user of the same hid', async () => {
    await call('getChannelList');
    for (let death = 0; death < 3; death++) {
      clock.advance(61_000);
      sandbox.killSession('owner@company.com', 1);
      await call('getChannelList');
    }
    await expect(process.store.read('proptt2', name)).resolves.toMatchObject({
      earlyDeaths: expect.objectContaining({ length: 3 }),
    });
  });
});

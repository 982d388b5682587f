import { createHash } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { Proptt2Caller } from '../../test/support/proptt2-caller.ts';

const hashedPassword = createHash('sha512').update('secret').digest('hex');
const person = { strId: 'new@company.com', hashedPassword, name: 'New', type: 50 };
const base64 = (text: string) => Buffer.from(text).toString('base64');

describe('channels', () => {
  test('are listed, made, read, changed and deleted', async () => {
    const caller = await Proptt2Caller.start();
    const list = await caller.call('GET', '/channels');
    expect(list.json.channels).toContainEqual({ id: 1, no: '12', name: 'Dispatch' });

    const made = await caller.call('POST', '/channels', { body: { no: '123', name: 'abc' } });
    expect(made).toMatchObject({ status: 200, json: { id: 6 } });
    const whole = { no: '123', name: 'abc', description: '', notification: '', TOT: 30, recordable: true };
    const read = await caller.call('GET', '/channels/6');
    expect(read.json).toEqual({ ...whole, encrypted: false, shareLocations: false, leader: 1 });

    const body = { name: 'abcd', description: 'new' };
    expect((await caller.call('PUT', '/channels/6', { body })).json).toEqual({ code: '200' });
    expect((await caller.call('GET', '/channels/6')).json).toMatchObject(body);
    expect((await caller.call('DELETE', '/channels/6')).json).toEqual({ code: '200' });
    expect((await caller.call('GET', '/channels/6')).status).toBe(500);
    expect(caller.last().refusal).toBeUndefined();
  });

  test('keep every field they are made with', async () => {
    const caller = await Proptt2Caller.start();
    const body = {
      no: 'A-7',
      name: 'Évacuation',
      description: 'd',
      notification: 'n',
      TOT: 20,
      recordable: false,
      encrypted: true,
      shareLocations: true,
    };
    const { json } = await caller.call('POST', '/channels', { body });
    expect((await caller.call('GET', `/channels/${json.id}`)).json).toEqual({ ...body, leader: 1 });
  });

  test('lose what a PUT leaves out, unless the vendor is set to keep it', async () => {
    const caller = await Proptt2Caller.start();
    await caller.call('PUT', '/channels/1', { body: { name: 'x' } });
    expect((await caller.call('GET', '/channels/1')).json).toMatchObject({ description: '', notification: '' });
    caller.sandbox.configure({ putClearsOmitted: false });
    await caller.call('PUT', '/channels/2', { body: { name: 'x' } });
    expect((await caller.call('GET', '/channels/2')).json).toMatchObject({ description: 'Channel 34' });
  });

  test('link and unlink users with a role, 409 for a second link', async () => {
    const caller = await Proptt2Caller.start();
    expect((await caller.call('POST', '/channels/2/users/7', { body: { role: 20 } })).json).toEqual({ code: '200' });
    const users = (await caller.call('GET', '/channels/2/users')).json.users;
    expect(users).toContainEqual({ id: 7, strId: 'user7@company.com', name: '김민준', type: 50, role: 20 });
    const again = await caller.call('POST', '/channels/2/users/7');
    expect(again.status).toBe(409);
    expect(caller.last().refusal).toBeUndefined();
    expect((await caller.call('DELETE', '/channels/2/users/7')).json).toEqual({ code: '200' });
    expect((await caller.call('DELETE', '/channels/2/users/7')).status).toBe(500);
    expect((await caller.call('POST', '/channels/2/users/7')).status).toBe(200);
    expect(caller.sandbox.data().channels[2]?.members[7]).toBe(10);
  });
});

describe('users', () => {
  test('are listed with drifting types and locations', async () => {
    const caller = await Proptt2Caller.start();
    const users = (await caller.call('GET', '/users')).json.users as Record<string, unknown>[];
    expect(new Set(users.map((user) => user.type))).toEqual(new Set(['20', '21', '50', '70', '80', '90']));
    expect(users.map((user) => user.latitude)).toEqual(expect.arrayContaining([undefined, '', '0', '37.4898']));
    expect(users[1]?.locationDate).toBe('2026-01-15 11:56:00');
    caller.sandbox.configure({ answerTypes: 'example' });
    expect((await caller.call('GET', '/users/5')).json.type).toBe(50);
  });

  test('are made, read, changed and deleted', async () => {
    const caller = await Proptt2Caller.start();
    const made = await caller.call('POST', '/users', { body: { ...person, email: 'e@x.com', description: 'lead' } });
    expect(made).toMatchObject({ status: 200, json: { id: 11 } });
    const { strId, name } = person;
    const read = { id: 11, strId, name, type: '50', email: 'e@x.com', description: 'lead' };
    expect((await caller.call('GET', '/users/11')).json).toEqual(read);
    const body = { name: 'Newer', type: 70, authToken: 't' };
    expect((await caller.call('PUT', '/users/11', { body })).json).toEqual({ code: '200' });
    expect(caller.sandbox.data().users[11]).toMatchObject({ ...body, email: '', hashedPassword });
    expect((await caller.call('DELETE', '/users/11')).json).toEqual({ code: '200' });
    expect((await caller.call('GET', '/users/11')).status).toBe(500);
  });

  test('are refused with 412 for the same id and 406 beyond the licence', async () => {
    const companies = [{ ownerId: 'owner@company.com', interactionKey: 'bb00cc', licenceLimit: 11 }];
    const caller = await Proptt2Caller.start({ companies });
    expect((await caller.call('POST', '/users', { body: person })).status).toBe(200);
    expect((await caller.call('POST', '/users', { body: person })).status).toBe(412);
    expect((await caller.call('POST', '/users', { body: { ...person, strId: 'b@company.com' } })).status).toBe(406);
    expect(caller.sandbox.journal.every((entry) => entry.refusal === undefined)).toBe(true);
  });

  test('have a bare id in cloud mode', async () => {
    const companies = [{ ownerId: 'owner@company.com', interactionKey: 'bb00cc', mode: 'cloud' as const }];
    const caller = await Proptt2Caller.start({ companies });
    expect((await caller.call('POST', '/users', { body: person })).status).toBe(400);
    const { json } = await caller.call('POST', '/users', { body: { ...person, strId: 'new' } });
    expect((await caller.call('GET', `/users/${json.id}`)).json.strId).toBe('new@company.com');
  });
});

test('organizations are a tree with users, their ids strings when read alone', async () => {
  const caller = await Proptt2Caller.start();
  const { organizations } = (await caller.call('GET', '/organizations')).json;
  expect(organizations).toContainEqual({ id: 3, parentId: 2, name: 'Équipe de nuit' });
  const one = await caller.call('GET', '/organizations/3');
  expect(one.json).toEqual({ id: '3', parentId: '2', name: 'Équipe de nuit', description: '22:00 to 06:00' });
  const { users } = (await caller.call('GET', '/organizations/4/users')).json;
  expect(users).toContainEqual({ id: 8, strId: 'user8@company.com', name: 'Lone worker' });
  expect((await caller.call('GET', '/organizations/9')).status).toBe(500);
});

describe('records', () => {
  const ids = (answer: { json: Record<string, unknown> }) =>
    (answer.json.records as { id: number }[]).map((record) => record.id);

  test('are paged, newest first, and shift when one comes in between', async () => {
    const caller = await Proptt2Caller.start();
    expect(ids(await caller.call('GET', '/records'))).toHaveLength(20);
    caller.sandbox.configure({ insertWhilePaging: 1 });
    expect(ids(await caller.call('GET', '/records', { query: 'start=0&pageSize=3' }))).toEqual([137, 136, 135]);
    expect(ids(await caller.call('GET', '/records', { query: 'start=3&pageSize=3' }))).toEqual([135, 134, 133]);
    expect(ids(await caller.call('GET', '/records', { query: 'start=136&pageSize=9' }))).toEqual([2, 1]);
    expect(ids(await caller.call('GET', '/records', { query: 'start=999' }))).toEqual([]);
    caller.sandbox.configure({ recordOrder: 'oldest' });
    expect(ids(await caller.call('GET', '/records', { query: 'pageSize=2' }))).toEqual([1, 2]);
  });

  test('name their channel by number; only the single record has the file path', async () => {
    const caller = await Proptt2Caller.start();
    const one = (await caller.call('GET', '/records/9')).json;
    expect(one).toMatchObject({
      id: 9,
      status: 20,
      channelNo: 78,
      filepath: expect.stringMatching(/^\/proptt2\/record/),
    });
    const list = await caller.call('GET', '/channels/1/records', { query: 'pageSize=1' });
    const { filepath: _file, channelId: _id, channelNo: _no, channelName: _name, ...rest } = one;
    expect(Object.keys((list.json.records as object[])[0] ?? {})).toEqual(Object.keys(rest));
    expect((await caller.call('GET', '/records/999')).status).toBe(500);
  });
});

describe('sending', () => {
  test('logs every kind with its text, bytes and frame', async () => {
    const caller = await Proptt2Caller.start();
    caller.hid = 3;
    await caller.login();
    const text = 'Évacuation bât. B – 3ᵉ étage';
    const frame = Buffer.from('a0000001646f6f723d6f70656e', 'hex').toString('base64');
    await caller.call('POST', '/channels/1/sendMessage', { body: { messageId: 1, messageContent: base64(text) } });
    await caller.call('POST', '/channels/2/sendSOS');
    await caller.call('POST', '/channels/1/sendAlert', { body: { messageId: 2, messageType: 0, messageContent: '' } });
    await caller.call('POST', '/channels/1/sendCustomMessage', { body: { messageId: 3, messageContent: frame } });
    await caller.call('POST', '/users/4/sendMessage', { body: { messageId: 4 } });
    const common = { company: 'owner@company.com', at: Date.UTC(2026, 0, 15, 12), senderHid: 3 };
    const taken = { command: 0xa0, messageId: 1, data: base64('door=open') };
    expect(caller.sandbox.state.sent).toEqual([
      { kind: 'message', channelId: 1, messageId: 1, text, ...common },
      { kind: 'sos', channelId: 2, ...common },
      { kind: 'alert', channelId: 1, messageId: 2, messageType: 0, text: '', ...common },
      { kind: 'custom', channelId: 1, messageId: 3, bytes: frame, frame: taken, ...common },
      { kind: 'message', userId: 4, messageId: 4, text: '', ...common },
    ]);
  });

  const sendFrame = async (hex: string) => {
    const caller = await Proptt2Caller.start();
    const body = { messageId: 1, messageContent: Buffer.from(hex, 'hex').toString('base64') };
    const { status } = await caller.call('POST', '/channels/1/sendCustomMessage', { body });
    return { status, refusal: caller.last().refusal, sent: caller.sandbox.state.sent };
  };

  test.each([
    ['a001000100020003ff', { command: 0xa0, messageId: 1, chunk: { current: 2, count: 3 }, data: '/w==' }],
    ['0100000702000000ff', { command: 1, messageId: 7, image: 'jpeg', data: '/w==' }],
  ])('takes the custom frame %s', async (hex, frame) => {
    expect(await sendFrame(hex)).toMatchObject({ status: 200, sent: [{ frame }] });
  });

  test.each([
    ['48656c6c6f', 'the command is neither'],
    ['a00000', 'shorter than its header'],
    ['a0020001', 'unknown bits'],
    ['a001000100040003', 'out of range'],
    ['0100000704000000', 'photo header is wrong'],
  ])('says what is wrong with the custom frame %s', async (hex, problem) => {
    expect(await sendFrame(hex)).toEqual({ status: 500, refusal: expect.stringContaining(problem), sent: [] });
  });
});

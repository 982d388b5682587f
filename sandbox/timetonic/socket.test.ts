import { once } from 'node:events';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { WebSocket } from 'ws';
import { at, logIn, type TimetonicClient } from '../../test/support/timetonic-client.ts';
import { parseExact } from './exact-json.ts';
import { startTimetonicSandbox, type TimetonicSandbox } from './index.ts';

let sandbox: TimetonicSandbox;
let demo: TimetonicClient;
const sockets: Socket[] = [];
const book = { b_o: 'demo', b_c: 'operations' };

beforeEach(async () => {
  sandbox = await startTimetonicSandbox();
  demo = await logIn(sandbox);
});
afterEach(async () => {
  for (const { socket } of sockets.splice(0)) socket.terminate();
  await sandbox.close();
});

/** A socket whose frames are kept in order. */
interface Socket {
  socket: WebSocket;
  send(frame: object | string): void;
  /** The next frame, read. */
  next(): Promise<unknown>;
  /** Frames that wait, after all that was under way has arrived. */
  waiting(): Promise<string[]>;
}

async function connect(): Promise<Socket> {
  const socket = new WebSocket(sandbox.socketUrl);
  const frames: string[] = [];
  socket.on('message', (data) => frames.push(String(data)));
  await once(socket, 'open');
  const opened: Socket = {
    socket,
    send: (frame) => socket.send(typeof frame === 'string' ? frame : JSON.stringify(frame)),
    next: async () => {
      if (frames.length === 0) await once(socket, 'message');
      return parseExact(frames.shift() ?? '');
    },
    waiting: async () => {
      // The server answers a protocol ping after everything that it received and sent before.
      socket.ping();
      await once(socket, 'pong');
      return frames;
    },
  };
  sockets.push(opened);
  return opened;
}

const who = (client: TimetonicClient) => ({ o_u: client.me.o_u, u_c: client.me.u_c, sesskey: client.me.sesskey });
async function attach(client: TimetonicClient, type = 7): Promise<Socket> {
  const socket = await connect();
  socket.send({ type, ...who(client) });
  await socket.waiting();
  return socket;
}
const message = (client: TimetonicClient, more: object = {}) => ({
  type: 1,
  ...who(client),
  ...book,
  updatedAt: 1431509017,
  nbMedias: 0,
  nbDocs: 0,
  del: false,
  uuid: 'M-1',
  smid: 0,
  msg: 'Hello',
  ...more,
});

describe('attach', () => {
  it('accepts the attach type that is configured and silently ignores the other', async () => {
    const wrong = await attach(demo, 4);
    wrong.send({ type: 9, ...who(demo) });
    expect(await wrong.waiting()).toEqual([]);
    const right = await attach(demo, 7);
    right.send({ type: 9, ...who(demo) });
    expect(await right.next()).toEqual({ type: 10, status: 'ok' });
    expect(sandbox.control.attachedSockets()).toEqual(['demo']);
    sandbox.control.setSwitches({ socket: { attachTypes: [4] } });
    const other = await attach(demo, 4);
    other.send({ type: 9, ...who(demo) });
    expect(await other.next()).toEqual({ type: 10, status: 'ok' });
  });

  it('says nothing to a dead key', async () => {
    const socket = await attach({ ...demo, me: { ...demo.me, sesskey: 'dead' } });
    socket.send({ type: 9, ...who(demo) });
    expect(await socket.waiting()).toEqual([]);
    expect(sandbox.control.attachedSockets()).toEqual([]);
  });
});

describe('messages', () => {
  it('are acknowledged by uuid, sent to the others, and read over HTTP', async () => {
    const alex = await logIn(sandbox, 'alex');
    const [mine, theirs] = [await attach(demo), await attach(alex)];
    mine.send(message(demo));
    const ack = await mine.next();
    expect(ack).toEqual({
      type: 2,
      status: 'ok',
      uuid: 'M-1',
      smid: 346917,
      sstamp: Number(sandbox.state.messages.at(-1)?.sstamp),
      created: expect.any(Number),
      del: 0,
    });
    expect(at(ack, 'created')).toBe((sandbox.state.messages.at(-1)?.created ?? 0) + 3600);
    expect(await theirs.next()).toMatchObject({
      type: 1,
      u_c: 'demo',
      uuid: 'M-1',
      smid: 346917,
      del: false,
      msg: 'Hello',
    });
    expect(at(await demo.call('getBookMessages', book), 'bookMessages.0')).toMatchObject({
      msg: 'Hello',
      msgMethod: '_socket',
    });
    expect(await mine.waiting()).toEqual([]);
  });

  it('of HTTP and of another user arrive as type 1', async () => {
    const socket = await attach(demo);
    await demo.call('sendMsg', { ...book, msg: 'by HTTP' });
    expect(await socket.next()).toMatchObject({ type: 1, u_c: 'demo', msg: 'by HTTP' });
    const { smid } = sandbox.control.postMessage({ msg: 'by Alex' });
    expect(await socket.next()).toMatchObject({ type: 1, u_c: 'alex', smid: Number(smid) });
    sandbox.control.deleteMessage({ smid });
    expect(await socket.next()).toMatchObject({ type: 1, smid: Number(smid), del: true });
  });

  it('are edited and deleted by id, digits beyond 2^53 kept', async () => {
    sandbox.control.setNextId({ kind: 'message', id: '9007199254740993' });
    const socket = await attach(demo);
    socket.send(message(demo));
    expect(at(await socket.next(), 'smid')).toBe(9007199254740993n);
    const same = JSON.stringify(message(demo, { msg: 'Edited' })).replace('"smid":0', '"smid":9007199254740993');
    socket.send(same);
    expect(await socket.next()).toMatchObject({ status: 'ok', del: 0 });
    socket.send(same.replace('"del":false', '"del":true'));
    expect(await socket.next()).toMatchObject({ status: 'ok', del: 1 });
    expect(sandbox.state.messages.at(-1)).toMatchObject({ msg: 'Edited', del: true });
  });

  it.each([
    ['an unknown field', { colour: 'red' }, 'unknown parameter colour'],
    ['a field of the wrong type', { smid: '0' }, 'invalid smid: must be a number'],
    ['no book', { b_c: undefined }, 'missing parameter b_c'],
    ['no text', { msg: '' }, 'invalid msg'],
    ['the name of another', { u_c: 'alex' }, 'u_c must be same as o_u'],
    ['an unknown book', { b_c: 'nothing' }, 'unknown book'],
    ['a dead key', { sesskey: 'dead' }, 'invalid sesskey'],
  ])('with %s get a negative ack', async (_what, change, reason) => {
    const socket = await attach(demo);
    socket.send(message(demo, change));
    expect(await socket.next()).toMatchObject({
      type: 2,
      status: 'nok',
      uuid: 'M-1',
      error: expect.stringContaining(reason),
    });
  });
});

describe('table values and system messages', () => {
  const value = (client: TimetonicClient, more: object = {}) => ({
    type: 13,
    updatedAt: 1431509017,
    ...who(client),
    ...book,
    value: 'S99',
    rowId: 19975055,
    fieldId: 1367491,
    rowUuid: 'R-1',
    ...more,
  });

  it('write a cell, acknowledged or not, and tell the others of the book', async () => {
    const alex = await logIn(sandbox, 'alex');
    const [mine, theirs] = [await attach(demo), await attach(alex)];
    mine.send(value(demo));
    expect(await mine.next()).toMatchObject({ type: 2, status: 'ok', uuid: 'R-1', sstamp: expect.any(Number) });
    expect(await theirs.next()).toEqual({ type: 8, u_c: 'demo' });
    expect(sandbox.state.tables[0]?.rows[19975055]?.values[1367491]).toBe('S99');
    sandbox.control.setSwitches({ socket: { ackTableValue: false } });
    mine.send(value(demo, { value: 'S98' }));
    expect(await theirs.next()).toEqual({ type: 8, u_c: 'demo' });
    expect(await mine.waiting()).toEqual([]);
    mine.send(value(demo, { fieldId: 1367499 }));
    expect(await mine.next()).toMatchObject({ type: 2, status: 'nok' });
  });

  it('are acknowledged, take effect and reach the others', async () => {
    const alex = await logIn(sandbox, 'alex');
    const [mine, theirs] = [await attach(demo), await attach(alex)];
    const system = { type: 11, ...who(demo), uuid: 'S-1' };
    mine.send({ ...system, msg: 'clearNotRead', ...book });
    expect(await mine.next()).toEqual({ type: 12, status: 'ok' });
    expect(await theirs.next()).toEqual({ type: 11, u_c: 'demo', msg: 'clearNotRead', ...book });
    expect(at(await demo.call('getBookInfo', book), 'book.nbNotRead')).toBe(0);
    mine.send({ ...system, msg: 'updateUserInfo', param: 'lang', value: 'FR' });
    expect(await mine.next()).toEqual({ type: 12, status: 'ok' });
    expect(at(await demo.call('getUserInfo'), 'userInfo.userPrefs.lang')).toBe('FR');
    mine.send({ ...system, msg: 'updateBookParam', ...book });
    expect(await mine.next()).toMatchObject({ type: 12, status: 'nok', error: 'missing parameter param' });
    mine.send({ ...system, msg: 'shutDown' });
    expect(await mine.next()).toMatchObject({ type: 12, status: 'nok' });
    expect(await theirs.waiting()).toEqual([]);
  });
});

describe('a socket that misbehaves', () => {
  it('is silent, closes, or sends garbage as configured', async () => {
    sandbox.control.setSwitches({ socket: { mode: 'silent' } });
    const silent = await attach(demo);
    silent.send(message(demo));
    expect(await silent.waiting()).toEqual([]);
    sandbox.control.setSwitches({ socket: { mode: 'garbage' } });
    silent.send(message(demo));
    expect((await silent.waiting())[0]).toBe('<html>not json');
    sandbox.control.setSwitches({ socket: { mode: 'close-on-attach' } });
    const closing = await connect();
    closing.send({ type: 7, ...who(demo) });
    expect((await once(closing.socket, 'close'))[0]).toBe(1008);
    sandbox.control.setSwitches({ socket: { mode: 'refuse' } });
    await expect(connect()).rejects.toThrow('503');
  });

  it('refuses a client that resets its connection, and lives on', async () => {
    sandbox.control.setSwitches({ socket: { mode: 'refuse' } });
    const upgraded = once(sandbox.server, 'upgrade');
    const refused = connect().catch((error: Error) => error.message);
    const [, connection] = await upgraded;
    connection.destroy(new Error('read ECONNRESET'));
    expect(await refused).toMatch(/503|socket hang up|ECONNRESET/);
    sandbox.control.setSwitches({ socket: { mode: 'normal' } });
    await connect();
  });

  it('answers late, and closes all, on request', async () => {
    sandbox.control.setSwitches({ socket: { delay: 80 } });
    const socket = await attach(demo);
    const started = performance.now();
    socket.send({ type: 9, ...who(demo) });
    await socket.next();
    expect(performance.now() - started).toBeGreaterThan(75);
    const closed = once(socket.socket, 'close');
    expect(sandbox.control.closeSockets()).toEqual({ closed: 1 });
    expect((await closed)[0]).toBe(1012);
  });

  it('pushes what a test gives it, and journals what it receives', async () => {
    const socket = await attach(demo);
    expect(sandbox.control.pushSocket({ frame: { type: 8, u_c: 'alex' } })).toEqual({ sent: 1 });
    expect(await socket.next()).toEqual({ type: 8, u_c: 'alex' });
    expect(sandbox.control.pushSocket({ text: '{', user: 'alex' })).toEqual({ sent: 0 });
    socket.send('not json');
    socket.send(message(demo, { colour: 'red' }));
    await socket.next();
    const received = sandbox.journal.filter(({ method }) => method === 'SOCKET');
    expect(received.map(({ refusal }) => refusal)).toEqual([
      undefined,
      'frame is not json',
      'unknown parameter colour',
    ]);
    expect(sandbox.journal.find(({ method }) => method === 'UPGRADE')).toMatchObject({ path: '/socket', status: 101 });
  });
});

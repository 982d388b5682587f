import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Answer, at, logIn, type TimetonicClient } from '../../test/support/timetonic-client.ts';
import { startTimetonicSandbox, type TimetonicSandbox } from './index.ts';

let sandbox: TimetonicSandbox;
let demo: TimetonicClient;
const book = { b_o: 'demo', b_c: 'operations' };

beforeEach(async () => {
  sandbox = await startTimetonicSandbox();
  demo = await logIn(sandbox);
});
afterEach(() => sandbox.close());

const read = (fields: Record<string, string> = {}) => demo.call('getBookMessages', { ...book, ...fields });
const smids = (answer: Answer) => (answer.bookMessages as { smid: number }[]).map(({ smid }) => smid);
const texts = (answer: Answer) => (answer.bookMessages as { msg: string }[]).map(({ msg }) => msg);
const send = (fields: Record<string, string>) => demo.call('sendMsg', fields);

describe('reading messages', () => {
  it('comes newest first, by page, with the files of each', async () => {
    const answer = await read({ nbMax: '2' });
    expect(smids(answer)).toEqual([346916, 346915]);
    expect(at(answer, 'bookMessages.0')).toMatchObject({
      nbMedias: 1,
      medias: [{ id: 18168, ext: 'png', type: 'media' }],
      docs: [{ id: 18169 }],
    });
    expect(at(answer, 'bookMessages.1')).not.toHaveProperty('medias');
    expect(smids(await read({ nbMax: '2', page: '2' }))).toEqual([346914]);
    for (let at = 0; at < 60; at++) sandbox.control.postMessage({ msg: `message ${at}` });
    expect(smids(await read())).toHaveLength(50);
    expect(smids(await read({ page: '2' }))).toHaveLength(13);
    expect(texts(await read({ search_string: 'NIGHT' }))).toEqual(['Night shift starts at 22:00']);
    expect((await read({ page: '0' })).status).toBe('nok');
  });

  it('takes the messages around what a client holds', async () => {
    expect(smids(await read({ smidFirst: '346915' }))).toEqual([346916]);
    expect(smids(await read({ smidLast: '346915' }))).toEqual([346914]);
    expect(smids(await read({ smidFirst: '346915', smidLast: '346915' }))).toEqual([346916, 346914]);
  });

  it('adds every change since a stamp without paging, the deleted ones too', async () => {
    const known = String((await read()).sstamp);
    const made = Array.from({ length: 70 }, (_, at) => sandbox.control.postMessage({ msg: `message ${at}` }).smid);
    sandbox.control.deleteMessage({ smid: made[0] ?? '' });
    sandbox.control.editMessage({ smid: '346914', msg: 'Welcome, edited' });
    const literal = smids(await read({ sstamp: known, nbMax: '1' }));
    expect(literal).toHaveLength(71);
    sandbox.control.setSwitches({ incrementalMessages: 'updates' });
    const updates = await read({ sstamp: known, nbMax: '1' });
    expect(smids(updates)).toEqual(literal);
    expect(updates.bookMessages).toContainEqual(expect.objectContaining({ smid: Number(made[0]), del: true, msg: '' }));
    expect(smids(await read({ nbMax: '100' }))).not.toContain(Number(made[0]));
    expect(smids(await read({ sstamp: String(updates.sstamp) }))).toEqual([]);
    sandbox.control.setSwitches({ incrementalMessages: 'page-and-updates' });
    expect(smids(await read({ sstamp: String(updates.sstamp) }))).toHaveLength(50);
    const held = { sstamp: known, smidFirst: String(made.at(-1)), smidLast: '346914' };
    expect(smids(await read(held))).toHaveLength(71);
  });

  it('gives ids beyond 2^53 with all their digits', async () => {
    sandbox.control.setNextId({ kind: 'message', id: '9223372036854775807' });
    const sent = await send({ ...book, msg: 'big' });
    expect(sent.smid).toBe(9223372036854775807n);
    expect(smids(await read({ smidFirst: '9223372036854775806' }))).toEqual([9223372036854775807n]);
  });
});

describe('sending messages', () => {
  it('answers the id and shows the message to the other member as unread', async () => {
    const sent = await send({ ...book, msg: 'Gate 4 is open', uuid: 'MY-UUID', body: 'more' });
    expect(sent).toMatchObject({ status: 'ok', uuid: 'MY-UUID', createMessageId: 346917, smid: 346917 });
    expect(at(await read(), 'bookMessages.0')).toMatchObject({
      uuid: 'MY-UUID',
      msgMethod: '_api',
      u_c: 'demo',
      msgBody: 'Read more',
    });
    const alex = await logIn(sandbox, 'alex');
    expect((await alex.call('getBookInfo', book)).book).toMatchObject({
      nbNotRead: 2,
      nbMsgs: 4,
      lastMsg: { smid: 346917 },
    });
    sandbox.control.setSwitches({ sendMsgAnswersId: false });
    expect(Object.keys(await send({ ...book, msg: 'x' })).sort()).toEqual(['createdVNB', 'req', 'sstamp', 'status']);
  });

  it('guesses the book from the first word when none is given', async () => {
    expect((await send({ msg: 'operations all quiet' })).status).toBe('ok');
    expect(sandbox.state.messages.at(-1)).toMatchObject({ ...book, msg: 'all quiet' });
    expect((await send({ msg: 'Fire in zone 3' })).error).toBe('unknown book Fire.demo');
    expect((await send({ msg: 'x', b_c: 'operations' })).status).toBe('ok');
  });

  it('edits and deletes by id, only what is one’s own', async () => {
    const smid = String((await send({ ...book, msg: 'first' })).smid);
    await send({ ...book, msg: 'second', msg_id: smid });
    expect(texts(await read({ nbMax: '1' }))).toEqual(['second']);
    const alex = await logIn(sandbox, 'alex');
    expect((await alex.call('deleteMsg', { ...book, msg_id: smid })).error).toContain('is not yours');
    expect((await demo.call('deleteMsg', { ...book, msg_id: smid })).status).toBe('ok');
    expect((await demo.call('deleteMsg', { ...book, msg_id: smid })).error).toBe(`unknown message ${smid}`);
  });

  it('takes an event in the form of the document only', async () => {
    const event = {
      eventStart: 1652601600,
      eventEnd: 1652608800,
      eventParticipants: [{ id: 'alex' }],
      reminderData: { email: true },
    };
    const attempt = async (value: object) => (await send({ ...book, msg: 'x', event: JSON.stringify(value) })).status;
    expect(await attempt(event)).toBe('ok');
    expect(sandbox.state.messages.at(-1)?.event).toEqual(event);
    for (const wrong of [
      { ...event, colour: 'red' },
      { ...event, eventEnd: 'late' },
      { ...event, eventParticipants: ['alex'] },
      { ...event, isBusy: 1 },
    ]) {
      expect(await attempt(wrong), JSON.stringify(wrong)).toBe('nok');
    }
  });

  it('in the name of a stranger, or into a book of others, is refused', async () => {
    expect((await send({ ...book, msg: 'x', u_c: 'nobody' })).error).toBe('unknown sender nobody');
    expect((await send({ ...book, msg: 'x', u_c: 'alex@example.com' })).status).toBe('ok');
    expect(sandbox.state.messages.at(-1)?.u_c).toBe('alex');
    sandbox.state.books[0]?.members.shift();
    expect((await send({ ...book, msg: 'x' })).error).toContain('no access');
  });
});

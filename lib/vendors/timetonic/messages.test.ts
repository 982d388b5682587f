import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { failure, inBook, startTimetonic } from '../../../test/support/timetonic-caller.ts';

let tt: Awaited<ReturnType<typeof startTimetonic>>;
let call: Awaited<ReturnType<typeof tt.connect>>['call'];
beforeAll(async () => {
  tt = await startTimetonic();
  call = (await tt.connect()).call;
});
afterEach(() => {
  tt.sandbox.clearFaults();
  tt.sandbox.control.setSwitches({ sendMsgAnswersId: true });
});
afterAll(() => {
  expect(tt.sandbox.journal.flatMap(({ refusal }) => refusal ?? [])).toEqual([]);
  return tt.stop();
});

const messages = () => tt.sandbox.state.messages;
const photo = { base64: 'iVBORw0KGgo=', name: 'door é.png', type: 'image/png' };
const report = { base64: 'SGVsbG8=', name: 'report.txt', type: 'text/plain' };

test.each([true, false])(
  'a message with files announces and attaches them (the vendor returns the id: %s)',
  async (sendMsgAnswersId) => {
    tt.sandbox.control.setSwitches({ sendMsgAnswersId });
    const answer = (await call('sendMsg', { ...inBook, msg: 'Look', files: [photo, report, photo] })) as {
      smid: string;
      files: unknown[];
    };
    const message = messages().at(-1);
    expect(message).toMatchObject({ msg: 'Look', nbMedias: 2, nbDocs: 1, smid: answer.smid });
    const files = tt.sandbox.state.files.filter(({ smid }) => smid === answer.smid);
    expect(files.map(({ originName, size }) => [originName, size])).toEqual([
      ['door é.png', 8],
      ['report.txt', 5],
      ['door é.png', 8],
    ]);
    expect(answer.files).toHaveLength(3);
  },
);

test('a file that cannot be attached is reported with the message that was sent', async () => {
  const before = messages().length;
  tt.sandbox.control.failRequest({ req: 'fileUpload', kind: 'nok', text: 'too large' });
  const error = await failure(call('sendMsg', { ...inBook, msg: 'Half', files: [report] }));
  expect(error).toMatchObject({ code: 'vendor_failed', retryable: false, outcome: 'refused' });
  expect(error.message).toContain(`was sent as ${messages().at(-1)?.smid} with 0 of 1 files`);
  expect(messages().length).toBe(before + 1);
});

test('a message with a uuid is sent once, also when its answer was lost', async () => {
  const before = messages().length;
  const first = await call('sendMsg', { ...inBook, msg: 'A', uuid: 'u-1' });
  expect(await call('sendMsg', { ...inBook, msg: 'A', uuid: 'u-1' })).toMatchObject({
    smid: first.smid,
    existing: true,
  });
  tt.sandbox.control.failRequest({ req: 'sendMsg', kind: 'reset', when: 'after' });
  expect(await failure(call('sendMsg', { ...inBook, msg: 'B', uuid: 'u-2' }))).toMatchObject({
    code: 'outcome_unknown',
  });
  expect(await call('sendMsg', { ...inBook, msg: 'B', uuid: 'u-2' })).toMatchObject({
    existing: true,
    smid: messages().at(-1)?.smid,
  });
  expect(messages().length).toBe(before + 2);
});

test('a message without a uuid is found again by its own, when its answer was lost', async () => {
  const before = messages().length;
  tt.sandbox.control.failRequest({ req: 'sendMsg', kind: 'reset', when: 'after' });
  expect(await call('sendMsg', { ...inBook, msg: 'C' })).toMatchObject({ smid: messages().at(-1)?.smid });
  tt.sandbox.control.failRequest({ req: 'sendMsg', kind: 'reset', when: 'before' });
  expect(await failure(call('sendMsg', { ...inBook, msg: 'D' }))).toMatchObject({ code: 'outcome_unknown' });
  expect(messages().length).toBe(before + 1);
});

test('a message is changed by its id, and carries an event', async () => {
  const sent = await call('sendMsg', {
    ...inBook,
    msg: 'Meeting',
    event: { eventStart: 1652601600, eventEnd: 1652608800, isBusy: true },
  });
  expect(messages().at(-1)?.event).toEqual({ eventStart: 1652601600, eventEnd: 1652608800, isBusy: true });
  await call('sendMsg', { ...inBook, msg: 'Moved', msg_id: sent.smid });
  expect(messages().at(-1)).toMatchObject({ msg: 'Moved', smid: sent.smid });
  expect(await failure(call('sendMsg', { ...inBook, msg: 'x', event: { eventStart: 1 } }))).toMatchObject({
    code: 'invalid_input',
  });
});

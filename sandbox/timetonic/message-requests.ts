import { raw } from './exact-json.ts';
import { asObject, onlyKeys } from './form.ts';
import { deleteMessage, editMessage, findMessage, postMessage } from './message-changes.ts';
import { messageJson } from './message-json.ts';
import { refused, VendorRefusal } from './refusal.ts';
import type { Book, Message } from './state.ts';
import { type ApiRequest, type Call, checkAccess, findBook } from './vendor.ts';

/** The requests that read and write the messages of a book. */
export const messageRequests: Record<string, ApiRequest> = {
  getBookMessages: {
    session: 'required',
    fields: {
      b_c: 'text',
      b_o: 'text',
      sstamp: 'bigint?',
      smidFirst: 'bigint?',
      smidLast: 'bigint?',
      nbMax: 'int?',
      page: 'int?',
      search_string: 'any?',
    },
    answer: bookMessages,
  },
  sendMsg: {
    session: 'required',
    gateway: true,
    anySender: true,
    fields: {
      msg_id: 'id?',
      b_o: 'text?',
      b_c: 'text?',
      msg: 'text',
      body: 'any?',
      nbMedias: 'int?',
      nbDocs: 'int?',
      event: 'json?',
      uuid: 'text?',
    },
    changes: true,
    answer: sendMsg,
  },
  deleteMsg: {
    session: 'required',
    gateway: true,
    anySender: true,
    fields: { msg_id: 'id', b_o: 'text', b_c: 'text', msg: 'any?' },
    changes: true,
    answer: (call) => {
      const { vendor, form } = call;
      const book = findBook(vendor, form.text('b_o'), form.text('b_c'));
      const by = senderOf(call, book);
      const message = findMessage(vendor, book, form.text('msg_id'));
      checkAuthor(book, message, by);
      deleteMessage(vendor, message);
      return { sstamp: raw(message.sstamp) };
    },
  },
};

function bookMessages({ vendor, form, user }: Call): Record<string, unknown> {
  const { state } = vendor.sandbox;
  const book = findBook(vendor, form.text('b_o'), form.text('b_c'));
  checkAccess(book, user, 'read');
  const [nbMax, page] = [form.number('nbMax', 50), form.number('page', 1)];
  if (nbMax < 1 || page < 1) throw refused('invalid page or nbMax: both start at 1');
  const [first, last, stamp] = ['smidFirst', 'smidLast', 'sstamp'].map((name) => bigOrNothing(form.maybe(name)));
  const search = form.maybe('search_string')?.toLowerCase();

  const all = state.messages
    .filter(({ b_o, b_c }) => b_o === book.b_o && b_c === book.b_c)
    .filter(({ msg, body }) => search === undefined || `${msg}\n${body}`.toLowerCase().includes(search))
    .sort((a, b) => (BigInt(b.smid) > BigInt(a.smid) ? 1 : -1));
  // The client holds the range from its newest (smidFirst) down to its oldest (smidLast): pages come from outside of it.
  const outside = ({ smid }: Message) =>
    (first === undefined && last === undefined) ||
    (first !== undefined && BigInt(smid) > first) ||
    (last !== undefined && BigInt(smid) < last);
  const updatesOnly =
    stamp !== undefined &&
    first === undefined &&
    last === undefined &&
    state.switches.incrementalMessages === 'updates';
  const listed = updatesOnly
    ? []
    : all.filter((message) => !message.del && outside(message)).slice((page - 1) * nbMax, page * nbMax);
  const held = (message: Message) => (first === undefined && last === undefined) || !outside(message);
  const updated = stamp === undefined ? [] : all.filter((message) => held(message) && BigInt(message.sstamp) > stamp);
  const wanted = new Set([...listed, ...updated]);
  return {
    sstamp: raw(state.sstamp),
    b_c: book.b_c,
    b_o: book.b_o,
    bookMessages: all.filter((message) => wanted.has(message)).map((message) => messageJson(vendor, message)),
  };
}

function bigOrNothing(digits: string | undefined): bigint | undefined {
  return digits === undefined ? undefined : BigInt(digits);
}

function sendMsg(call: Call): Record<string, unknown> {
  const { vendor, form, gateway } = call;
  const { book, msg } = addressee(call);
  const by = senderOf(call, book);
  const edited = form.maybe('msg_id');
  if (edited !== undefined) {
    const message = findMessage(vendor, book, edited);
    checkAuthor(book, message, by);
    editMessage(vendor, message, msg);
    return answerTo(call, message);
  }
  const event = form.maybe('event') === undefined ? undefined : checkEvent(form.json('event'));
  const [body, uuid] = [form.maybe('body'), form.maybe('uuid')];
  const message = postMessage(vendor, book, {
    msg,
    by,
    method: gateway === undefined ? '_api' : '_sms',
    nbMedias: form.number('nbMedias', 0),
    nbDocs: form.number('nbDocs', 0),
    ...(body !== undefined && { body }),
    ...(uuid !== undefined && { uuid }),
    ...(event && { event }),
  });
  return answerTo(call, message);
}

function answerTo({ vendor }: Call, message: Message): Record<string, unknown> {
  const ids = { createMessageId: raw(message.smid), smid: raw(message.smid), uuid: message.uuid };
  return { sstamp: raw(message.sstamp), ...(vendor.sandbox.state.switches.sendMsgAnswersId && ids) };
}

/** The book a message goes to: without a book code the first word of the text names it, without an owner it is the sender. */
function addressee({ vendor, form, gateway, userCode }: Call): { book: Book; msg: string } {
  const fixed = gateway === undefined ? undefined : vendor.sandbox.state.gateways[gateway];
  const b_o = fixed?.b_o ?? form.maybe('b_o') ?? userCode;
  const given = fixed?.b_c ?? form.maybe('b_c');
  if (given !== undefined) return { book: findBook(vendor, b_o, given), msg: form.text('msg') };
  const [word = '', ...rest] = form.text('msg').trim().split(/\s+/);
  return { book: findBook(vendor, b_o, word), msg: rest.join(' ') };
}

/** Who a message is from: a user of the book by code, mail or number; an SMS gateway may name anyone. */
function senderOf({ vendor, user, gateway, userCode }: Call, book: Book): string {
  const known = Object.values(vendor.sandbox.state.users).find(({ u_c, mail, mobile }) =>
    [u_c, mail, mobile].includes(userCode),
  );
  if (gateway !== undefined) return known?.u_c ?? userCode;
  if (!known) throw new VendorRefusal(`unknown sender ${userCode}`);
  checkAccess(book, user, 'write');
  checkAccess(book, known, 'write');
  return known.u_c;
}

function checkAuthor(book: Book, message: Message, by: string): void {
  const right = book.members.find(({ u_c }) => u_c === by)?.right ?? 0;
  if (message.u_c !== by && right < 3) throw new VendorRefusal(`message ${message.smid} is not yours`);
}

function checkEvent(value: unknown): Record<string, unknown> {
  const event = asObject(value, 'event');
  onlyKeys(
    event,
    ['eventStart', 'eventEnd', 'eventTimezone', 'eventAllDay', 'isBusy', 'eventParticipants', 'reminderData'],
    'event',
  );
  const { eventStart, eventEnd, eventParticipants: people, reminderData } = event;
  if (!Number.isInteger(eventStart) || !Number.isInteger(eventEnd))
    throw refused('invalid event: eventStart and eventEnd must be timestamps');
  for (const flag of ['eventAllDay', 'isBusy']) {
    if (event[flag] !== undefined && typeof event[flag] !== 'boolean')
      throw refused(`invalid event: ${flag} must be true or false`);
  }
  if (event.eventTimezone !== undefined && typeof event.eventTimezone !== 'string')
    throw refused('invalid event: eventTimezone must be text');
  if (people !== undefined) {
    if (!Array.isArray(people)) throw refused('invalid event: eventParticipants must be a list');
    for (const person of people) {
      if (typeof asObject(person, 'eventParticipants').id !== 'string')
        throw refused('invalid event: a participant needs an id');
    }
  }
  if (reminderData !== undefined) {
    onlyKeys(
      asObject(reminderData, 'reminderData'),
      ['email', 'sms', 'alarm', 'alarmMobile', 'time', 'remindermember'],
      'reminderData',
    );
  }
  return event;
}

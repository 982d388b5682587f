import { parseExact, raw } from './exact-json.ts';
import { checkFields, type FieldRule, type Form } from './form.ts';
import { deleteMessage, editMessage, findMessage, postMessage } from './message-changes.ts';
import { refused, VendorRefusal } from './refusal.ts';
import { readValues, setValues } from './row-changes.ts';
import type { Message, User } from './state.ts';
import {
  bookKey,
  checkAccess,
  findBook,
  findRow,
  nextStamp,
  now,
  readersOf,
  touchBook,
  type Vendor,
} from './vendor.ts';

/** A received frame, with 64-bit numbers kept exact. */
export type Frame = Record<string, unknown>;

/** A refusal that is sent back as a frame. */
export class SocketRefusal extends VendorRefusal {
  readonly answer: Record<string, unknown>;

  constructor(error: VendorRefusal, answer: Record<string, unknown>) {
    super(error.message, { refusal: error.refusal });
    this.answer = answer;
  }
}

/** Parses a frame, or rejects data that is not a JSON object with a type. */
export function readFrame(text: string): Frame {
  let frame: unknown;
  try {
    frame = parseExact(text);
  } catch {
    throw refused('frame is not json');
  }
  if (frame === null || typeof frame !== 'object' || !('type' in frame) || !Number.isInteger(frame.type)) {
    throw refused('frame without a type');
  }
  return frame as Frame;
}

/** Whether a frame is an attach in either of the document's numbers; the one it does not take is ignored. */
export function isAttach(vendor: Vendor, frame: Frame): boolean {
  return (
    (frame.type === 4 || frame.type === 7) && vendor.sandbox.state.switches.socket.attachTypes.includes(frame.type)
  );
}

const caller = { version: 'any?', o_u: 'text', u_c: 'text', sesskey: 'text' } as const;

/** The user a socket attaches to. */
export function checkAttach(vendor: Vendor, frame: Frame): string {
  return callerOf(vendor, formOf(frame, caller)).u_c;
}

interface FrameRule {
  fields: Record<string, FieldRule>;
  /** The type of its ack. */
  ack: number;
  answer(vendor: Vendor, form: Form, user: User, socket: unknown): Record<string, unknown> | undefined;
}

const rules: Record<number, FrameRule> = {
  1: {
    ack: 2,
    fields: {
      updatedAt: 'int',
      nbMedias: 'int?',
      nbDocs: 'int?',
      del: 'boolean',
      uuid: 'text',
      smid: 'bigint',
      msg: 'any',
      b_o: 'text',
      b_c: 'text',
    },
    answer: message,
  },
  13: {
    ack: 2,
    fields: {
      updatedAt: 'int',
      obo_u: 'text?',
      b_o: 'text',
      b_c: 'text',
      value: 'any',
      rowUuid: 'any?',
      rowId: 'id',
      fieldUuid: 'any?',
      fieldId: 'id',
    },
    answer: tableValue,
  },
  9: { ack: 10, fields: {}, answer: () => ({ type: 10, status: 'ok' }) },
  11: {
    ack: 12,
    fields: { uuid: 'text', msg: 'text', b_c: 'text?', b_o: 'text?', param: 'any?', value: 'any?' },
    answer: system,
  },
};

/** The vendor's response to a frame of an attached user; a refusal is thrown, with its ack if the frame has one. */
export function answerFrame(
  vendor: Vendor,
  frame: Frame,
  attached: string,
  socket: unknown,
): Record<string, unknown> | undefined {
  const rule = rules[frame.type as number];
  // An attach with the number that is not accepted also arrives here, and is ignored like any unknown type.
  if (!rule) return undefined;
  try {
    const form = formOf(frame, { ...caller, ...rule.fields });
    const user = callerOf(vendor, form);
    if (user.u_c !== attached) throw refused('o_u is not the attached user');
    return rule.answer(vendor, form, user, socket);
  } catch (error) {
    if (!(error instanceof VendorRefusal)) throw error;
    const uuid = typeof frame.uuid === 'string' ? { uuid: frame.uuid } : {};
    throw new SocketRefusal(error, { type: rule.ack, status: 'nok', ...uuid, error: error.message });
  }
}

/** What a field of a frame must be in JSON, by the kind of its rule. */
const jsonTypes: Record<string, string[]> = {
  text: ['string'],
  any: ['string'],
  boolean: ['boolean'],
  int: ['number'],
  bigint: ['number', 'bigint'],
  id: ['number', 'bigint'],
};

function formOf(frame: Frame, fields: Record<string, FieldRule>): Form {
  const values = new Map<string, string>();
  for (const [name, value] of Object.entries(frame)) {
    if (name === 'type') continue;
    const expected = Object.hasOwn(fields, name) ? jsonTypes[String(fields[name]).replace('?', '')] : undefined;
    if (expected && !expected.includes(typeof value)) throw refused(`invalid ${name}: must be a ${expected[0]}`);
    values.set(name, String(value));
  }
  return checkFields(values, fields);
}

function callerOf(vendor: Vendor, form: Form): User {
  const { state } = vendor.sandbox;
  const sesskey = form.text('sesskey');
  const owner = Object.hasOwn(state.sesskeys, sesskey) ? state.sesskeys[sesskey] : undefined;
  const user = owner && 'user' in owner && owner.user === form.text('o_u') ? state.users[owner.user] : undefined;
  if (!user) throw new VendorRefusal(state.switches.sesskeyError);
  if (form.text('u_c') !== user.u_c) throw refused('u_c must be same as o_u');
  return user;
}

function message(vendor: Vendor, form: Form, user: User, socket: unknown): Record<string, unknown> {
  const book = findBook(vendor, form.text('b_o'), form.text('b_c'));
  checkAccess(book, user, 'write');
  const [smid, uuid, msg] = [form.text('smid'), form.text('uuid'), form.text('msg')];
  let stored: Message;
  if (smid === '0') {
    if (msg === '') throw refused('invalid msg: must be text');
    const counts = { nbMedias: form.number('nbMedias', 0), nbDocs: form.number('nbDocs', 0) };
    stored = postMessage(vendor, book, { msg, uuid, by: user.u_c, method: '_socket', ...counts, except: socket });
  } else {
    stored = findMessage(vendor, book, smid);
    if (stored.u_c !== user.u_c) throw new VendorRefusal(`message ${smid} is not yours`);
    if (form.flag('del')) deleteMessage(vendor, stored, socket);
    else editMessage(vendor, stored, msg, socket);
  }
  return ack(vendor, { uuid, smid: raw(stored.smid), sstamp: raw(stored.sstamp), del: stored.del ? 1 : 0 });
}

/** The ack's `created` is in Central European time, where every other time is UTC. */
function ack(vendor: Vendor, rest: Record<string, unknown>): Record<string, unknown> {
  return { type: 2, status: 'ok', created: now(vendor) + 3600, ...rest };
}

function tableValue(vendor: Vendor, form: Form, user: User, socket: unknown): Record<string, unknown> | undefined {
  const { table, row } = findRow(vendor, form.text('rowId'));
  const book = findBook(vendor, form.text('b_o'), form.text('b_c'));
  if (bookKey(table) !== bookKey(book)) throw new VendorRefusal(`row ${row.id} is not in book ${book.b_c}.${book.b_o}`);
  checkAccess(book, user, 'write');
  const values = readValues(vendor, table, { [form.text('fieldId')]: form.text('value') });
  setValues(vendor, table, row, values, { by: form.maybe('obo_u') ?? user.u_c, except: socket });
  if (!vendor.sandbox.state.switches.socket.ackTableValue) return undefined;
  const uuid = form.maybe('rowUuid');
  return ack(vendor, { ...(uuid !== undefined && { uuid }), sstamp: raw(row.sstamp), del: 0 });
}

/** The required parameters of each system message. */
const systemMessages: Record<string, string[]> = {
  acceptInvitation: ['b_o', 'b_c'],
  clearNotRead: ['b_o', 'b_c'],
  logOpenBook: ['b_o', 'b_c'],
  updateBookParam: ['b_o', 'b_c', 'param', 'value'],
  updateUserInfo: ['param', 'value'],
};

function system(vendor: Vendor, form: Form, user: User, socket: unknown): Record<string, unknown> {
  const msg = form.text('msg');
  const needed = Object.hasOwn(systemMessages, msg) ? systemMessages[msg] : undefined;
  if (!needed) throw refused(`unknown system message ${msg}`);
  const absent = needed.find((name) => form.maybe(name) === undefined);
  if (absent) throw refused(`missing parameter ${absent}`);
  const shown = Object.fromEntries(
    ['b_c', 'b_o', 'param', 'value'].flatMap((name) =>
      form.maybe(name) === undefined ? [] : [[name, form.text(name)]],
    ),
  );
  let readers = [user.u_c];
  if (needed.includes('b_o')) {
    const book = findBook(vendor, form.text('b_o'), form.text('b_c'));
    const member = book.members.find(({ u_c }) => u_c === user.u_c);
    if (!member) throw new VendorRefusal(`no access to book ${book.b_c}.${book.b_o}`);
    if (msg === 'acceptInvitation') member.invite = 'accepted';
    if (msg === 'updateBookParam') book.params[form.text('param')] = form.text('value');
    if (msg === 'clearNotRead') user.lastRead[bookKey(book)] = lastSmid(vendor, bookKey(book));
    if (msg !== 'logOpenBook') touchBook(vendor, book, user.u_c, { tables: false });
    readers = readersOf(book);
  } else {
    user.prefs[form.text('param')] = form.text('value');
    user.sstamp = nextStamp(vendor);
  }
  vendor.broadcast({ type: 11, u_c: user.u_c, msg, ...shown }, { users: readers, except: socket });
  return { type: 12, status: 'ok' };
}

function lastSmid(vendor: Vendor, key: string): string {
  return vendor.sandbox.state.messages.findLast((candidate) => bookKey(candidate) === key)?.smid ?? '0';
}

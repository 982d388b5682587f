import { randomUUID } from 'node:crypto';
import { raw } from './exact-json.ts';
import { VendorRefusal } from './refusal.ts';
import type { Book, Message } from './state.ts';
import { findBook, nextId, nextStamp, now, readersOf, touchBook, type Vendor } from './vendor.ts';

/** The input of a new message. */
export interface Draft {
  msg: string;
  by: string;
  method: Message['method'];
  body?: string;
  uuid?: string;
  nbMedias?: number;
  nbDocs?: number;
  event?: Record<string, unknown>;
  /** The socket that sent it, which receives only the ack. */
  except?: unknown;
}

/** Adds a message to a book and notifies the attached sockets. A repeated uuid creates two messages. */
export function postMessage(vendor: Vendor, book: Book, draft: Draft): Message {
  const at = now(vendor);
  const message: Message = {
    smid: nextId(vendor, 'message'),
    b_o: book.b_o,
    b_c: book.b_c,
    u_c: draft.by,
    uuid: draft.uuid ?? randomUUID(),
    msg: draft.msg,
    body: draft.body ?? '',
    method: draft.method,
    created: at,
    lastModified: at,
    sstamp: nextStamp(vendor),
    del: false,
    nbMedias: draft.nbMedias ?? 0,
    nbDocs: draft.nbDocs ?? 0,
    ...(draft.event && { event: draft.event }),
  };
  vendor.sandbox.state.messages.push(message);
  notifySockets(vendor, book, message, draft.except);
  return message;
}

/** Changes the text of a message. */
export function editMessage(vendor: Vendor, message: Message, msg: string, except?: unknown): void {
  message.msg = msg;
  stampMessage(vendor, message, except);
}

/** Marks a message as deleted; it stays in the incremental reads. */
export function deleteMessage(vendor: Vendor, message: Message, except?: unknown): void {
  message.del = true;
  stampMessage(vendor, message, except);
}

/** Stamps a message after a change to it or its files. */
export function stampMessage(vendor: Vendor, message: Message, except?: unknown): void {
  message.lastModified = now(vendor);
  message.sstamp = nextStamp(vendor);
  notifySockets(vendor, findBook(vendor, message.b_o, message.b_c), message, except);
}

function notifySockets(vendor: Vendor, book: Book, message: Message, except: unknown): void {
  touchBook(vendor, book, message.u_c, { tables: false });
  const { u_c, uuid, del, created, msg, b_o, b_c } = message;
  const frame = { type: 1, u_c, uuid, smid: raw(message.smid), del, created, msg: del ? '' : msg, b_o, b_c };
  vendor.broadcast(frame, { users: readersOf(book), except });
}

/** The message with that id in a book, or the vendor's refusal. */
export function findMessage(vendor: Vendor, book: Book, smid: string): Message {
  const message = vendor.sandbox.state.messages.find(
    (candidate) => candidate.smid === smid && candidate.b_o === book.b_o && candidate.b_c === book.b_c,
  );
  if (!message || message.del) throw new VendorRefusal(`unknown message ${smid}`);
  return message;
}

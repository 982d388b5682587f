import type { Sandbox } from '../sandbox-server.ts';
import type { ByteStore } from './byte-store.ts';
import type { FieldRule, Form } from './form.ts';
import { refused, VendorRefusal } from './refusal.ts';
import type { RequestFaults } from './request-faults.ts';
import type { Book, IdKind, Row, Table, TimetonicState, User } from './state.ts';

/** The context of every part of the stand-in vendor. */
export interface Vendor {
  sandbox: Sandbox<TimetonicState>;
  bytes: ByteStore;
  requestFaults: RequestFaults;
  /**
   * Sends a frame to the attached sockets of these users (all users if absent) except one socket; returns the number of
   * recipients.
   */
  broadcast(frame: Record<string, unknown>, to?: { users?: string[]; except?: unknown }): number;
}

/** One request of the form API as its handler receives it. */
export interface Call {
  vendor: Vendor;
  form: Form;
  /** The caller; absent if no session is needed and none was given. */
  user: User | undefined;
  /** The telephone number when an SMS gateway calls. */
  gateway: string | undefined;
  sesskey: string;
  /** `u_c` as it was sent. */
  userCode: string;
}

/** One request of the form API: its parameters, and the fields of its response other than `status`, `createdVNB` and `req`. */
export interface ApiRequest {
  session: 'none' | 'required' | 'public';
  /** An SMS gateway may call it as well. */
  gateway?: true;
  /** `u_c` may differ from `o_u`. */
  anySender?: true;
  fields: Readonly<Record<string, FieldRule>>;
  /** True when it changes what a restart must remember. */
  changes?: true;
  answer(call: Call): Record<string, unknown>;
}

/** The vendor's clock in whole seconds. */
export function now(vendor: Vendor): number {
  return Math.floor(vendor.sandbox.now() / 1000);
}

const highestStamp = 2n ** 63n - 1n;

/** A new server stamp: tenths of milliseconds, as seen in public, and always above the last. */
export function nextStamp(vendor: Vendor): string {
  const { state } = vendor.sandbox;
  const last = BigInt(state.sstamp);
  const clock = BigInt(Math.floor(vendor.sandbox.now() * 10));
  state.sstamp = String(last >= highestStamp ? last : clock > last ? clock : last + 1n);
  return state.sstamp;
}

/** The next free id of a kind. */
export function nextId(vendor: Vendor, kind: IdKind): string {
  const { next } = vendor.sandbox.state;
  const id = next[kind];
  next[kind] = String(BigInt(id) + 1n);
  return id;
}

/** How a book is named in the state's maps. */
export function bookKey(book: { b_o: string; b_c: string }): string {
  return `${book.b_o}/${book.b_c}`;
}

/** The book of that owner and code, or the vendor's refusal. */
export function findBook(vendor: Vendor, b_o: string, b_c: string): Book {
  const book = vendor.sandbox.state.books.find((candidate) => candidate.b_o === b_o && candidate.b_c === b_c);
  if (!book) throw new VendorRefusal(`unknown book ${b_c}.${b_o}`);
  return book;
}

/** The table with that id, or the vendor's refusal. */
export function findTable(vendor: Vendor, id: string): Table {
  const table = vendor.sandbox.state.tables.find((candidate) => candidate.id === id);
  if (!table) throw new VendorRefusal(`unknown category ${id}`);
  return table;
}

/** The table that has a field, or the vendor's refusal. */
export function findTableOfField(vendor: Vendor, fieldId: string): Table {
  const table = vendor.sandbox.state.tables.find((candidate) => candidate.fields.some((field) => field.id === fieldId));
  if (!table) throw new VendorRefusal(`unknown field ${fieldId}`);
  return table;
}

/** A row and its table, or the vendor's refusal. */
export function findRow(vendor: Vendor, id: string): { table: Table; row: Row } {
  for (const table of vendor.sandbox.state.tables) {
    const row = Object.hasOwn(table.rows, id) ? table.rows[id] : undefined;
    if (row) return { table, row };
  }
  throw new VendorRefusal(`unknown row ${id}`);
}

/** Throws the vendor's refusal unless the caller may read (or write) the book. */
export function checkAccess(book: Book, user: User | undefined, what: 'read' | 'write'): void {
  if (book.public) return;
  if (!user) throw refused('missing parameter sesskey: the tables are not public');
  const member = book.members.find(({ u_c, invite }) => u_c === user.u_c && invite === 'accepted');
  if (!member) throw new VendorRefusal(`no access to book ${book.b_c}.${book.b_o}`);
  if (what === 'write' && member.right < 2)
    throw new VendorRefusal(`no right to write in book ${book.b_c}.${book.b_o}`);
}

/** The book of a table, after the caller's right and the `b_o` and `b_c` it may have sent were checked. */
export function bookOfTable(call: Call, table: Table, what: 'read' | 'write'): Book {
  const { form } = call;
  if ((form.maybe('b_o') ?? table.b_o) !== table.b_o || (form.maybe('b_c') ?? table.b_c) !== table.b_c) {
    throw new VendorRefusal(`category ${table.id} is not in book ${form.maybe('b_c')}.${form.maybe('b_o')}`);
  }
  const book = findBook(call.vendor, table.b_o, table.b_c);
  checkAccess(book, call.user, what);
  return book;
}

/** Users who may read a book. */
export function readersOf(book: Book): string[] {
  return book.members.filter(({ invite }) => invite === 'accepted').map(({ u_c }) => u_c);
}

/** Stamps a book after a change in it; attached sockets are also notified of changes in its tables. */
export function touchBook(
  vendor: Vendor,
  book: Book,
  by: string,
  options: { tables: boolean; except?: unknown },
): void {
  book.sstamp = nextStamp(vendor);
  if (!options.tables) return;
  book.formLastModified = now(vendor);
  vendor.broadcast({ type: 8, u_c: by }, { users: readersOf(book), except: options.except });
}

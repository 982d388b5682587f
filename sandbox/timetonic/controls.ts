import { storeFile, type Target } from './attachments.ts';
import { FileSink, generatedBytes } from './byte-store.ts';
import { dropKeys } from './key-requests.ts';
import { deleteMessage, editMessage, postMessage } from './message-changes.ts';
import type { Cut, RequestFailure } from './request-faults.ts';
import { addComment, createRow, readValues, removeRow, setValues } from './row-changes.ts';
import type { SocketHost } from './socket.ts';
import type { Book, Field, IdKind, SocketSwitches, StoredFile, Switches, Table } from './state.ts';
import type { TusHost } from './tus-host.ts';
import { findBook, findRow, type Vendor } from './vendor.ts';

/** What a test or the demo can do to the stand-in vendor. The acting user is `alex` unless `user` is set. */
export interface TimetonicControls {
  /** Changes how the vendor behaves; what is left out stays. */
  setSwitches(
    change: Partial<Omit<Switches, 'socket' | 'tusCreation'>> & {
      socket?: Partial<SocketSwitches>;
      tusCreation?: Partial<Switches['tusCreation']>;
    },
  ): Switches;
  /** Adds a row; `table` is an id, code or name, values go by field name, code or id. */
  addRow(input: { table: string; values: Record<string, unknown>; user?: string }): { rowId: string };
  updateRow(input: { rowId: string; values: Record<string, unknown>; user?: string }): void;
  deleteRow(input: { rowId: string; user?: string }): void;
  /** Adds so many generated rows to a table, for large reads. */
  fillTable(input: { table: string; rows: number }): { first: string; last: string };
  /** Makes a view the one a user last selected, which `applyViewFilters: true` then means. */
  selectView(input: { viewId: string; user?: string }): void;
  /** Adds a comment; without a field, to the table's field of comments. */
  addComment(input: { rowId: string; field?: string; text: string; user?: string }): { id: string };
  /** Posts into the demo book unless another is named. */
  postMessage(input: { msg: string; b_o?: string; b_c?: string; user?: string; uuid?: string; body?: string }): {
    smid: string;
  };
  editMessage(input: { smid: string; msg: string }): void;
  deleteMessage(input: { smid: string }): void;
  /** Sets this month's quota (null for no quota) and how much of it is used. */
  setQuota(input: { limit?: number | null; used?: number }): void;
  /** Kills session keys: one, all of a user, or all. Returns how many. */
  killSesskey(input?: { user?: string; key?: string }): { killed: number };
  killOauthkey(input?: { user?: string; key?: string }): { killed: number };
  /** Makes the next requests with a name fail. The shared faults cannot do this, because all requests have the same path. */
  failRequest(failure: RequestFailure): void;
  /** Ends the next bulk writes in a deadlock after so many of their rows. */
  deadlock(input?: { times?: number; rowsWritten?: number }): void;
  /** Cuts the connection of the next PATCHes after so many bytes of each. */
  cutUploads(cut: Cut): void;
  /** Cuts the next downloads of original files after so many bytes of each. */
  cutDownloads(cut: Cut): void;
  expireUploads(): { expired: number };
  /** Generates a file of any size, in a message, a cell or just a book (by default the demo book). */
  generateFile(input: GeneratedFile): Promise<StoredFile>;
  /** Sends a frame, or a text unchanged, to the attached sockets of a user or of everyone. */
  pushSocket(input: { frame?: Record<string, unknown>; text?: string; user?: string }): { sent: number };
  closeSockets(input?: { code?: number }): { closed: number };
  /** Who is attached, one entry for each socket. */
  attachedSockets(): string[];
  /** Sets the server stamp, up to 9223372036854775807. */
  setStamp(input: { sstamp: string }): void;
  /** The id that a kind gets next. */
  setNextId(input: { kind: IdKind; id: string }): void;
  /** Ids of tables, fields and views by their names, for callers without access to the state. */
  tables(): Record<
    string,
    { id: string; code: string; fields: Record<string, string>; views: Record<string, string>; rows: string[] }
  >;
}

/** A file to make, and where it goes. */
interface GeneratedFile {
  name: string;
  /** Content type. */
  type: string;
  size: number;
  seed?: number;
  rowId?: string;
  field?: string;
  smid?: string;
  b_o?: string;
  b_c?: string;
  user?: string;
}

/** The controls of one stand-in vendor. */
export function createControls(vendor: Vendor, tus: TusHost, sockets: SocketHost): TimetonicControls {
  const { state } = vendor.sandbox;
  return {
    setSwitches: ({ socket, tusCreation, ...rest }) => {
      for (const name of Object.keys(rest))
        if (!Object.hasOwn(state.switches, name)) throw new TypeError(`no switch ${name}`);
      Object.assign(state.switches, rest);
      Object.assign(state.switches.socket, socket);
      Object.assign(state.switches.tusCreation, tusCreation);
      return state.switches;
    },
    addRow: ({ table: name, values, user = 'alex' }) => {
      const table = tableNamed(vendor, name);
      return { rowId: createRow(vendor, table, readValues(vendor, table, byId(table, values)), { by: user }).id };
    },
    updateRow: ({ rowId, values, user = 'alex' }) => {
      const { table, row } = findRow(vendor, rowId);
      setValues(vendor, table, row, readValues(vendor, table, byId(table, values)), { by: user });
    },
    deleteRow: ({ rowId, user = 'alex' }) => {
      const { table, row } = findRow(vendor, rowId);
      removeRow(vendor, table, row, { by: user });
    },
    fillTable: ({ table: name, rows }) => {
      const table = tableNamed(vendor, name);
      const text = table.fields.find(({ type }) => type === 'text');
      const ids = Array.from({ length: rows }, (_, at) => {
        const values = readValues(vendor, table, text ? { [text.id]: `row ${at}` } : {});
        return createRow(vendor, table, values, { by: 'alex' }).id;
      });
      return { first: ids[0] ?? '', last: ids.at(-1) ?? '' };
    },
    selectView: ({ viewId, user = 'demo' }) => {
      const table = state.tables.find(({ views }) => views.some(({ id }) => id === viewId));
      const chooser = state.users[user];
      if (!table || !chooser) throw new TypeError(`no view ${viewId} or no user ${user}`);
      chooser.selectedViews[table.id] = viewId;
    },
    addComment: ({ rowId, field, text, user = 'alex' }) => {
      const { table, row } = findRow(vendor, rowId);
      const commented =
        field === undefined ? table.fields.find(({ type }) => type === 'comments') : fieldNamed(table, field);
      if (!commented) throw new TypeError(`${table.name} has no field of comments`);
      return { id: addComment(vendor, table, row, commented.id, text, user) };
    },
    postMessage: ({ msg, b_o = 'demo', b_c = 'operations', user = 'alex', uuid, body }) => {
      const draft = {
        msg,
        by: user,
        method: '_web' as const,
        ...(uuid !== undefined && { uuid }),
        ...(body !== undefined && { body }),
      };
      return { smid: postMessage(vendor, findBook(vendor, b_o, b_c), draft).smid };
    },
    editMessage: ({ smid, msg }) => editMessage(vendor, messageNamed(vendor, smid), msg),
    deleteMessage: ({ smid }) => deleteMessage(vendor, messageNamed(vendor, smid)),
    setQuota: ({ limit, used }) => {
      state.quota.month = new Date(vendor.sandbox.now()).toISOString().slice(0, 7);
      if (limit !== undefined) state.quota.limit = limit;
      if (used !== undefined) state.quota.used = used;
    },
    killSesskey: ({ user, key } = {}) => ({ killed: dropKeys(state.sesskeys, user, undefined, key) }),
    killOauthkey: ({ user, key } = {}) => ({ killed: dropKeys(state.oauthkeys, user, undefined, key) }),
    failRequest: vendor.requestFaults.failRequest,
    deadlock: (input = {}) => vendor.requestFaults.deadlock(input),
    cutUploads: vendor.requestFaults.cutUploads,
    cutDownloads: vendor.requestFaults.cutDownloads,
    expireUploads: () => ({ expired: tus.expire() }),
    generateFile: (input) => generateFile(vendor, input),
    pushSocket: ({ frame, text, user }) => ({ sent: sockets.sendText(text ?? JSON.stringify(frame ?? {}), user) }),
    closeSockets: ({ code } = {}) => ({ closed: sockets.closeAll(code) }),
    attachedSockets: sockets.attached,
    setStamp: ({ sstamp }) => {
      state.sstamp = String(BigInt(sstamp));
    },
    setNextId: ({ kind, id }) => {
      if (!Object.hasOwn(state.next, kind)) throw new TypeError(`no ids of kind ${kind}`);
      state.next[kind] = String(BigInt(id));
    },
    tables: () => Object.fromEntries(state.tables.map((table) => [table.name, namesOf(table)])),
  };
}

function namesOf({ id, code, fields, views, rows }: Table) {
  const byName = (items: { id: string; name: string }[]) =>
    Object.fromEntries(items.map((item) => [item.name, item.id]));
  return { id, code, fields: byName(fields), views: byName(views), rows: Object.keys(rows) };
}

function tableNamed(vendor: Vendor, name: string): Table {
  const table = vendor.sandbox.state.tables.find((candidate) =>
    [candidate.id, candidate.code, candidate.name].includes(name),
  );
  if (!table) throw new TypeError(`no table ${name}`);
  return table;
}

function fieldNamed(table: Table, name: string): Field {
  const field = table.fields.find((candidate) => [candidate.id, candidate.fixed_code, candidate.name].includes(name));
  if (!field) throw new TypeError(`no field ${name} in ${table.name}`);
  return field;
}

function byId(table: Table, values: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(values).map(([name, value]) => [fieldNamed(table, name).id, value]));
}

function messageNamed(vendor: Vendor, smid: string) {
  const message = vendor.sandbox.state.messages.find((candidate) => candidate.smid === smid);
  if (!message) throw new TypeError(`no message ${smid}`);
  return message;
}

async function generateFile(vendor: Vendor, input: GeneratedFile): Promise<StoredFile> {
  const { name, type, size, seed = 1, user = 'alex', b_o = 'demo', b_c = 'operations' } = input;
  let book: Pick<Book, 'b_o' | 'b_c'> = findBook(vendor, b_o, b_c);
  let target: Target = {};
  if (input.rowId !== undefined) {
    const { table, row } = findRow(vendor, input.rowId);
    const field =
      input.field === undefined
        ? table.fields.find((candidate) => candidate.type === 'file')
        : fieldNamed(table, input.field);
    if (!field) throw new TypeError(`${table.name} has no field of files`);
    [target, book] = [{ table, row, field }, table];
  } else if (input.smid !== undefined) {
    const message = messageNamed(vendor, input.smid);
    [target, book] = [{ message }, message];
  }
  const sink = new FileSink();
  let count = 0;
  for (const block of generatedBytes(seed, size)) {
    sink.write(block);
    // Hashing a gigabyte takes seconds: other requests get their turn meanwhile.
    if (++count % 256 === 0) await new Promise((resolve) => setImmediate(resolve));
  }
  const place = { b_o: book.b_o, b_c: book.b_c };
  const uuid = `FU-${vendor.sandbox.now()}-${vendor.sandbox.state.next.file}`;
  return storeFile(
    vendor,
    { uuid, originName: name, contentType: type, by: user, book: place, seed },
    sink.finish(),
    target,
  );
}

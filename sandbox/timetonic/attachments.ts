import { randomBytes } from 'node:crypto';
import type { FileSink } from './byte-store.ts';
import { stampMessage } from './message-changes.ts';
import { refused } from './refusal.ts';
import { touchRow } from './row-changes.ts';
import type { Field, Message, Row, StoredFile, Table } from './state.ts';
import { nextId, now, type Vendor } from './vendor.ts';

/** The target of an attachment. */
export type Target = { message: Message } | { table: Table; row: Row; field: Field } | Record<string, never>;

/** A file on its way into the vendor's store. */
export interface Arrived {
  uuid: string;
  originName: string;
  contentType: string;
  by: string;
  book: { b_o: string; b_c: string };
  /** Set when the bytes are generated from this seed instead of stored. */
  seed?: number;
}

const mediaTypes = /^(?:image|audio|video)\//;

/** Whether the vendor classifies a file as a medium or as a document. */
function kindOf(contentType: string): 'media' | 'doc' {
  return mediaTypes.test(contentType) ? 'media' : 'doc';
}

/** Rejects a file that cannot be attached: a field of another type, or a message that announced no more of its kind. */
export function checkTarget(vendor: Vendor, target: Target, contentType: string): void {
  if ('field' in target && target.field.type !== 'file') throw refused(`field ${target.field.id} is not a file field`);
  if (!('message' in target)) return;
  const kind = kindOf(contentType);
  const { smid, nbMedias, nbDocs } = target.message;
  const there = vendor.sandbox.state.files.filter((file) => file.smid === smid && file.type === kind).length;
  const announced = kind === 'media' ? nbMedias : nbDocs;
  if (there >= announced) throw refused(`message ${smid} announced ${announced} of ${kind} and has ${there}`);
}

/** Stores a finished file and attaches it to its message or cell. */
export function storeFile(
  vendor: Vendor,
  arrived: Arrived,
  content: ReturnType<FileSink['finish']>,
  target: Target,
): StoredFile {
  const { state } = vendor.sandbox;
  const { uuid, originName, contentType, by, book, seed } = arrived;
  const type = kindOf(contentType);
  const place = placeOf(target);
  const mdc = state.files.filter((file) => file.type === type && isAt(file, place)).length;
  const ext = /\.([A-Za-z0-9]{1,8})$/.exec(originName)?.[1]?.toLowerCase() ?? '';
  const internName = `${randomBytes(7).toString('base64url').replaceAll(/[-_]/g, 'x')}${ext === '' ? '' : `.${ext}`}`;
  const file: StoredFile = {
    id: nextId(vendor, 'file'),
    uuid,
    internName,
    originName,
    ext,
    contentType,
    type,
    size: content.size,
    sha256: content.sha256,
    u_c: by,
    ...book,
    mdc,
    created: now(vendor),
    ...place,
    ...(seed !== undefined && { seed }),
  };
  state.files.push(file);
  if (content.bytes && seed === undefined) vendor.bytes.put(file.id, content.bytes);
  if ('message' in target && target.message) stampMessage(vendor, target.message);
  if ('row' in target && target.row) touchRow(vendor, target.table, target.row, { by });
  return file;
}

function placeOf(target: Target): { smid?: string; rowId?: string; fieldId?: string } {
  if ('message' in target && target.message) return { smid: target.message.smid };
  if ('row' in target && target.row) return { rowId: target.row.id, fieldId: target.field.id };
  return {};
}

function isAt(file: StoredFile, place: ReturnType<typeof placeOf>): boolean {
  return file.smid === place.smid && file.rowId === place.rowId && file.fieldId === place.fieldId;
}

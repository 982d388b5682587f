import { commentsJson, commentsOf } from './comment-json.ts';
import { raw, rawNumber } from './exact-json.ts';
import { asObject } from './form.ts';
import { refused, VendorRefusal } from './refusal.ts';
import type { Cell, Field, LinkValue, Row } from './state.ts';
import { findTable, type Vendor } from './vendor.ts';

/** How a cell is read: by whom, and with how many comments. */
export interface CellReading {
  reader: string | undefined;
  maxComments?: number;
}

/** A cell as answers show it: the value, and the display text where it differs. */
export function cellJson(
  vendor: Vendor,
  row: Row,
  field: Field,
  reading: CellReading,
): { value: unknown; text?: string } {
  const cell = row.values[field.id];
  switch (field.type) {
    case 'comments':
      return { value: commentsJson(commentsOf(vendor, row.id, field.id), reading.reader, reading.maxComments) };
    case 'activity':
      return activityJson(vendor, row);
    case 'file': {
      const files = vendor.sandbox.state.files.filter(({ rowId, fieldId }) => rowId === row.id && fieldId === field.id);
      if (files.length === 0) return { value: null };
      const value = files.map(({ id, uuid, ext, originName, internName, type, size }) => {
        return { id: raw(id), uuid, ext, originName, internName, type, size };
      });
      return { value, text: files.map(({ originName }) => originName).join(', ') };
    }
    case 'link': {
      if (!Array.isArray(cell) || cell.length === 0) return { value: null };
      const value = cell.map((link) => ({ row_id: raw(link.row_id), value: link.value }));
      return { value, text: cell.map((link) => link.value).join(', ') };
    }
    case 'number':
      return { value: typeof cell === 'string' ? rawNumber(cell) : null };
    default:
      return { value: cell ?? null };
  }
}

function activityJson(vendor: Vendor, row: Row): { value: unknown; text?: string } {
  if (!row.last) return { value: null };
  const { id, text, action, created, sstamp, u_c } = row.last;
  const user = Object.hasOwn(vendor.sandbox.state.users, u_c) ? vendor.sandbox.state.users[u_c] : undefined;
  const by = { c: u_c, n: user ? `${user.firstName} ${user.lastName}` : u_c, s: raw(user?.sstamp ?? '0') };
  const last = { id: raw(id), m: text, mid: 0, action, c: created, s: raw(sstamp), u: by };
  return { value: { last, total: row.changes }, text };
}

/** The text that filters and links use. */
export function cellText(cell: Cell | undefined): string {
  if (cell === undefined) return '';
  return typeof cell === 'string' ? cell : cell.map(({ value }) => value).join(', ');
}

/** The stored form of a written value; undefined when it empties the cell. Throws the vendor's refusal for invalid values. */
export function parseCell(vendor: Vendor, field: Field, value: unknown, linkSeparator: string): Cell | undefined {
  if (field.type === 'file') throw refused(`field ${field.id}: files are not set by value, use fileUpload`);
  if (field.type === 'comments' || field.type === 'activity') throw refused(`field ${field.id} is read only`);
  if (value === null || value === '') return undefined;
  if (field.type === 'link') return parseLinks(vendor, field, value, linkSeparator);
  if (typeof value === 'object' || typeof value === 'boolean')
    throw refused(`field ${field.id}: value must be text or a number`);
  const text = String(value);
  if (field.type === 'number' && !/^-?\d+(?:\.\d+)?$/.test(text)) throw refused(`field ${field.id}: not a number`);
  return field.type === 'date' ? parseDate(field, text) : text;
}

const dateForm = /^(\d{4}-\d{2}-\d{2})(?:[ T](\d{2}:\d{2})(:\d{2})?(?:\.\d+)?(Z|[+-]\d{2}:\d{2})?)?$/;

/** Dates are kept as the vendor shows them, in UTC and without a zone. */
function parseDate(field: Field, text: string): string {
  const parts = dateForm.exec(text);
  if (!parts) throw refused(`field ${field.id}: not a date`);
  const [, day, minute, second, zone] = parts;
  if (minute === undefined) return text;
  const time = new Date(`${day}T${minute}${second ?? ':00'}${zone ?? 'Z'}`);
  if (Number.isNaN(time.getTime())) throw refused(`field ${field.id}: not a date`);
  return time.toISOString().slice(0, 19).replace('T', ' ');
}

function parseLinks(vendor: Vendor, field: Field, value: unknown, separator: string): LinkValue[] | undefined {
  const target = findTable(vendor, field.linkTableId ?? '');
  const title = target.fields[0]?.id ?? '';
  const wanted = Array.isArray(value) ? value : String(value).split(separator);
  const links = wanted.map((item): LinkValue => {
    if (typeof item === 'string') {
      const row = Object.values(target.rows).find((candidate) => cellText(candidate.values[title]) === item.trim());
      if (!row) throw new VendorRefusal(`field ${field.id}: no row of ${target.name} is called ${item.trim()}`);
      return { row_id: row.id, value: item.trim() };
    }
    const id = String(asObject(item, `field ${field.id}`).row_id);
    const row = Object.hasOwn(target.rows, id) ? target.rows[id] : undefined;
    if (!row) throw new VendorRefusal(`field ${field.id}: unknown row ${id}`);
    return { row_id: id, value: cellText(row.values[title]) };
  });
  return links.length > 0 ? links : undefined;
}

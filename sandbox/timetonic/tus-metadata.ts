import { checkTarget, type Target } from './attachments.ts';
import { checkFields, type FieldRule } from './form.ts';
import { refused, VendorRefusal } from './refusal.ts';
import { fieldOf } from './row-requests.ts';
import { checkAccess, findBook, findRow, type Vendor } from './vendor.ts';

const rules: Record<string, FieldRule> = {
  o_u: 'text',
  u_c: 'text',
  b_o: 'text',
  b_c: 'text',
  sesskey: 'text',
  rowId: 'id',
  fieldId: 'id',
  uuid: 'text',
  filename: 'text',
  filetype: 'text',
  version: 'text?',
  filelastmodified: 'any?',
};

/** A refusal that TUS expresses with a status. */
export class TusRefusal extends VendorRefusal {
  readonly status: number;

  constructor(status: number, text: string, refusal = false) {
    super(text, { refusal });
    this.status = status;
  }
}

/** Parses an `Upload-Metadata` header: names with Base64 values, separated by commas. */
export function metadataOf(header: string | string[] | undefined): Record<string, string> {
  if (typeof header !== 'string' || header === '') throw refused('Upload-Metadata is expected');
  const values: Record<string, string> = {};
  for (const pair of header.split(',')) {
    const [name = '', encoded = '', ...more] = pair.trim().split(' ');
    const value = Buffer.from(encoded, 'base64');
    if (name === '' || more.length > 0 || value.toString('base64') !== encoded)
      throw refused(`Upload-Metadata: malformed pair ${name}`);
    if (Object.hasOwn(values, name)) throw refused(`Upload-Metadata: ${name} was sent twice`);
    values[name] = value.toString('utf8');
  }
  return values;
}

/** Checks the uploader and the target before any byte is accepted. */
export function checkMetadata(vendor: Vendor, metadata: Record<string, string>): void {
  const { state } = vendor.sandbox;
  const form = checkFields(new Map(Object.entries(metadata)), rules);
  const sesskey = form.text('sesskey');
  const owner = Object.hasOwn(state.sesskeys, sesskey) ? state.sesskeys[sesskey] : undefined;
  if (!owner || !('user' in owner) || owner.user !== form.text('o_u'))
    throw new TusRefusal(403, state.switches.sesskeyError);
  if (form.text('u_c') !== owner.user) throw refused('u_c must be same as o_u');
  checkAccess(findBook(vendor, form.text('b_o'), form.text('b_c')), state.users[owner.user], 'write');
  checkTarget(vendor, targetOfUpload(vendor, metadata), form.text('filetype'));
}

/** The target cell of an upload. */
export function targetOfUpload(vendor: Vendor, metadata: Record<string, string>): Target {
  const { rowId = '', fieldId = '', b_o, b_c } = metadata;
  const { table, row } = findRow(vendor, rowId);
  if (table.b_o !== b_o || table.b_c !== b_c) throw new VendorRefusal(`row ${rowId} is not in book ${b_c}.${b_o}`);
  return { table, row, field: fieldOf(table, fieldId) };
}

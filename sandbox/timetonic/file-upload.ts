import { checkTarget, storeFile, type Target } from './attachments.ts';
import { FileSink } from './byte-store.ts';
import { findMessage } from './message-changes.ts';
import { boundaryOf, readMultipart } from './multipart.ts';
import { refused } from './refusal.ts';
import { fieldOf } from './row-requests.ts';
import type { StoredFile } from './state.ts';
import { type ApiRequest, bookOfTable, type Call, checkAccess, findBook, findRow, type Vendor } from './vendor.ts';

/** A file that came in a multipart body, already hashed and counted. */
export interface UploadedFile {
  fileName: string;
  contentType: string;
  content: ReturnType<FileSink['finish']>;
}

/** The fields of a multipart body and its one file, read in constant memory. */
export async function readUpload(
  source: AsyncIterable<Buffer>,
  contentType: string,
): Promise<{ values: Map<string, string>; file: UploadedFile | undefined }> {
  const boundary = boundaryOf(contentType);
  if (boundary === undefined) throw refused('multipart without a boundary');
  const values = new Map<string, string>();
  let file: UploadedFile | undefined;
  await readMultipart(source, boundary, (part) => {
    const sink = new FileSink();
    const { fileName } = part;
    if (fileName !== undefined && (part.name !== 'qqfile' || file))
      throw refused('exactly one file named qqfile is expected');
    return {
      write: (chunk) => sink.write(chunk),
      end: () => {
        const content = sink.finish();
        if (fileName !== undefined) file = { fileName, contentType: part.contentType, content };
        else if (values.has(part.name)) throw refused(`parameter ${part.name} was sent twice`);
        else values.set(part.name, content.bytes?.toString('utf8') ?? '');
      },
    };
  });
  return { values, file };
}

/** `fileUpload`: a file for a message or for a cell. */
export function fileUploadRequest(file: UploadedFile | undefined): ApiRequest {
  return {
    session: 'required',
    fields: { b_o: 'text', b_c: 'text', uuid: 'text', smid: 'id?', rowId: 'id?', fieldId: 'id?' },
    changes: true,
    answer: (call) => {
      if (!file) throw refused('no file: a multipart body with qqfile is expected');
      const { vendor, form, user } = call;
      const book = findBook(vendor, form.text('b_o'), form.text('b_c'));
      checkAccess(book, user, 'write');
      const target = targetOf(call);
      checkTarget(vendor, target, file.contentType);
      const arrived = {
        uuid: form.text('uuid'),
        originName: file.fileName,
        contentType: file.contentType,
        by: user?.u_c ?? '',
      };
      const stored = storeFile(vendor, { ...arrived, book: { b_o: book.b_o, b_c: book.b_c } }, file.content, target);
      return uploadedJson(vendor, stored);
    },
  };
}

function targetOf(call: Call): Target {
  const { vendor, form } = call;
  const [smid, rowId, fieldId] = [form.maybe('smid'), form.maybe('rowId'), form.maybe('fieldId')];
  if (smid !== undefined && (rowId ?? fieldId) === undefined) {
    return { message: findMessage(vendor, findBook(vendor, form.text('b_o'), form.text('b_c')), smid) };
  }
  if (smid !== undefined || rowId === undefined || fieldId === undefined)
    throw refused('either smid, or rowId and fieldId');
  const { table, row } = findRow(vendor, rowId);
  bookOfTable(call, table, 'write');
  return { table, row, field: fieldOf(table, fieldId) };
}

/** The vendor's answer about an accepted file: names in snake case and ids as text, as seen in public. */
function uploadedJson(vendor: Vendor, file: StoredFile): Record<string, unknown> {
  const place = (type: string, size: string) =>
    `${vendor.sandbox.url}/live/dbi/${type}/${size}/${file.uuid}/${encodeURIComponent(file.originName)}`;
  return {
    b_c: file.b_c,
    b_o: file.b_o,
    smid: file.smid,
    field_id: file.fieldId,
    row_id: file.rowId,
    success: true,
    uuid: file.uuid,
    id: file.id,
    type: file.type,
    mdc: String(file.mdc),
    ext: file.ext,
    originName: file.originName,
    name: file.originName,
    internName: file.internName,
    utilisateur_code: file.u_c,
    filesize: String(file.size),
    url: place(file.type === 'media' ? 'in' : 'odn', 'full'),
    gallery: place(file.type === 'media' ? 'in' : 'odn', file.type === 'media' ? 'norm' : 'full'),
    preview: place(file.type === 'media' ? 'in' : 'dn', 'tb'),
  };
}

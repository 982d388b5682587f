import type { FieldError } from '../../../core/errors.ts';
import { type GivenFile, openSource } from '../../../core/given-file.ts';
import type { TimetonicCall } from '../connection.ts';
import { makeOnce, nameOf } from '../writes/made-once.ts';
import { uuidPrefix } from '../writes/message-writes.ts';
import { uploadFile } from './file-upload.ts';

type Ok = { status: 'ok'; [field: string]: unknown };

interface AttachInput {
  bookOwner: string;
  bookCode: string;
  file: GivenFile;
  smid?: string | undefined;
  rowId?: string | undefined;
  fieldId?: string | undefined;
  uuid?: string | undefined;
}

/** A file belongs to a message or to a cell. */
export function placeProblem({ smid, rowId, fieldId }: Partial<AttachInput>): FieldError | undefined {
  const toCell = rowId !== undefined && fieldId !== undefined;
  const half = (rowId !== undefined) !== (fieldId !== undefined);
  if (!half && (smid !== undefined) !== toCell) return undefined;
  return { pointer: '/smid', message: 'is needed alone, or rowId and fieldId together' };
}

/** Attaches a file to a message or a cell; a file with a caller-supplied uuid only once. */
export async function attachFile(input: AttachInput, call: TimetonicCall): Promise<Ok> {
  const { bookOwner, bookCode, smid, rowId, fieldId, uuid } = input;
  const source = await openSource(input.file, call);
  const place = { b_o: bookOwner, b_c: bookCode, smid, rowId, fieldId };
  const upload = async (name: string) => (await uploadFile(call, source, place, name)) as Ok;
  if (uuid === undefined) return upload(`${uuidPrefix}${call.random.bytes(16).toString('hex')}`);
  const { answer, existing } = await makeOnce(call, nameOf('file', [place, uuid]), `the file ${uuid}`, () =>
    upload(uuid),
  );
  return existing ? { ...answer, existing: true } : answer;
}

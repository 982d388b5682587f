import * as z from 'zod/mini';
import { field, integer, only, pathSegment } from '../../../core/field.ts';
import { file, isSlow } from '../../../core/given-file.ts';
import type { Shape } from '../../../core/operation.ts';
import { book, fieldId, id, operation, rowId, uuid } from '../fields.ts';
import { attachFile, placeProblem } from '../files/attach.ts';
import type { FileAddress } from '../files/downloads.ts';
import { uploaded } from '../shapes.ts';

const sizes = () =>
  field(z.enum(['norm', 'tb', 'cover', 'full']), {
    description: 'norm 1500 pixels, tb 150, cover 400, full the original size.',
  });
const thumbnail = () => only('tb');
const fileName = () => z.optional(pathSegment());
const mdc = () => field(integer(0), { description: 'The index among the images or documents of the message, from 0.' });

const ofMessage = <S extends z.ZodMiniType>(size: S) => ({
  size,
  ...book(),
  smid: id(),
  mdc: mdc(),
  fileName: fileName(),
});
const byId = <S extends z.ZodMiniType, N extends string>(size: S, name: N) => ({
  size,
  ...book(),
  [name]: id(),
  fileName: fileName(),
});
const byName = <S extends z.ZodMiniType>(size: S) => ({
  size,
  internalNameOrUuid: field(pathSegment(), {
    description: 'Anyone who knows this name can open the file, so keep it secret.',
  }),
  fileName: fileName(),
});

/** A read whose output is the bytes of a file. */
const download = <S extends Shape>(summary: string, call: FileAddress, input: () => S) =>
  operation({ summary, effect: 'read', input, output: () => z.file(), call });

/** TimeTonic does not publish its upload hosts. */
const uploadHost = {
  setting: 'uploadUrl',
  message: 'This connection has no uploadUrl. Ask TimeTonic for your upload host and set it, or use fileUpload.',
};

/** File downloads, as streams with their content type, and uploads. */
export const fileOperations = {
  getMessageImage: download(
    'Get an image of a message',
    '/dbi/ic/{size}/{bookOwner}/{bookCode}/{smid}/{mdc}/{fileName?}',
    () => ofMessage(sizes()),
  ),
  openMessageMedia: download(
    'Open an image, video or audio file of a message',
    '/dbi/oic/{size}/{bookOwner}/{bookCode}/{smid}/{mdc}/{fileName?}',
    () => ofMessage(sizes()),
  ),
  getMessageDocumentThumbnail: download(
    'Get the thumbnail of a document of a message',
    '/dbi/dc/{size}/{bookOwner}/{bookCode}/{smid}/{mdc}/{fileName?}',
    () => ofMessage(thumbnail()),
  ),
  openMessageDocument: download(
    'Open a document of a message',
    '/dbi/odc/{size}/{bookOwner}/{bookCode}/{smid}/{mdc}/{fileName?}',
    () => ofMessage(z.enum(['full', 'tb'])),
  ),
  getImageById: download('Get an image by its id', '/dbi/ii/{size}/{bookOwner}/{bookCode}/{imageId}/{fileName?}', () =>
    byId(sizes(), 'imageId'),
  ),
  openMediaById: download(
    'Open an image, video or audio file by its id',
    '/dbi/oii/{size}/{bookOwner}/{bookCode}/{mediaId}/{fileName?}',
    () => byId(sizes(), 'mediaId'),
  ),
  getDocumentThumbnailById: download(
    'Get the thumbnail of a document by its id',
    '/dbi/di/{size}/{bookOwner}/{bookCode}/{docId}/{fileName?}',
    () => byId(thumbnail(), 'docId'),
  ),
  openDocumentById: download(
    'Open a document by its id',
    '/dbi/odi/{size}/{bookOwner}/{bookCode}/{docId}/{fileName?}',
    () => byId(only('full'), 'docId'),
  ),
  getImageByName: download(
    'Get an image by its internal name, with which anyone can open it',
    '/dbi/in/{size}/{internalNameOrUuid}/{fileName?}',
    () => byName(sizes()),
  ),
  openMediaByName: download(
    'Open an image, video or audio file by its internal name',
    '/dbi/oin/{size}/{internalNameOrUuid}/{fileName?}',
    () => byName(sizes()),
  ),
  getDocumentThumbnailByName: download(
    'Get the thumbnail of a document by its internal name',
    '/dbi/dn/{size}/{internalNameOrUuid}/{fileName?}',
    () => byName(thumbnail()),
  ),
  openDocumentByName: download(
    'Open a document by its internal name',
    '/dbi/odn/{size}/{internalNameOrUuid}/{fileName?}',
    () => byName(only('full')),
  ),
  getLastBookImage: download(
    'Get the newest image of a book',
    '/dbi/last/{size}/{bookOwner}/{bookCode}/{imageId?}',
    () => ({ size: sizes(), ...book(), imageId: z.optional(id()) }),
  ),
  getUserImage: download(
    'Get the image of a user; a placeholder for a user who is not a contact',
    '/dbi/ui/{size}/{userId}/{sstamp}',
    () => ({ size: sizes(), userId: pathSegment(), sstamp: id() }),
  ),
  fileUpload: operation({
    summary: 'Attach a file to a message or to a cell',
    effect: 'write',
    input: () => ({
      ...book(),
      file: file(),
      smid: z.optional(id()),
      rowId: z.optional(rowId()),
      fieldId: z.optional(fieldId()),
      uuid: uuid(),
    }),
    output: uploaded,
    rule: placeProblem,
    slow: (input) => isSlow(input.file),
    rawRoute: 'req=fileUpload',
    call: (input, _send, call) => attachFile(input, call),
    example: {
      bookOwner: 'demo',
      bookCode: 'operations',
      file: { base64: 'SGVsbG8=', name: 'hello.txt', type: 'text/plain' },
      rowId: '19975055',
      fieldId: '1367490',
    },
  }),
  resumableUpload: operation({
    summary: 'Attach a file of any size to a cell; an interrupted upload is resumed',
    effect: 'write',
    input: () => ({ ...book(), rowId: rowId(), fieldId: fieldId(), uuid: uuid(), file: file() }),
    output: uploaded,
    needs: uploadHost,
    slow: () => true,
    rawRoute: null,
    call: async (input, _send, call) => (await import('../files/resumable-upload.ts')).resumableUpload(input, call),
  }),
  getUploadMeta: operation({
    summary: 'Read the result of a resumable upload',
    effect: 'read',
    input: () => ({ fileId: pathSegment().check(z.regex(/^[\w.+-]+$/, 'must be the id of an upload')) }),
    output: uploaded,
    needs: uploadHost,
    rawRoute: null,
    call: async (input, _send, call) => (await import('../files/upload-host.ts')).readMeta(call, input.fileId),
  }),
};

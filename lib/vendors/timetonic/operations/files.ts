import * as z from 'zod/mini';
import { field, integer, only, pathSegment } from '../../../core/field.ts';
import { file, isSlow } from '../../../core/given-file.ts';
import { book, fieldId, id, operation, rowId, uuid } from '../fields.ts';
import { attachFile, placeProblem } from '../files/attach.ts';
import { uploaded } from '../shapes.ts';

const sizes = () =>
  field(z.enum(['norm', 'tb', 'cover', 'full']), {
    description: 'norm 1500 pixels, tb 150, cover 400, full the original size.',
  });
const thumbnail = () => only('tb');
const fileName = () => z.optional(pathSegment());
const mdc = () => field(integer(0), { description: 'The index among the images or documents of the message, from 0.' });
const bytes = () => z.file();

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

/** TimeTonic does not publish its upload hosts. */
const uploadHost = {
  setting: 'uploadUrl',
  message: 'This connection has no uploadUrl. Ask TimeTonic for your upload host and set it, or use fileUpload.',
};

/** File downloads, as streams with their content type, and uploads. */
export const fileOperations = {
  getMessageImage: operation({
    summary: 'Get an image of a message',
    effect: 'read',
    input: () => ofMessage(sizes()),
    output: bytes,
    call: '/dbi/ic/{size}/{bookOwner}/{bookCode}/{smid}/{mdc}/{fileName?}',
  }),
  openMessageMedia: operation({
    summary: 'Open an image, video or audio file of a message',
    effect: 'read',
    input: () => ofMessage(sizes()),
    output: bytes,
    call: '/dbi/oic/{size}/{bookOwner}/{bookCode}/{smid}/{mdc}/{fileName?}',
  }),
  getMessageDocumentThumbnail: operation({
    summary: 'Get the thumbnail of a document of a message',
    effect: 'read',
    input: () => ofMessage(thumbnail()),
    output: bytes,
    call: '/dbi/dc/{size}/{bookOwner}/{bookCode}/{smid}/{mdc}/{fileName?}',
  }),
  openMessageDocument: operation({
    summary: 'Open a document of a message',
    effect: 'read',
    input: () => ofMessage(z.enum(['full', 'tb'])),
    output: bytes,
    call: '/dbi/odc/{size}/{bookOwner}/{bookCode}/{smid}/{mdc}/{fileName?}',
  }),
  getImageById: operation({
    summary: 'Get an image by its id',
    effect: 'read',
    input: () => byId(sizes(), 'imageId'),
    output: bytes,
    call: '/dbi/ii/{size}/{bookOwner}/{bookCode}/{imageId}/{fileName?}',
  }),
  openMediaById: operation({
    summary: 'Open an image, video or audio file by its id',
    effect: 'read',
    input: () => byId(sizes(), 'mediaId'),
    output: bytes,
    call: '/dbi/oii/{size}/{bookOwner}/{bookCode}/{mediaId}/{fileName?}',
  }),
  getDocumentThumbnailById: operation({
    summary: 'Get the thumbnail of a document by its id',
    effect: 'read',
    input: () => byId(thumbnail(), 'docId'),
    output: bytes,
    call: '/dbi/di/{size}/{bookOwner}/{bookCode}/{docId}/{fileName?}',
  }),
  openDocumentById: operation({
    summary: 'Open a document by its id',
    effect: 'read',
    input: () => byId(only('full'), 'docId'),
    output: bytes,
    call: '/dbi/odi/{size}/{bookOwner}/{bookCode}/{docId}/{fileName?}',
  }),
  getImageByName: operation({
    summary: 'Get an image by its internal name, with which anyone can open it',
    effect: 'read',
    input: () => byName(sizes()),
    output: bytes,
    call: '/dbi/in/{size}/{internalNameOrUuid}/{fileName?}',
  }),
  openMediaByName: operation({
    summary: 'Open an image, video or audio file by its internal name',
    effect: 'read',
    input: () => byName(sizes()),
    output: bytes,
    call: '/dbi/oin/{size}/{internalNameOrUuid}/{fileName?}',
  }),
  getDocumentThumbnailByName: operation({
    summary: 'Get the thumbnail of a document by its internal name',
    effect: 'read',
    input: () => byName(thumbnail()),
    output: bytes,
    call: '/dbi/dn/{size}/{internalNameOrUuid}/{fileName?}',
  }),
  openDocumentByName: operation({
    summary: 'Open a document by its internal name',
    effect: 'read',
    input: () => byName(only('full')),
    output: bytes,
    call: '/dbi/odn/{size}/{internalNameOrUuid}/{fileName?}',
  }),
  getLastBookImage: operation({
    summary: 'Get the newest image of a book',
    effect: 'read',
    input: () => ({ size: sizes(), ...book(), imageId: z.optional(id()) }),
    output: bytes,
    call: '/dbi/last/{size}/{bookOwner}/{bookCode}/{imageId?}',
  }),
  getUserImage: operation({
    summary: 'Get the image of a user; a placeholder for a user who is not a contact',
    effect: 'read',
    input: () => ({ size: sizes(), userId: pathSegment(), sstamp: id() }),
    output: bytes,
    call: '/dbi/ui/{size}/{userId}/{sstamp}',
  }),
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
    route: 'req=fileUpload',
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
    route: null,
    call: async (input, _send, call) => (await import('../files/resumable-upload.ts')).resumableUpload(input, call),
  }),
  getUploadMeta: operation({
    summary: 'Read the result of a resumable upload',
    effect: 'read',
    input: () => ({ fileId: pathSegment().check(z.regex(/^[\w.+-]+$/, 'must be the id of an upload')) }),
    output: uploaded,
    needs: uploadHost,
    route: null,
    call: async (input, _send, call) => (await import('../files/upload-host.ts')).readMeta(call, input.fileId),
  }),
};

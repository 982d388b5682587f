import * as z from 'zod/mini';
import { named } from '../../core/field.ts';

/** A 64-bit number in a response: always its digits. */
export const big = () =>
  z.pipe(
    z.union([z.number(), z.string()]),
    z.transform((value: number | string) => String(value)),
  );

/** PHP writes an empty map as an empty list. */
const mapOf = <T extends z.ZodMiniType>(value: T) =>
  z.pipe(
    z.union([z.record(z.string(), value), z.array(z.never())]),
    z.transform((map): Record<string, z.output<T>> => (Array.isArray(map) ? {} : map)),
  );
const map = () => mapOf(z.unknown());

/** The fields of every `ok` response. */
const answer = <S extends Record<string, z.ZodMiniType>>(shape: S) =>
  z.looseObject({ status: z.literal('ok'), ...shape });

export const done = () => named('Status', answer({}));
export const stamped = () => answer({ sstamp: z.optional(big()) });

const message = () =>
  named(
    'BookMessage',
    z.looseObject({
      smid: big(),
      sstamp: z.optional(big()),
      lastCommentId: z.optional(big()),
      uuid: z.optional(z.string()),
      u_c: z.optional(z.string()),
      msg: z.optional(z.nullable(z.string())),
      created: z.optional(z.number()),
      lastModified: z.optional(z.number()),
    }),
  );

const bookShape = () =>
  named(
    'Book',
    z.looseObject({
      b_c: z.string(),
      b_o: z.string(),
      sstamp: z.optional(big()),
      fpForm: z.optional(z.nullable(z.looseObject({ lastModified: z.optional(z.unknown()) }))),
      lastMsg: z.optional(z.nullable(message())),
    }),
  );

const contact = () => z.looseObject({ u_c: z.string(), sstamp: z.optional(big()) });

export const books = () =>
  named(
    'AllBooks',
    answer({
      sstamp: big(),
      allBooks: z.looseObject({
        books: z.optional(z.array(bookShape())),
        contacts: z.optional(z.array(contact())),
      }),
    }),
  );
export const oneBook = () => named('BookInfo', answer({ sstamp: z.optional(big()), book: bookShape() }));
export const messages = () => named('BookMessages', answer({ sstamp: big(), bookMessages: z.array(message()) }));
export const sentMessage = () =>
  answer({
    id: z.optional(big()),
    sstamp: z.optional(big()),
    smid: z.optional(big()),
    createMessageId: z.optional(big()),
    uuid: z.optional(z.string()),
    files: z.optional(z.array(uploadedShape())),
  });
export const userInfo = () =>
  named(
    'UserInfo',
    answer({
      sstamp: big(),
      userInfo: z.optional(z.nullable(z.looseObject({ sstamp: z.optional(big()), projectID: z.optional(big()) }))),
    }),
  );

const table = () => z.looseObject({ id: z.optional(z.unknown()), name: z.optional(z.string()) });
export const tables = () =>
  named(
    'BookTables',
    answer({ sstamp: z.optional(big()), bookTables: z.looseObject({ categories: z.array(table()) }) }),
  );

/** Where a read of all rows stopped, and how many rows it returned. */
const reading = () => ({
  complete: z.optional(z.boolean()),
  rowCount: z.optional(z.int()),
  next: z.optional(z.looseObject({})),
  warning: z.optional(z.string()),
});

/** Values in one of three formats: maps that PHP wrote as empty lists are restored to maps. */
export const tableValues = () =>
  named(
    'TableValues',
    answer({
      sstamp: z.optional(big()),
      tableValues: z.looseObject({
        rows: z.optional(z.union([z.array(z.looseObject({ id: z.optional(z.unknown()) })), map()])),
        rowInfos: z.optional(map()),
      }),
      ...reading(),
    }),
  );
export const tableRows = () =>
  named('TableRows', answer({ sstamp: z.optional(big()), rows: z.array(z.looseObject({})), ...reading() }));

export const pivotValues = () => named('PivotValues', answer({ catID: z.optional(big()), viewId: z.optional(big()) }));

const newRow = () => z.looseObject({ id: big(), tmpId: z.optional(z.string()), existing: z.optional(z.boolean()) });
export const writtenRow = () =>
  named('WrittenRow', answer({ id: z.optional(big()), newRows: z.optional(z.array(newRow())) }));
export const writtenRows = () => answer({ modified: z.int(), created: z.int(), existing: z.optional(z.int()) });
export const deletedRow = () => answer({ deletedRow: z.optional(z.looseObject({ id: big() })) });
export const comments = () =>
  named(
    'TableValueComments',
    answer({ sstamp: z.optional(big()), fieldId: big(), rowId: big(), data: z.looseObject({}) }),
  );

/** A file as the vendor describes it, under the vendor's names: `row_id` here, `rowId` there. */
const uploadedShape = () =>
  z.looseObject({
    uuid: z.optional(z.string()),
    id: z.optional(big()),
    smid: z.optional(big()),
    row_id: z.optional(big()),
    field_id: z.optional(big()),
  });
export const uploaded = () =>
  named(
    'UploadMeta',
    answer({
      ...uploadedShape().shape,
      rowId: z.optional(big()),
      fieldId: z.optional(big()),
      sstamp: z.optional(big()),
      sha256: z.optional(z.string()),
    }),
  );

/** The state of the session after an operation on it: never its key. */
export const sessionState = () =>
  named('SessionState', z.looseObject({ generation: z.int(), expiresAt: z.iso.datetime() }));

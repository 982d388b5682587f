import * as z from 'zod/mini';
import { book, bookCode, bookOwner, operation, sstamp } from '../fields.ts';
import { books, oneBook } from '../shapes.ts';

export const bookOperations = {
  getAllBooks: operation({
    summary: 'List the books of the user',
    effect: 'read',
    input: () => ({ sstamp: sstamp(), bookCode: z.optional(bookCode()), bookOwner: z.optional(bookOwner()) }),
    output: books,
    call: 'req=getAllBooks',
  }),
  getBookInfo: operation({
    summary: 'Read a book',
    effect: 'read',
    input: book,
    output: oneBook,
    call: 'req=getBookInfo',
  }),
};

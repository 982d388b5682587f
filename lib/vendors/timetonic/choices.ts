import { type ChoiceSources, entriesAt } from '../../core/choices.ts';
import { book, tableId } from './fields.ts';

/** A list that belongs to a table: its views or its fields. Without a table, those of all tables of the book. */
function inTable(list: 'views' | 'fields', input: Record<string, unknown> = {}) {
  return {
    operation: 'getBookTables',
    of: () => ({ ...book(), tableId: tableId() }),
    input: ({ tableId: _, ...of }: Readonly<Record<string, unknown>>) => ({ ...of, ...input }),
    read: (answer: unknown, of: Readonly<Record<string, unknown>>) =>
      entriesAt(answer, 'bookTables', 'categories')
        .filter(({ id }) => of.tableId === undefined || String(id) === of.tableId)
        .flatMap((table) => entriesAt(table, list))
        .map(({ id, name, type }) => ({ id, name, detail: type })),
  };
}

/** The selectable lists. */
export const choices: ChoiceSources = {
  books: {
    operation: 'getAllBooks',
    read: (answer) =>
      entriesAt(answer, 'allBooks', 'books').map(({ b_c, b_o, ownerPrefs }) => ({
        id: b_c,
        name: (ownerPrefs as { title?: unknown } | null | undefined)?.title ?? b_c,
        detail: b_o,
        ...(typeof b_o === 'string' && { with: { bookOwner: b_o } }),
      })),
  },
  users: {
    operation: 'getAllBooks',
    read: (answer) =>
      entriesAt(answer, 'allBooks', 'contacts').map(({ u_c, firstName, lastName }) => ({
        id: u_c,
        name: [firstName, lastName].filter(Boolean).join(' '),
        detail: u_c,
      })),
  },
  tables: {
    operation: 'getBookTables',
    of: book,
    read: (answer) =>
      entriesAt(answer, 'bookTables', 'categories').map(({ id, name, code }) => ({ id, name, detail: code })),
  },
  views: inTable('views'),
  fields: inTable('fields', { includeFields: true }),
};

import * as z from 'zod/mini';
import { bigInteger, field, integer, pathSegment, text } from '../../core/field.ts';
import { operationsOf } from '../../core/operation.ts';
import type { TimetonicCall } from './connection.ts';
import type { TimetonicRequest } from './wire/send.ts';

/** A declaration of TimeTonic: a request of api.php, a file address below `/live`, or a function of several of them. */
export const operation = operationsOf<TimetonicRequest, TimetonicCall>();

/** A book is identified by its owner and its code; both are required, since TimeTonic guesses a missing one. */
export const bookOwner = () =>
  field(pathSegment(), { wire: 'b_o', description: 'Owner of the book.', examples: ['demo'] });
export const bookCode = () =>
  field(pathSegment(), {
    wire: 'b_c',
    description: 'Code of the book.',
    examples: ['operations'],
    choices: { kind: 'books' },
  });
export const book = () => ({ bookOwner: bookOwner(), bookCode: bookCode() });
/** For requests whose ids are sufficient; naming the book makes the vendor check it. */
export const maybeBook = () => ({ bookOwner: z.optional(bookOwner()), bookCode: z.optional(bookCode()) });

const digits = (pattern: RegExp, message: string) =>
  z.pipe(
    z.union([integer(0), z.string().check(z.regex(pattern, message))]),
    z.transform((value: number | string) => String(value)),
  );

/** A 64-bit id: accepts a number or its digits, and always yields its digits. */
export const id = () => digits(/^\d{1,19}$/, 'must be an id: a whole number');
export const tableId = () =>
  field(id(), {
    wire: 'catId',
    description: 'Id of the table; TimeTonic calls it category.',
    examples: [126185],
    choices: { kind: 'tables', of: ['bookOwner', 'bookCode'] },
  });
export const rowId = () => field(id(), { description: 'Id of a row.', examples: ['19975055'] });
export const fieldId = () =>
  field(id(), {
    description: 'Id of a field (column).',
    examples: ['1367490'],
    choices: { kind: 'fields', of: ['bookOwner', 'bookCode', 'tableId'] },
  });

/** An existing row, or one to create. */
export const anyRowId = () =>
  field(
    digits(/^(?:\d{1,19}|tmp[^\s/]{0,120})$/, 'must be the id of a row, or a text of your own that begins with tmp'),
    {
      description:
        'Id of a row, or `tmp` followed by a text of your own for a new row: repeated with the same values within 24 hours, it stays one row. `tmp` alone always creates a row.',
      examples: ['tmpE-991'],
    },
  );

/** Comma-separated ids, or a list of them. */
export const idList = (description: string) =>
  field(
    z.pipe(
      z.union([
        z.string().check(z.regex(/^\s*\d{1,19}(?:\s*,\s*\d{1,19})*\s*$/, 'must be ids parted by commas')),
        z.array(id()).check(z.minLength(1)),
      ]),
      z.transform((value: string | string[]) => (typeof value === 'string' ? value : value.join(','))),
    ),
    { description, examples: ['1367490,1367491'] },
  );

/** A 64-bit server stamp. */
export const sstamp = () =>
  field(z.optional(bigInteger()), {
    description:
      'The newest server stamp that you have; only newer entries are returned. A decimal string keeps all digits.',
    examples: ['15583609109172'],
  });

/** The user to act for; defaults to the connection's user. */
export const sender = () =>
  field(z.optional(text(200)), {
    wire: 'u_c',
    description: "User, e-mail or phone number of the sender. The connection's user by default.",
  });

export const uuid = () =>
  field(z.optional(z.string().check(z.regex(/^[\w.+=-]{1,200}$/, 'must be 1 to 200 letters, digits or . _ + = -'))), {
    description: 'Your own id for the message. A message with the same uuid is sent once within 24 hours.',
  });

/** Whether the table's URL triggers are suppressed; by default they are, to prevent loops. */
export const bypassUrlTrigger = () =>
  field(z.optional(z.boolean()), {
    description: "false lets the table's URL triggers fire, with the risk of loops. TimeTonic's default is true.",
  });

export const linkSeparator = () =>
  field(z.optional(text(10)), { description: 'The separator of the values of a link field; a comma by default.' });

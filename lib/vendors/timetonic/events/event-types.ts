import * as z from 'zod/mini';
import type { EventType } from '../../../core/event-type.ts';

const book = { bookOwner: 'demo', bookCode: 'operations' };
const bookFields = () => ({ bookOwner: z.string(), bookCode: z.string() });
const maybeBook = () => ({ bookOwner: z.optional(z.string()), bookCode: z.optional(z.string()) });
const table = { ...book, tableId: '126185', tableName: 'Incidents' };
const tableFields = () => ({ ...bookFields(), tableId: z.string(), tableName: z.string() });
const values = { '1367490': 'E-991', '1367496': 'Open' };
const cells = () => z.record(z.string(), z.unknown());

/** The event types that one poll of a user's books may find. */
export const bookTypes: Readonly<Record<string, EventType>> = {
  'timetonic.message.created': {
    summary: 'There is a new message in a book; messages that this connection sent are omitted',
    readBy: 'getBookMessages',
    ofOthers: true,
    data: () =>
      z.looseObject({
        ...bookFields(),
        smid: z.string(),
        uuid: z.optional(z.string()),
        msg: z.string(),
        user: z.string(),
        created: z.optional(z.number()),
      }),
    sample: { ...book, smid: '346917', uuid: 'm-1', msg: 'Fire on level 3', user: 'alex', created: 1767579069 },
  },
  'timetonic.row.created': {
    summary: 'A row was created; its values are keyed by field id',
    readBy: 'getTableRows',
    ofOthers: true,
    data: () => z.looseObject({ ...tableFields(), rowId: z.string(), values: cells() }),
    sample: { ...table, rowId: '19975327', values },
  },
  'timetonic.row.updated': {
    summary: 'A row has changed; `changed` names the fields',
    readBy: 'getTableRows',
    ofOthers: true,
    data: () => z.looseObject({ ...tableFields(), rowId: z.string(), changed: z.array(z.string()), values: cells() }),
    sample: { ...table, rowId: '19975327', changed: ['1367496'], values },
  },
  'timetonic.row.deleted': {
    summary: 'A row was deleted',
    readBy: 'getTableRows',
    ofOthers: true,
    data: () => z.looseObject({ ...tableFields(), rowId: z.string() }),
    sample: { ...table, rowId: '19975327' },
  },
  'timetonic.comment.created': {
    summary: 'A comment was added to a cell',
    readBy: 'getTableValueComments',
    data: () =>
      z.looseObject({
        ...tableFields(),
        rowId: z.string(),
        fieldId: z.string(),
        commentId: z.string(),
        text: z.string(),
        user: z.string(),
      }),
    sample: { ...table, rowId: '19975327', fieldId: '1367500', commentId: '884761', text: 'On my way', user: 'alex' },
  },
};

/** The event types that only the socket reports, while the connection listens. */
export const socketTypes: Readonly<Record<string, EventType>> = {
  'timetonic.message.received': {
    summary: 'The socket reported a new, changed or deleted message',
    readBy: 'listenSocket',
    data: () =>
      z.looseObject({
        ...maybeBook(),
        smid: z.string(),
        uuid: z.optional(z.string()),
        msg: z.string(),
        del: z.boolean(),
        user: z.string(),
      }),
    sample: { smid: '346917', uuid: 'm-1', msg: 'Fire on level 3', del: false, user: 'alex', ...book },
  },
  'timetonic.book.updated': {
    summary: 'Something in one of the books has changed',
    readBy: 'listenSocket',
    data: () => z.looseObject({ ...maybeBook(), user: z.string() }),
    sample: { user: 'alex' },
  },
  'timetonic.system.received': {
    summary: 'The socket reported a system message',
    readBy: 'listenSocket',
    data: () => z.looseObject({ ...maybeBook(), msg: z.string(), user: z.string() }),
    sample: { msg: 'clearNotRead', user: 'alex', ...book },
  },
};

import * as z from 'zod/mini';
import { named } from '../../../core/field.ts';
import { operation, paging, record, recordId } from '../fields.ts';

/** Recordings. The vendor returns the location of a file on its server and offers no download. */
export const records = {
  getRecordList: operation({
    summary: 'List the recordings',
    description:
      'The order is not documented, and the list shifts while it is paged: read pages with an overlap and compare ids.',
    effect: 'read',
    since: '2.2.8',
    call: 'GET /records',
    input: paging,
    output: () => named('RecordList', z.looseObject({ records: z.array(record()) })),
  }),
  getRecord: operation({
    summary: 'Get a recording',
    effect: 'read',
    since: '2.2.8',
    call: 'GET /records/{recordId}',
    input: () => ({ recordId: recordId() }),
    output: record,
  }),
};

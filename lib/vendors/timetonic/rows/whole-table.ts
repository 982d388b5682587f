import type { SendRequest } from '../../../core/operation.ts';
import type { TimetonicCall } from '../connection.ts';
import { fieldText, type TimetonicRequest } from '../wire/send.ts';
import { sessionRequest } from '../wire/session-request.ts';
import { readAllValues } from './read-all.ts';

/** Values by row id and field id, as `diff_ready_rows` has them. */
export type TableRows = Readonly<Record<string, Readonly<Record<string, unknown>>>>;

/** Every row of a table; undefined if it could not be read to its end, or has another format. */
export async function readWholeTable(call: TimetonicCall, catId: string): Promise<TableRows | undefined> {
  const sendRequest: SendRequest<TimetonicRequest> = (request, fields) =>
    sessionRequest(call, {
      req: request.replace(/^req=/, ''),
      fields: Object.fromEntries(Object.entries(fields).map(([name, value]) => [name, fieldText(value)])),
      effect: 'read',
    });
  const body = await readAllValues(
    'req=getTableValues',
    { catId, format: 'diff_ready_rows', all: true },
    sendRequest,
    call,
  );
  return body.complete === true ? ((body.tableValues?.rows ?? {}) as TableRows) : undefined;
}

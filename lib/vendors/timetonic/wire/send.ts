import { wireName } from '../../../core/field.ts';
import { carryOut, type Operation, type SendRequest, type Shape, schemasOf } from '../../../core/operation.ts';
import type { VendorAnswer } from '../../../core/vendor.ts';
import type { TimetonicCall } from '../connection.ts';
import { download, type FileAddress } from '../files/downloads.ts';
import type { FormFields } from './protocol.ts';
import { type ApiRequest, sessionRequest } from './session-request.ts';

/** A request of api.php by its name, or the address of a file with `{fields}` of the input, where `{name?}` is optional. */
export type TimetonicRequest = `req=${string}` | FileAddress;

/** Carries out one declared operation. */
export async function send(
  name: string,
  operation: Operation,
  input: Record<string, unknown>,
  call: TimetonicCall,
): Promise<VendorAnswer> {
  const { shape } = schemasOf(operation);
  const one: SendRequest<TimetonicRequest> = (request, fields) =>
    sessionRequest(call, requestOf(request.replace(/^req=/, ''), operation, fieldsOf(shape, fields)));
  const { call: request } = operation;
  if (typeof request === 'string' && request.startsWith('/dbi/'))
    return download(request as FileAddress, input, call, name);
  return { body: await carryOut(operation, input, one, call) };
}

function requestOf(req: string, { effect }: Operation, fields: FormFields): ApiRequest {
  return { req, fields, effect };
}

/** An input under the vendor's field names, as form fields. */
export function fieldsOf(shape: Shape, input: Record<string, unknown>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(input).flatMap(([name, value]) =>
      value === undefined ? [] : [[shape[name] ? wireName(name, shape[name]) : name, fieldText(value)]],
    ),
  );
}

/** The value of a form field: JSON for lists and objects, `true` and `false` for switches. */
export function fieldText(value: unknown): string {
  return value !== null && typeof value === 'object' ? JSON.stringify(value) : String(value);
}

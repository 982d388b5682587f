import type { Api } from '../api.ts';
import { UsageError } from '../failures.ts';
import { inputOf, jsonArgument, requireOperation } from '../input.ts';
import { isRecord, type Output } from '../output.ts';

export interface CallOptions {
  data?: string;
  idempotencyKey?: string;
  later?: boolean;
}

/** `trunkline call VENDOR/CONNECTION/OPERATION name=value…` */
export async function call(api: Api, output: Output, operation: string, words: string[], options: CallOptions) {
  requireOperation(operation);
  const data = options.data === undefined ? {} : jsonArgument(options.data);
  if (!isRecord(data)) throw new UsageError('The data must be a JSON object.');
  const answer = await api.send('POST', `/v1/${operation}`, {
    body: { ...data, ...inputOf(words) },
    headers: {
      ...(options.idempotencyKey !== undefined && { 'idempotency-key': options.idempotencyKey }),
      ...(options.later && { prefer: 'respond-async' }),
    },
  });
  output.result(answer.body);
}

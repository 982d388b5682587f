import { controlNeed, requireScope } from '../api/scopes.ts';
import { methodNotAllowed } from '../core/errors.ts';
import { httpFunction } from './http-function.ts';

/** A handler that answers with metrics in the text format of Prometheus to keys with the scope `trunkline/metrics/read`. */
export function metricsFunction(text: () => Promise<string>) {
  return httpFunction(async ({ method }, { scopes }) => {
    requireScope(scopes, controlNeed('metrics', false));
    if (method !== 'GET') throw methodNotAllowed('/metrics', method, ['GET']);
    return {
      status: 200,
      headers: { 'content-type': 'text/plain; version=0.0.4; charset=utf-8', 'cache-control': 'no-store' },
      body: await text(),
    };
  });
}

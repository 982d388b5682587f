import { controlNeed, requireScope } from '../api/scopes.ts';
import { listUsage, type Usage } from '../connections/usage/usage.ts';
import { methodNotAllowed } from '../core/errors.ts';
import { httpFunction } from './http-function.ts';
import { services } from './services.ts';

export type { Usage } from '../connections/usage/usage.ts';

/** A handler that answers with metrics in the text format of Prometheus to keys with the scope `trunkline/metrics/read`. */
export function metricsFunction(text: (usage: readonly Usage[]) => Promise<string>) {
  return httpFunction(async ({ method }, { scopes }) => {
    requireScope(scopes, controlNeed('metrics', false));
    if (method !== 'GET') throw methodNotAllowed('/metrics', method, ['GET']);
    return {
      status: 200,
      headers: { 'content-type': 'text/plain; version=0.0.4; charset=utf-8', 'cache-control': 'no-store' },
      // The calls of this month.
      body: await text(await listUsage(services(), services().vendorNames)),
    };
  });
}

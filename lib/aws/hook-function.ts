import { RateLimit } from '../api/rate-limit.ts';
import type { EventCatalogue } from '../core/vendor.ts';
import { type HookRuns, type HookServices, receiveHook } from '../hooks/receive.ts';
import { hooksOf } from './hooks.ts';
import { openHttpFunction } from './http-function.ts';
import { log } from './log.ts';
import type { Services } from './services.ts';

/** The path of the links that runs issue; people open them without a key. */
const linkPrefix = '/links/';

/** A Lambda handler for inbound webhooks and for the links of runs; `runsOf` starts the runs of a stored event. */
export function hookFunction(vendors: EventCatalogue, runsOf: (services: Services) => HookRuns) {
  const hookRates = new RateLimit();
  const report: HookServices['report'] = (error, hookId) =>
    log({
      level: 'error',
      message: 'runs not started',
      hookId,
      reason: error instanceof Error ? error.message : String(error),
    });
  return openHttpFunction(async (request, services) => {
    if (request.path.startsWith(linkPrefix)) {
      // Loaded on use: a link is opened rarely, and a post must not wait for its code.
      const { answerLink } = await import('../automations/runs/link-page.ts');
      return answerLink(services, request);
    }
    return receiveHook(
      { ...services, hooks: hooksOf(services), hookRates, report },
      vendors,
      runsOf(services),
      request,
    );
  });
}

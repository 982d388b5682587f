import middy from '@middy/core';
import type { Context, ScheduledEvent } from 'aws-lambda';
import { keys } from '../store/items.ts';
import type { ClockTick } from '../watch/checks.ts';
import { log } from './log.ts';
import { type Services, services } from './services.ts';

/** A tick's time, in milliseconds: it ends before the next one begins. */
const tickTime = 55_000;

export interface Tick {
  requestId: string;
  signal: AbortSignal;
}

/** A Lambda handler on the clock. What it answers is logged as the tick's report. */
export function scheduledFunction(name: string, run: (services: Services, tick: Tick) => Promise<object>) {
  return middy<ScheduledEvent, object, Error, Context>({ timeoutEarlyInMillis: 0 })
    .use({
      onError: ({ error, context }) => {
        log({
          level: 'error',
          tick: name,
          requestId: context.awsRequestId,
          message: error?.message,
          stack: error?.stack,
        });
      },
    })
    .handler(async (_event, context) => {
      const startedAt = performance.now();
      const kit = services();
      const before = kit.table.requests;
      const report = await run(kit, { requestId: context.awsRequestId, signal: AbortSignal.timeout(tickTime) });
      const finishedAt = kit.clock.now();
      await kit.table.put<ClockTick>({
        ...keys.clockTick(name),
        startedAt: finishedAt - Math.round(performance.now() - startedAt),
        finishedAt,
        unexpected: 'unexpected' in report && Array.isArray(report.unexpected) ? report.unexpected : [],
      });
      log({
        level: 'info',
        tick: name,
        requestId: context.awsRequestId,
        ms: Math.round(performance.now() - startedAt),
        dynamodbRequests: kit.table.requests - before,
        ...report,
      });
      return report;
    });
}

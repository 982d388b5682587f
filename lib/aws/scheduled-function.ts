import middy from '@middy/core';
import type { Context, ScheduledEvent } from 'aws-lambda';
import { keys } from '../store/items.ts';
import type { DuePage, DueReport, Tick } from '../store/tick.ts';
import type { ClockTick } from '../watch/checks.ts';
import { log, metric } from './log.ts';
import { type Services, services } from './services.ts';

/** The time limit of a tick, in milliseconds: it ends before the next one starts. */
const tickTimeoutMs = 55_000;

/** The clock's own event, or what a tick started a worker with. */
type ClockEvent = ScheduledEvent | { pages: readonly DuePage[] } | { all: true };

/**
 * A Lambda handler on the clock: the tick itself, and the workers that it starts when more is due than one process can do. What it
 * answers is logged as its report.
 */
export function scheduledFunction(
  name: string,
  run: (services: Services, tick: Tick & { requestId: string; all: boolean }) => Promise<object & Partial<DueReport>>,
) {
  return middy<ClockEvent, object, Error, Context>({ timeoutEarlyInMillis: 0 })
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
    .handler(async (event, context) => {
      const startedAt = performance.now();
      const provided = services();
      const before = provided.table.requests;
      const report = await run(provided, {
        requestId: context.awsRequestId,
        signal: AbortSignal.timeout(tickTimeoutMs),
        startWorker: (pages) => provided.starter.startWorker(context.functionName, { pages }),
        ...('pages' in event && { pages: event.pages }),
        all: 'all' in event,
      });
      if (!('pages' in event)) {
        if (report.oldestDueMs !== undefined) metric('OldestDue', report.oldestDueMs, 'Milliseconds', { clock: name });
        const finishedAt = provided.clock.now();
        await provided.table.put<ClockTick>({
          ...keys.clockTick(name),
          startedAt: finishedAt - Math.round(performance.now() - startedAt),
          finishedAt,
          unexpected: 'unexpected' in report && Array.isArray(report.unexpected) ? report.unexpected : [],
        });
      }
      log({
        level: 'info',
        tick: name,
        requestId: context.awsRequestId,
        ms: Math.round(performance.now() - startedAt),
        dynamodbRequests: provided.table.requests - before,
        ...report,
      });
      return report;
    });
}

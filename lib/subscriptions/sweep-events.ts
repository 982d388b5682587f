import { sweepLater, unroutedEvents } from '../events/unrouted.ts';
import { dueItems } from '../store/due.ts';
import { type DeliveryItem, startDelivery } from './deliveries/deliveries.ts';
import { type RouteServices, routeEvents, type StartRuns } from './route-events.ts';

export interface SweepReport {
  /** Events that the table's stream had not delivered. */
  found: number;
  routed: number;
  failed: number;
  /** Deliveries whose start was lost. */
  restarted: number;
  /** The first error. */
  unexpected: string[];
}

const batchLength = 25;
/** A delivery without an attempt for this long is started again; starting one that is running has no effect. */
const restartAfterMs = 2 * 60_000;
/** The maximum number of deliveries that one sweep restarts. */
const maxRestarts = 500;

/**
 * Routes events that were stored but not routed, whatever the reason: the stream gives up after a day, a queue of starts may lose
 * one. Every part happens once, so a sweep may overlap with normal routing. `all`: without waiting.
 */
export async function sweepEvents(
  services: RouteServices,
  startRuns: StartRuns,
  { signal, all = false }: { signal: AbortSignal; all?: boolean },
): Promise<SweepReport> {
  const report: SweepReport = { found: 0, routed: 0, failed: 0, restarted: 0, unexpected: [] };
  const now = services.clock.now();
  for await (const page of unroutedEvents(services.table, now, all)) {
    for (let at = 0; at < page.length && !signal.aborted; at += batchLength) {
      const events = page.slice(at, at + batchLength);
      const { failed } = await routeEvents(services, events, startRuns);
      report.found += events.length;
      report.failed += failed.size;
      report.routed += events.length - failed.size;
      for (const event of events) if (failed.has(event.id)) await sweepLater(services.table, event, now);
      report.unexpected.push(...[...failed.values()].slice(0, 5 - report.unexpected.length).map(String));
    }
    if (signal.aborted) break;
  }
  report.restarted = await restartDeliveries(services, now, signal);
  return report;
}

async function restartDeliveries(services: RouteServices, now: number, signal: AbortSignal): Promise<number> {
  let restarted = 0;
  for await (const page of dueItems<DeliveryItem>(services.table, 'delivery-pending', now - restartAfterMs)) {
    for (const delivery of page) {
      if (signal.aborted || restarted >= maxRestarts) return restarted;
      // A delivery to a target that is over its rate has a reserved turn.
      if (delivery.createdAt > now - restartAfterMs || delivery.nextAttemptAt !== undefined) continue;
      await startDelivery(services, delivery);
      restarted++;
    }
  }
  return restarted;
}

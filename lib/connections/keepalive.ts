import { GatewayError } from '../core/errors.ts';
import type { Catalogue, Connection, Vendor } from '../core/vendor.ts';
import { dueItems } from '../store/due.ts';
import type { SessionItem, SessionStore } from './session-store.ts';
import { type CallServices, vendorCall } from './vendor-calls.ts';

/** What one tick did. Times in milliseconds. */
export interface KeepReport {
  due: number;
  kept: number;
  renewed: number;
  failed: number;
  /** The longest that a session had gone without a good keepalive when its turn came. */
  longestGap: number;
  /** What went wrong that nobody had thought of. */
  unexpected: string[];
}

/** How many keepalives run at once in one tick. */
const concurrency = 32;
/** A keepalive that met trouble is tried again with the next tick. */
const retryIn = 55_000;

/** One tick of the clock over all sessions that are due: keepalives, and new sessions for those that died. */
export async function keepSessions(
  services: CallServices & { store: SessionStore },
  vendors: Catalogue,
  scope: { requestId: string; signal: AbortSignal },
): Promise<KeepReport> {
  const report: KeepReport = { due: 0, kept: 0, renewed: 0, failed: 0, longestGap: 0, unexpected: [] };
  const running = new Set<Promise<void>>();
  for await (const page of dueItems<SessionItem>(services.table, 'keepalive', services.clock.now())) {
    for (const item of page) {
      if (scope.signal.aborted) break;
      report.due++;
      const vendor = vendors[item.vendor];
      if (!vendor) continue;
      const turn = keepOne(services, vendor, item, scope, report).finally(() => running.delete(turn));
      running.add(turn);
      if (running.size >= concurrency) await Promise.race(running);
    }
    if (scope.signal.aborted) break;
  }
  await Promise.all(running);
  return report;
}

async function keepOne(
  services: CallServices & { store: SessionStore },
  vendor: Vendor,
  item: SessionItem,
  scope: { requestId: string; signal: AbortSignal },
  report: KeepReport,
): Promise<void> {
  const { store, clock, sessions } = services;
  const policy = vendor.session;
  if (!policy) return;
  const connection: Connection = { vendor: item.vendor, name: item.connection, version: 0, settings: item.settings };
  const call = vendorCall(services, vendor, connection, scope);
  if (item.state === 'live')
    report.longestGap = Math.max(report.longestGap, clock.now() - (item.keptAliveAt ?? clock.now()));
  try {
    const held = await store.held(item, clock.now());
    if (held && policy.keepAlive) {
      try {
        const kept = await policy.keepAlive(held.data, call);
        await store.extend(item, kept, policy.keepAliveEvery ?? 120_000, clock.now());
        report.kept++;
        return;
      } catch (error) {
        if (!(error instanceof GatewayError) || error.session !== 'refused') throw error;
      }
    }
    await sessions.after(vendor, call, item.generation);
    report.renewed++;
  } catch (error) {
    report.failed++;
    const reason = error instanceof GatewayError ? error.message : 'An unexpected error; see the log.';
    if (!(error instanceof GatewayError && error.code === 'connection_needs_attention')) {
      await store.postpone(item, reason, clock.now() + retryIn);
    }
    if (!(error instanceof GatewayError))
      report.unexpected.push(error instanceof Error ? (error.stack ?? error.message) : String(error));
  }
}

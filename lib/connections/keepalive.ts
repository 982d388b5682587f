import { GatewayError } from '../core/errors.ts';
import type { Catalogue, Connection, Vendor } from '../core/vendor.ts';
import { type DueReport, forEachDue, type Tick } from '../store/tick.ts';
import { HostLimit } from './host-limit.ts';
import type { SessionItem, SessionStore } from './session-store.ts';
import { type CallServices, vendorCall } from './vendor-calls.ts';

/** What one tick did. Times in milliseconds. */
export interface KeepReport extends DueReport {
  kept: number;
  renewed: number;
  failed: number;
  /** The longest that a due session had gone without a good keepalive when the tick started. */
  longestGap: number;
  /** Unexpected errors. */
  unexpected: string[];
}

/** A keepalive that failed is retried in the next tick. */
const retryInMs = 55_000;

/** One tick of the clock over all sessions that are due: keepalives, and new sessions for those that ended. */
export async function keepSessions(
  services: CallServices & { store: SessionStore },
  vendors: Catalogue,
  scope: Tick & { requestId: string },
): Promise<KeepReport> {
  const counts = { kept: 0, renewed: 0, failed: 0, longestGap: 0, unexpected: [] as string[] };
  const now = services.clock.now();
  const hosts = new HostLimit();
  const keep = async (items: SessionItem[]) => {
    await Promise.all(
      items.map(async (item) => {
        const vendor = vendors[item.vendor];
        if (!vendor) return;
        const host = vendor.connection.addresses(item.settings)[0] ?? '';
        const asked = await hosts.run(host, async () =>
          scope.signal.aborted ? undefined : keepOne(services, vendor, item, scope, counts),
        );
        if (asked) return;
        counts.failed++;
        await services.store.postpone(item, 'The server does not answer.', services.clock.now(), retryInMs);
      }),
    );
  };
  const seen = (items: SessionItem[]) => {
    const silent = items.filter(({ state }) => state === 'live').map(({ keptAliveAt }) => now - (keptAliveAt ?? now));
    counts.longestGap = Math.max(0, ...silent);
  };
  const report = await forEachDue(services.table, 'keepalive', now, scope, keep, { seen, dueAgain: () => now });
  return { ...report, ...counts };
}

/** Keeps one session alive, or recreates it. Returns the error, if there was one. */
async function keepOne(
  services: CallServices & { store: SessionStore },
  vendor: Vendor,
  item: SessionItem,
  scope: { requestId: string; signal: AbortSignal },
  report: Omit<KeepReport, keyof DueReport>,
): Promise<unknown> {
  const { store, clock, sessions } = services;
  const policy = vendor.session;
  if (!policy) return undefined;
  const connection: Connection = {
    vendor: item.vendor,
    name: item.connection,
    // The session knows no version of its connection. No call has version 0, so none uses what is cached here.
    version: 0,
    settings: item.settings,
    ...(item.credentialsId && { credentialsId: item.credentialsId }),
  };
  const call = vendorCall(services, vendor, connection, { ...scope, isRoutine: true });
  try {
    const held = await store.held(item, clock.now());
    if (held && policy.keepAlive) {
      try {
        const kept = await policy.keepAlive(held.data, call);
        await store.extend(item, kept, policy.keepAliveEveryMs ?? 120_000, clock.now());
        report.kept++;
        return undefined;
      } catch (error) {
        if (!(error instanceof GatewayError) || error.session !== 'refused') throw error;
      }
    }
    await sessions.after(vendor, call, item.generation);
    report.renewed++;
    return undefined;
  } catch (error) {
    report.failed++;
    const reason = error instanceof GatewayError ? error.message : 'An unexpected error; see the log.';
    if (!(error instanceof GatewayError && error.code === 'connection_needs_attention')) {
      await store.postpone(item, reason, clock.now(), retryInMs);
    }
    if (!(error instanceof GatewayError))
      report.unexpected.push(error instanceof Error ? (error.stack ?? error.message) : String(error));
    return error;
  }
}

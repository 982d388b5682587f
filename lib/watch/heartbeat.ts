import type { Clock } from '../core/clock.ts';
import type { HttpClient } from '../core/http/client.ts';
import { keys } from '../store/items.ts';
import type { Table } from '../store/table.ts';
import type { Check } from './check.ts';
import { type HealthReport, runChecks, sendProbe } from './checks.ts';

export interface WatchServices {
  table: Table;
  clock: Clock;
  http: HttpClient;
}

/** The outcome of one check, for the log. */
export interface WatchReport {
  failed: string[];
  /** Whether the external monitor was called, if there is one. */
  heartbeat: 'sent' | 'withheld' | 'failed' | 'off';
}

/** The other schedules start at the same time as this one, so failed checks are repeated after these delays, in milliseconds. */
const recheckDelaysMs = [1_000, 3_000, 8_000];
const heartbeatTimeMs = 10_000;

/**
 * Checks that the last minute's work was done, stores the result for `/health`, and calls the external monitor only if it was:
 * the monitor raises the alarm when no call arrives.
 */
export async function watch(
  services: WatchServices,
  clocks: readonly string[],
  heartbeatUrl: string | undefined,
  more: (services: WatchServices) => Promise<Check[]> = async () => [],
): Promise<WatchReport> {
  const { table, clock } = services;
  await sendProbe(services);
  let checks = await runChecks(services, clocks);
  for (const pause of recheckDelaysMs) {
    if (checks.every(({ ok }) => ok)) break;
    await clock.sleep(pause);
    checks = await runChecks(services, clocks);
  }
  checks.push(...(await more(services)));
  await table.put<HealthReport>({ ...keys.health(), checkedAt: clock.now(), checks });
  const failed = checks.filter(({ ok }) => !ok).map(({ name, message }) => `${name}: ${message}`);
  return { failed, heartbeat: await beat(services, heartbeatUrl, failed.length === 0) };
}

async function beat({ http }: WatchServices, url: string | undefined, ok: boolean): Promise<WatchReport['heartbeat']> {
  if (url === undefined || url === '') return 'off';
  if (!ok) return 'withheld';
  try {
    const { status } = await http.request({ method: 'GET', url, timeoutMs: heartbeatTimeMs, address: 'any' });
    return status < 400 ? 'sent' : 'failed';
  } catch {
    return 'failed';
  }
}

import type { GatewayServices } from '../../connections/invoke.ts';
import { isReserved, percentOf, type Quota } from '../../core/quota.ts';
import type { VendorName } from '../../core/vendor.ts';
import { isCall, target } from '../definition.ts';
import { everyStep } from '../steps.ts';
import { definitionOfRun, type RunItem } from './runs.ts';

export type QuotaServices = Pick<GatewayServices, 'connections' | 'usage'>;

/** A quota as expressions see it. */
interface ShownQuota extends Quota {
  percent: number;
  reserved: boolean;
}

/** The quotas of the connections that a run's steps call, by vendor and connection, where the connection declares one. */
export async function quotasOf(
  { connections, usage }: QuotaServices,
  run: RunItem,
): Promise<Record<VendorName, Record<string, ShownQuota>>> {
  const quotas: Record<VendorName, Record<string, ShownQuota>> = {};
  const called = new Map(
    everyStep(definitionOfRun(run).do).flatMap(({ step }) =>
      isCall(step) ? [[step.call, target(step)] as const] : [],
    ),
  );
  for (const { vendor, connection } of called.values()) {
    if (quotas[vendor]?.[connection]) continue;
    // A call of a connection that was deleted fails by itself.
    const found = await connections.find(vendor, connection).catch(() => undefined);
    const quota = found && (await usage.quota(found));
    if (quota)
      quotas[vendor] = {
        ...quotas[vendor],
        [connection]: { ...quota, percent: percentOf(quota), reserved: isReserved(quota) },
      };
  }
  return quotas;
}

import * as z from 'zod/mini';
import { GatewayError, refusedInput } from '../core/errors.ts';
import { field, integer } from '../core/field.ts';
import { checkUrl } from '../core/http/address-policy.ts';
import { parseInput } from '../core/operation.ts';
import type { CommonSettings, Connection, Vendor } from '../core/vendor.ts';
import { type CallScope, type CallServices, vendorCall } from './vendor-calls.ts';

/** Settings that every vendor takes. */
export const commonSettings = () => ({
  allowHttp: field(z.optional(z.boolean()), {
    description: 'Allow plain http, for a server of your own. Only the admin key can set it. Default false.',
  }),
  allowPrivateNetwork: field(z.optional(z.boolean()), {
    description: 'Allow private and loopback addresses. Only the admin key can set it. Default false.',
  }),
  maxConcurrency: field(z.optional(integer(1, 1000)), {
    description:
      'The maximum number of concurrent vendor requests in each process. On AWS, each call and each run has its own.',
  }),
  pollEvents: field(z.optional(z.boolean()), {
    description:
      'Poll for events every minute, or as often as the vendor tolerates; false saves these calls. Default true.',
  }),
  monthlyCalls: field(z.optional(integer(100)), {
    description:
      'Calls that your plan includes per month. From 80 % on, events are polled less often. At 95 %, polls and the calls of automations that raise no alarm wait for the next month.',
  }),
});

/** Settings as the vendor's schema has them, with their addresses checked against the address policy. */
export function readSettings(vendor: Vendor, given: Record<string, unknown>): Connection['settings'] {
  const schema = z.strictObject({ ...vendor.connection.settings(), ...commonSettings() });
  const settings = under('/settings', () => parseInput<object>(schema, given)) as CommonSettings;
  const policy = { allowHttp: settings.allowHttp ?? false, allowPrivateNetwork: settings.allowPrivateNetwork ?? false };
  for (const address of vendor.connection.addresses(settings)) {
    const problem = /[?#]/.test(address)
      ? 'an address that paths are added to has no query and no fragment'
      : checkUrl(address, policy);
    if (problem === undefined) continue;
    throw new GatewayError('invalid_input', `The address ${address} was refused: ${problem}`, {
      errors: [{ pointer: '/settings', message: problem }],
    });
  }
  return settings;
}

/** The credentials to store. A vendor may exchange the given ones for better ones. */
export async function acceptCredentials(
  services: CallServices,
  vendor: Vendor,
  connection: Connection,
  given: Record<string, unknown>,
  scope: CallScope,
): Promise<object> {
  const schema = z.strictObject(vendor.connection.credentials());
  const credentials = under('/credentials', () => parseInput<object>(schema, given));
  vendor.connection.validate?.(connection.settings, credentials);
  if (!vendor.connection.exchange) return credentials;
  const call = vendorCall(services, vendor, connection, scope);
  return vendor.connection.exchange(credentials, call);
}

/** Errors of an inner object point into the whole input. */
function under<T>(pointer: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof GatewayError) || !error.errors) throw error;
    throw refusedInput(error.errors.map((each) => ({ ...each, pointer: `${pointer}${each.pointer}` })));
  }
}

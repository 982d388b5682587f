import { randomBytes } from 'node:crypto';
import type { GatewayServices } from '../../lib/connections/invoke.ts';
import { perform } from '../../lib/connections/invoke.ts';
import { vendorCall } from '../../lib/connections/vendor-calls.ts';
import type { FileStore } from '../../lib/core/files.ts';
import { parseInput, schemasOf } from '../../lib/core/operation.ts';
import type { VendorCall } from '../../lib/core/vendor.ts';
import type { TimetonicCall } from '../../lib/vendors/timetonic/connection.ts';
import { timetonic } from '../../lib/vendors/timetonic/index.ts';
import { startTimetonicSandbox, type TimetonicSandboxOptions } from '../../sandbox/timetonic/index.ts';
import { memorySecrets, processOf, putConnection, startBackends, TestClock } from './harness.ts';
import { logIn } from './timetonic-client.ts';

export const catalogue = { timetonic };
export const inBook = { bookOwner: 'demo', bookCode: 'operations' };

/** A stand-in TimeTonic with a gateway process before it, and one connection for each test that asks. */
export async function startTimetonic(options: TimetonicSandboxOptions = {}) {
  const backends = await startBackends();
  const clock = new TestClock();
  const sandbox = await startTimetonicSandbox({ now: clock.now, ...options });
  const secrets = memorySecrets();
  const gateway = processOf(backends.database, secrets, clock, catalogue);
  const client = await logIn(sandbox);
  let count = 0;

  const settingsOf = (more: Record<string, unknown> = {}) => ({
    baseUrl: sandbox.baseUrl,
    user: 'demo',
    uploadUrl: sandbox.uploadUrl,
    socketUrl: sandbox.socketUrl,
    allowHttp: true,
    allowPrivateNetwork: true,
    ...more,
  });

  return {
    sandbox,
    gateway,
    clock,
    secrets,
    client,
    backends,
    settingsOf,
    /** Another process over the same table and secrets. */
    another: () => processOf(backends.database, secrets, clock, catalogue),
    /** A connection with its own oauthkey, and a caller of its operations. */
    async connect(more: Record<string, unknown> = {}, credentials?: Record<string, unknown>) {
      const name = `c${++count}`;
      const given = credentials ?? { oauthkey: (await logIn(sandbox)).oauthkey };
      const connection = await putConnection(gateway, 'timetonic', name, settingsOf(more), given);
      return {
        name,
        connection,
        call: (operation: string, input: Record<string, unknown> = {}, key?: string) =>
          gateway.call('timetonic', name, operation, input, key) as Promise<Record<string, unknown>>,
        /** What the vendor's code receives, with services that a test replaces. */
        vendorCall: (services: Partial<GatewayServices> = {}, signal = new AbortController().signal) =>
          vendorCall({ ...gateway, ...services }, timetonic, connection, {
            requestId: randomBytes(6).toString('hex'),
            signal,
          }) as VendorCall as TimetonicCall,
        /** An operation whose answer may be a file, with a file store and time of the test's own. */
        async answer(
          operation: string,
          input: Record<string, unknown>,
          files?: FileStore,
          signal = new AbortController().signal,
        ) {
          const declared = timetonic.operations[operation];
          if (!declared) throw new Error(`no ${operation}`);
          const parsed = parseInput(schemasOf(declared).input, input);
          return perform({ ...gateway, ...(files && { files }) }, timetonic, connection, operation, declared, parsed, {
            requestId: 'test',
            signal,
          });
        },
      };
    },
    async stop() {
      gateway.close();
      await sandbox.close();
      await backends.stop();
    },
  };
}

/** What a call that must fail throws. */
export async function failure(call: Promise<unknown>): Promise<Record<string, unknown> & { message: string }> {
  try {
    await call;
  } catch (error) {
    return error as Record<string, unknown> & { message: string };
  }
  throw new Error('the call did not fail');
}

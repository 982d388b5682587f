import { randomBytes } from 'node:crypto';
import { onTestFinished } from 'vitest';
import { systemClock } from '../../lib/aws/system.ts';
import { invoke } from '../../lib/connections/invoke.ts';
import { vendorCall } from '../../lib/connections/vendor-calls.ts';
import type { Clock } from '../../lib/core/clock.ts';
import { GatewayError } from '../../lib/core/errors.ts';
import type { RawRequest } from '../../lib/core/vendor.ts';
import type { TalkCall } from '../../lib/vendors/talk/connection.ts';
import { talk } from '../../lib/vendors/talk/index.ts';
import { startTalkSandbox, type TalkSandboxOptions } from '../../sandbox/talk/index.ts';
import { admin, memorySecrets, processOf, putConnection, type startBackends, type TestClock } from './harness.ts';

let number = 0;

/** A stand-in Nextcloud with connections of its accounts through the real gateway, over the real table. */
export async function startTalk(
  backends: Awaited<ReturnType<typeof startBackends>>,
  options: TalkSandboxOptions = {},
  clock: Clock = systemClock,
) {
  const sandbox = await startTalkSandbox({ bruteForce: false, ...options });
  const secrets = memorySecrets();
  const processes: ReturnType<typeof processOf>[] = [];
  const newProcess = (itsClock = clock) => {
    const process = processOf(backends.database, secrets, itsClock, { talk });
    processes.push(process);
    return process;
  };
  const process = newProcess();
  const suffix = `${number++}-${randomBytes(3).toString('hex')}`;
  const settings = { serverUrl: sandbox.url, allowHttp: true, allowPrivateNetwork: true };

  /** Makes a connection; what is given is laid over alice's own. */
  async function connect(
    user: string,
    more: { settings?: object; credentials?: Record<string, unknown>; name?: string } = {},
  ) {
    const name = more.name ?? `c-${suffix}-${number++}`;
    const connection = await putConnection(
      process,
      'talk',
      name,
      { ...settings, user, ...more.settings },
      { appPassword: `${user}-app-password`, ...more.credentials },
    );
    const scope = () => ({ requestId: 'test', signal: new AbortController().signal });
    const answer = async (operation: string, input: Record<string, unknown> = {}, by = process) => {
      const principal = { ...admin, scopes: ['*/*/*', `talk/${name}/deleteRoom`] };
      const found = await invoke(by, talk, { principal, connection: name, operation, input }, scope());
      if ('file' in found) throw new Error('The answer is a file');
      // biome-ignore lint/suspicious/noExplicitAny: answers have any shape, and each test checks the fields that it knows
      return { status: found.status, body: found.body as any };
    };
    const call = (by = process) => vendorCall(by, talk, connection, scope());
    return {
      name,
      connection,
      process,
      answer,
      call,
      /** The body of an answer. */
      do: async (operation: string, input: Record<string, unknown> = {}, by = process) =>
        (await answer(operation, input, by)).body,
      /** The problem of a call that must fail. */
      refusal: async (operation: string, input: Record<string, unknown> = {}, by = process) => {
        const failed = await answer(operation, input, by).catch((error: unknown) => error);
        if (failed instanceof GatewayError) return failed;
        throw new Error(`${operation} was not refused but gave ${JSON.stringify(failed)}`);
      },
      /** The findings of a connection check. */
      findings: async (by = process) => {
        await by.sessions.allowRetry(connection);
        const findings = await talk.check(call(by) as TalkCall);
        return findings.map(({ state, subject, message }) => `${state} ${subject}: ${message}`);
      },
      raw: (request: Partial<RawRequest> & { path: string }) =>
        // Typed generally by the gateway, which does not know a vendor's own types.
        talk.sendRaw({ method: 'GET', query: new URLSearchParams(), body: undefined, ...request }, call() as TalkCall),
    };
  }

  return {
    sandbox,
    secrets,
    process,
    newProcess,
    connect,
    /** Requests that reached the stand-in, `METHOD /path`, without its own controls. */
    seen: () =>
      sandbox.journal.map(({ method, path }) => `${method} ${path.replace('/ocs/v2.php/apps/spreed/api', '')}`),
    /** The protocol errors that the strict stand-in recorded. */
    complaints: () => sandbox.journal.flatMap(({ refusal }) => refusal ?? []),
    stop: async () => {
      for (const each of processes) each.close();
      await sandbox.close();
    },
  };
}

export type TalkUnderTest = Awaited<ReturnType<typeof startTalk>>;

/** Advances a stopped clock while a request is held, because chat v1 always waits for at least a second. */
export function passTimeWhileHeld({ sandbox }: TalkUnderTest, clock: TestClock): void {
  const timer = setInterval(() => sandbox.heldRequests() > 0 && clock.advance(250), 5);
  onTestFinished(() => clearInterval(timer));
}

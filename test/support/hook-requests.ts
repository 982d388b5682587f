import { publishAdminKey } from '../../lib/api/keys/admin-key.ts';
import { hookFunction } from '../../lib/aws/hook-function.ts';
import type { TrunklineEvent } from '../../lib/core/event-type.ts';
import { adminKeySecret, sealingKeySecret, sessionKeySecret } from '../../lib/core/secrets.ts';
import type { EventCatalogue } from '../../lib/core/vendor.ts';
import { type EventItem, shownEvent } from '../../lib/events/log.ts';
import type { RunResult } from '../../lib/hooks/wait.ts';
import { vendorNames, vendors } from '../../lib/vendors/index.ts';
import { type Answer, invokeHttp, type TestRequest } from './function-request.ts';
import { memoryFiles, startBackends } from './harness.ts';

const adminKey = 'tl_an-admin-key-for-tests-only';
let hooksMade = 0;

/** A hook as it is shown when it is made. */
export interface MadeHook {
  id: string;
  url: string;
  /** The path of the URL. */
  path: string;
  secret: string;
}

/** The hooks' handler and the control calls over real backends; `runs` stands in for automations. */
export async function startHookBench(catalogue: EventCatalogue = vendors) {
  const backends = await startBackends();
  Object.assign(process.env, backends.env);
  const { services, useFiles } = await import('../../lib/aws/services.ts');
  useFiles(memoryFiles());
  const { secrets, table, files } = services();
  for (const vendor of vendorNames) await secrets.write(sessionKeySecret(vendor), `a key of tests for ${vendor}`);
  await secrets.write(sealingKeySecret, 'a key of tests for sealing');
  await secrets.write(adminKeySecret, adminKey.slice(3));
  await publishAdminKey(services());
  const control = await import('../../functions/control.ts');

  const started: { item: EventItem; event: TrunklineEvent }[] = [];
  const runs = {
    /** Ids of the runs that an event starts. */
    of: (_event: EventItem): string[] => [],
    results: new Map<string, RunResult>(),
    /** Runs that have not ended yet when somebody first asks. */
    unfinished: new Set<string>(),
    fail: false,
  };
  const handler = hookFunction(catalogue, () => ({
    startRuns: async (item) => {
      if (runs.fail) throw new Error('the runs cannot be started');
      started.push({ item, event: await shownEvent(files, item) });
      return runs.of(item);
    },
    runResult: async (id) => (runs.unfinished.delete(id) ? undefined : runs.results.get(id)),
  }));

  const call = (what: TestRequest, key = adminKey): Promise<Answer> =>
    // middy's handler takes more arguments than Lambda gives.
    invokeHttp(control.handler as never, {
      ...what,
      headers: {
        authorization: `Bearer ${key}`,
        host: 'gateway.example',
        'x-forwarded-proto': 'https',
        ...what.headers,
      },
    });
  const post = (what: TestRequest): Promise<Answer> => invokeHttp(handler as never, { method: 'POST', ...what });
  const make = async (body: Record<string, unknown>): Promise<MadeHook> => {
    const made = await call({ path: '/v1/hooks', body: { name: `of a test ${++hooksMade}`, ...body } });
    if (made.status !== 201) throw new Error(`${made.status} ${made.text}`);
    const hook = made.body as MadeHook;
    return { ...hook, path: new URL(hook.url).pathname };
  };
  return {
    handler,
    call,
    post,
    make,
    started,
    runs,
    table,
    files,
    secrets,
    /** A hook as it is shown. */
    read: async (id: string): Promise<Record<string, unknown>> =>
      (await call({ path: `/v1/hooks/${id}` })).body as Record<string, unknown>,
    /** What has started runs, by connection or hook. */
    eventsOf: (connection: string) => started.filter(({ event }) => event.connection === connection),
    stop: () => backends.stop(),
  };
}

export type HookBench = Awaited<ReturnType<typeof startHookBench>>;

import { type KeepReport, keepSessions } from '../../lib/gateway/keep.ts';
import { keys } from '../../lib/store/items.ts';
import { vendors } from '../../lib/vendors/index.ts';
import { startProptt2Sandbox } from '../../local/sandbox/proptt2/index.ts';
import { memorySecrets, processOf, putConnection, startBackends, TestClock } from '../harness.ts';

/** Keeps so many sessions alive in one tick against the sandbox, and says what a tick costs. */
export async function keepaliveBench(count: number): Promise<void> {
  const backends = await startBackends();
  const clock = new TestClock();
  const sandbox = await startProptt2Sandbox({ now: clock.now, companyCount: count });
  const kit = processOf(backends.endpoint, memorySecrets(), clock);
  try {
    for (let from = 1; from <= count; from += 200) {
      await Promise.all(
        Array.from({ length: Math.min(200, count - from + 1) }, (_, at) => {
          const n = from + at;
          const settings = {
            cloudUrl: sandbox.url,
            ownerId: `owner${n}@company${n}.example`,
            hid: 1,
            allowHttp: true,
            allowPrivateNetwork: true,
          };
          return putConnection(kit, 'proptt2', `c${n}`, settings, { interactionKey: `key-${n}` });
        }),
      );
    }
    process.stdout.write(`\nKeepalives of ${count} sessions\n`);
    await tick('all log in', false);
    clock.advance(121_000);
    await tick('all are kept', true);
    const one = await kit.table.get(keys.session('proptt2', 'c1'));
    process.stdout.write(`session item: ${JSON.stringify(one).length} characters\n`);
  } finally {
    kit.close();
    await sandbox.close();
    await backends.stop();
  }

  async function tick(what: string, counts: boolean): Promise<void> {
    const before = kit.table.requests;
    const startedAt = performance.now();
    const total: KeepReport = { due: 0, kept: 0, renewed: 0, failed: 0, longestGap: 0, unexpected: [] };
    const signal = AbortSignal.timeout(600_000);
    const report = await keepSessions(kit, vendors, { requestId: 'bench', signal });
    Object.assign(total, report);
    const seconds = (performance.now() - startedAt) / 1000;
    const requests = kit.table.requests - before;
    process.stdout.write(
      `${what}: ${seconds.toFixed(1)} s, kept ${total.kept}, renewed ${total.renewed}, failed ${total.failed}, DynamoDB requests per session ${(requests / Math.max(1, total.due)).toFixed(2)}, memory of this process with the sandbox in it ${Math.round(process.memoryUsage.rss() / 1024 / 1024)} MB\n`,
    );
    if (counts && (total.failed > 0 || seconds > 55)) process.exitCode = 1;
  }
}

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { bundle } from '../../cdk/bundle.ts';
import { secretsManager } from '../../lib/aws/secrets.ts';
import { settingsFrom } from '../../lib/aws/settings.ts';
import { systemClock } from '../../lib/aws/system.ts';
import type { KeepReport } from '../../lib/connections/keepalive.ts';
import { sessionKeySecret } from '../../lib/core/secrets.ts';
import { keys } from '../../lib/store/items.ts';
import { type LambdaProcess, startLambdaProcess } from '../cloud/lambda-process.ts';
import { processOf, putConnection, startBackends } from '../support/harness.ts';
import { startScript } from './process.ts';

/** What Lambda gives the function, in MB. */
const memoryLimit = 512;
const tickLimit = 55;

/**
 * Keeps so many sessions alive in one tick: the built function, the database, the stand-in and this one are processes of their own. Says what a
 * tick costs, and fails where it does not fit into a minute or into the function's memory.
 */
export async function keepaliveBench(count: number): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), 'trunkline-keepalive-'));
  const backends = await startBackends();
  const secrets = secretsManager(settingsFrom(backends.env), systemClock, () => undefined);
  await secrets.write(sessionKeySecret('proptt2'), 'a key for benchmarks');
  const gateway = processOf(backends.database, secrets, systemClock);
  const sandbox = await startScript(
    join(import.meta.dirname, 'proptt2-sandbox.ts'),
    { COMPANIES: String(count) },
    /^address (\S+)/,
  );
  try {
    await inPortions(count, async (n) => {
      const settings = {
        cloudUrl: sandbox.value,
        ownerId: `owner${n}@company${n}.example`,
        hid: 1,
        allowHttp: true,
        allowPrivateNetwork: true,
      };
      await putConnection(gateway, 'proptt2', `c${n}`, settings, { interactionKey: `key-${n}` });
    });
    const built = (await bundle(['keep-sessions'], directory)).get('keep-sessions');
    const environment = { ...backends.env, AWS_REGION: 'us-east-1' };
    process.stdout.write(`\nKeepalives of ${count} sessions in one tick of the built function\n`);
    const start = () =>
      startLambdaProcess(built?.entry ?? '', environment, [`--max-old-space-size=${memoryLimit - 100}`]);
    let lambda = await start();
    for (let left = count; left > 0; ) {
      const { renewed } = await tick(lambda, 'log in');
      if (renewed === 0) throw new Error('No session was made');
      left -= renewed;
      // What the end of the tick interrupted would come with the next minute.
      await makeDue('(attribute_not_exists(#state) OR #state <> :live)');
    }
    await lambda.stop();
    await makeDue('#state = :live');
    lambda = await start();
    const { kept, seconds, memory } = await tick(lambda, 'keep alive');
    await lambda.stop();
    if (kept < count || seconds > tickLimit || memory > memoryLimit) process.exitCode = 1;
  } finally {
    gateway.close();
    await sandbox.stop();
    await backends.stop();
    rmSync(directory, { recursive: true, force: true });
  }

  function makeDue(condition: string): Promise<void> {
    const values = { now: Date.now(), live: 'live' };
    return inPortions(count, (n) =>
      gateway.table.update(keys.session('proptt2', `c${n}`), 'SET #dueAt = :now', values, condition),
    );
  }
}

async function tick(lambda: LambdaProcess, what: string) {
  const before = lambda.usage();
  const startedAt = performance.now();
  const report = await lambda.invoke<KeepReport>({ source: 'aws.scheduler' });
  const seconds = (performance.now() - startedAt) / 1000;
  const { cpu, memory } = lambda.usage();
  const line =
    lambda
      .output()
      .trim()
      .split('\n')
      .findLast((each) => each.includes('"tick"')) ?? '{}';
  const { dynamodbRequests } = JSON.parse(line) as { dynamodbRequests: number };
  process.stdout.write(
    `${what}: ${seconds.toFixed(1)} s (processor time ${(cpu - before.cpu).toFixed(1)} s), kept ${report.kept}, renewed ${report.renewed}, failed ${report.failed}, ` +
      `DynamoDB requests per session ${(dynamodbRequests / Math.max(1, report.due)).toFixed(2)}, largest memory ${Math.round(memory)} MB\n`,
  );
  return { ...report, seconds, memory };
}

async function inPortions(count: number, work: (n: number) => Promise<unknown>): Promise<void> {
  for (let from = 1; from <= count; from += 100) {
    await Promise.all(Array.from({ length: Math.min(100, count - from + 1) }, (_, at) => work(from + at)));
  }
}

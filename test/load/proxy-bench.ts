import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import autocannon from 'autocannon';
import { type Started, startScript } from './process.ts';

const here = import.meta.dirname;
/** As `npm start` has them. */
const startFlags = ['--max-semi-space-size=4'];
const adminKey = 'tl_a-key-for-benchmarks-only';

interface Figures {
  rate: number;
  p50: number;
  p99: number;
  failed: number;
}

/** Warm `sendMessageToChannel` through the whole local gateway against a bare proxy to the same vendor, interleaved. */
export async function proxyBench(seconds: number, rounds: number): Promise<void> {
  spawnSync('npm', ['run', '--silent', 'build'], { cwd: join(here, '../..'), stdio: 'inherit' });
  process.stdout.write(
    '\nWarm sendMessageToChannel, Trunkline / bare node:http + undici-pool proxy, medians of interleaved rounds\n',
  );
  process.stdout.write(
    'vendor ms | clients | requests/s ours / bare | ratio | p50 ms ours / bare | p99 ms ours / bare | failed\n',
  );
  for (const latency of [0, 20]) {
    const directory = mkdtempSync(join(tmpdir(), 'trunkline-bench-'));
    const started: Started[] = [];
    try {
      const vendor = await startScript(join(here, 'stub-vendor.ts'), { LATENCY: String(latency) }, /^port (\d+)/);
      started.push(vendor);
      const bare = await startScript(
        join(here, 'bare-proxy.ts'),
        { VENDOR: `http://127.0.0.1:${vendor.value}` },
        /^port (\d+)/,
      );
      started.push(bare);
      const ours = await startScript(
        join(here, '../../dist/local/start.mjs'),
        {
          PORT: '0',
          TRUNKLINE_SANDBOX: 'off',
          TRUNKLINE_DATA: directory,
          TRUNKLINE_ADMIN_KEY: adminKey,
          NODE_COMPILE_CACHE: 'node_modules/.cache/trunkline',
        },
        /^ready (\S+)/,
        startFlags,
      );
      started.push(ours);
      const call = await prepare(ours.value, `http://127.0.0.1:${vendor.value}`);
      if (latency === 0)
        process.stdout.write(
          `(start to first good answer ${Math.round(call.firstAnswer + ours.startTime)} ms, idle memory ${Math.round(ours.memory())} MB)\n`,
        );
      for (const clients of [1, 16, 64]) {
        const targets = { ours: call.url, bare: `http://127.0.0.1:${bare.value}/` };
        const runs: Record<'ours' | 'bare', Figures[]> = { ours: [], bare: [] };
        for (let round = 0; round <= rounds; round++) {
          for (const who of ['bare', 'ours'] as const) {
            const figures = await load(
              targets[who],
              call.key,
              clients,
              seconds,
              who === 'ours' ? call.body : '{"messageId":1,"messageContent":"SGVsbG8="}',
            );
            // The first round only warms up.
            if (round > 0) runs[who].push(figures);
          }
        }
        const [ours, bareFigures] = [median(runs.ours), median(runs.bare)];
        process.stdout.write(
          `${latency} | ${clients} | ${ours.rate} / ${bareFigures.rate} | ${(ours.rate / bareFigures.rate).toFixed(2)} | ${ours.p50} / ${bareFigures.p50} | ${ours.p99} / ${bareFigures.p99} | ${ours.failed}\n`,
        );
      }
    } finally {
      for (const each of started.reverse()) await each.stop();
      rmSync(directory, { recursive: true, force: true });
    }
  }
}

/** A call to make again and again, with a key of its own, and the milliseconds until its first answer. */
interface PreparedCall {
  url: string;
  key: string;
  body: string;
  firstAnswer: number;
}

async function prepare(gateway: string, vendor: string): Promise<PreparedCall> {
  const startedAt = performance.now();
  const headers = { authorization: `Bearer ${adminKey}`, 'content-type': 'application/json' };
  const settings = {
    cloudUrl: vendor,
    ownerId: 'owner@company.com',
    hid: 1,
    allowHttp: true,
    allowPrivateNetwork: true,
  };
  const connection = { vendor: 'proptt2', name: 'bench', settings, credentials: { interactionKey: 'bb00cc' } };
  await fetch(`${gateway}/v1/connections`, { method: 'POST', headers, body: JSON.stringify(connection) });
  const url = `${gateway}/v1/proptt2/bench/sendMessageToChannel`;
  const body = JSON.stringify({ channelId: 1, message: 'Hello' });
  const answer = await fetch(url, { method: 'POST', headers, body });
  if (answer.status !== 200) throw new Error(`The gateway answered ${answer.status}: ${await answer.text()}`);
  const firstAnswer = performance.now() - startedAt;
  // A minute of the benchmark is more calls than any other key may make.
  const wanted = { name: 'Benchmark', scopes: ['proptt2/bench/*'], perMinute: 1_000_000 };
  const made = await fetch(`${gateway}/v1/keys`, { method: 'POST', headers, body: JSON.stringify(wanted) });
  const { key } = (await made.json()) as { key: string };
  return { url, key, body, firstAnswer };
}

async function load(url: string, key: string, clients: number, seconds: number, body: string): Promise<Figures> {
  const result = await autocannon({
    url,
    method: 'POST',
    connections: clients,
    duration: seconds,
    headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
    body,
  });
  return {
    rate: Math.round(result.requests.average),
    p50: result.latency.p50,
    p99: result.latency.p99,
    failed: result.non2xx + result.errors,
  };
}

function median(all: Figures[]): Figures {
  const sorted = [...all].sort((one, other) => one.rate - other.rate);
  return sorted[Math.floor(sorted.length / 2)] ?? { rate: 0, p50: 0, p99: 0, failed: 0 };
}

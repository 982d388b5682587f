import { execFile } from 'node:child_process';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { type Bench, startBench } from '../acceptance/product.ts';

/** What each of the two programs in `calls` reports. */
interface Results {
  name: string;
  code: string | undefined;
  refused: { status: number; code: string | undefined };
  words: string[];
  automation: string;
}

const here = import.meta.dirname;
const generated = join(here, 'generated');
const root = join(here, '..', '..');
const run = async (file: string, ...args: string[]) => {
  const { stdout } = await promisify(execFile)(process.execPath, [file, ...args], { cwd: here });
  return stdout;
};
vi.setConfig({ testTimeout: 300_000, hookTimeout: 300_000 });

let bench: Bench;
beforeAll(async () => {
  rmSync(generated, { recursive: true, force: true });
  mkdirSync(generated);
  bench = await startBench();
  const document = join(generated, 'openapi.json');
  writeFileSync(document, JSON.stringify((await bench.call('GET', '/openapi.json')).body));
  await Promise.all([
    run('node_modules/openapi-typescript/bin/cli.js', document, '-o', join(generated, 'paths.d.ts')),
    run('generate-hey-api.ts', document, join(generated, 'hey-api')),
  ]);
});
afterAll(async () => {
  await bench?.close();
  rmSync(generated, { recursive: true, force: true });
});

test('what is generated compiles strictly, and so do programs that use it', async () => {
  const compiled = await run(join(root, 'node_modules/typescript/bin/tsc'), '-p', 'tsconfig.calls.json').catch(
    (error: { stdout?: string }) => error.stdout,
  );
  expect(compiled).toBe('');
});

describe.each(['openapi-fetch', 'hey-api'])('%s', (client) => {
  test('calls the product', async () => {
    const file = join(here, 'calls', `${client}.ts`);
    const { main } = (await import(/* @vite-ignore */ file)) as { main(url: string, key: string): Promise<Results> };
    expect(await main(bench.product.url, bench.product.adminKey)).toEqual({
      name: 'Admin key',
      code: '200',
      refused: { status: 422, code: 'invalid_input' },
      words: ['Hello from a client'],
      automation: `Made with ${client}`,
    });
  });
});

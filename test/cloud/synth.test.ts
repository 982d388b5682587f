import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { functions } from '../../functions/declarations.ts';

const home = mkdtempSync(join(tmpdir(), 'trunkline-cdk-'));
afterAll(() => rmSync(home, { recursive: true, force: true }));

it('cdk synth needs no network, no credentials and no docker, and takes along the code of every function', () => {
  const output = join(home, 'cdk.out');
  const nowhere = 'http://127.0.0.1:9';
  const { status, stderr } = spawnSync('node_modules/.bin/cdk', ['synth', '--quiet', '--output', output], {
    encoding: 'utf8',
    env: {
      PATH: [join(process.cwd(), 'node_modules', '.bin'), dirname(process.execPath), '/usr/bin', '/bin'].join(
        delimiter,
      ),
      HOME: home,
      HTTP_PROXY: nowhere,
      HTTPS_PROXY: nowhere,
      AWS_EC2_METADATA_DISABLED: 'true',
      CI: 'true',
    },
  });
  expect([status, stderr]).toEqual([0, expect.any(String)]);
  const templates = readdirSync(output).filter((name) => name.endsWith('.template.json'));
  expect(templates.sort()).toEqual(
    ['TrunklineGateway', 'TrunklineStorage', 'TrunklineWatch'].map((name) => `${name}.template.json`),
  );
  const shipped = readdirSync(output)
    .filter((name) => name.startsWith('asset.'))
    .flatMap((name) => readdirSync(join(output, name)));
  expect(shipped).toEqual(expect.arrayContaining(functions.map(({ name }) => `${name}.mjs`)));
  const { runtime: _, ...manifest } = JSON.parse(readFileSync(join(output, 'manifest.json'), 'utf8')) as {
    runtime?: object;
    missing?: unknown[];
    artifacts: Record<string, { environment?: string }>;
  };
  expect(manifest.missing ?? []).toEqual([]);
  const environments = Object.values(manifest.artifacts).flatMap(({ environment }) => environment ?? []);
  expect(new Set(environments)).toEqual(new Set(['aws://unknown-account/unknown-region']));
});

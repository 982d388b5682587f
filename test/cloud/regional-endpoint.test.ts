import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { build } from 'esbuild';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { regionalEndpoint } from '../../cdk/sdk/regional-endpoint.ts';

type Resolve = (parameters: object) => { url: URL; properties?: object; headers?: object };

const folder = mkdtempSync(join(tmpdir(), 'trunkline-endpoints-'));
/** The SDK's own rules, by the package that has them. */
const original: Record<string, Resolve> = {};
let regions: string[] = [];

beforeAll(async () => {
  const modules = dirname(dirname(import.meta.dirname));
  const built = (file: string, name: string) =>
    build({
      entryPoints: [join(modules, 'node_modules/@aws-sdk', file)],
      outfile: join(folder, `${name}.mjs`),
      bundle: true,
      format: 'esm',
      platform: 'node',
      mainFields: ['module', 'main'],
    });
  for (const name of ['client-dynamodb', 'client-secrets-manager']) {
    await built(`${name}/dist-es/endpoint/endpointResolver.js`, name);
    original[name] = (await import(join(folder, `${name}.mjs`))).defaultEndpointResolver;
  }
  await built('core/dist-es/submodules/client/util-endpoints/lib/aws/partitions.js', 'partitions');
  const { partitionsInfo } = await import(join(folder, 'partitions.mjs'));
  regions = partitionsInfo.partitions.flatMap(({ regions: known }: { regions: object }) => Object.keys(known));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const plain = ({ url, ...rest }: ReturnType<Resolve>) => ({ ...rest, url: url.href });

test.each([
  ['client-dynamodb', 'dynamodb'],
  ['client-secrets-manager', 'secretsmanager'],
])('%s is reached where its own rules say, in every region', (name, service) => {
  const own = original[name] as Resolve;
  const real = regions.filter((region) => !region.endsWith('-global'));
  expect(real.length).toBeGreaterThan(30);
  for (const Region of real) {
    expect(plain(regionalEndpoint(service, { Region })), Region).toEqual(plain(own({ Region })));
  }
  const given = { Region: 'eu-central-1', Endpoint: 'http://127.0.0.1:8000' };
  expect(plain(regionalEndpoint(service, given))).toEqual(plain(own(given)));
});

test('unsupported settings are refused with an explanation', () => {
  expect(() => regionalEndpoint('dynamodb', { Region: 'us-east-1', UseFIPS: true })).toThrow('not supported');
  expect(() => regionalEndpoint('dynamodb', { Region: 'us-east-1', UseDualStack: true })).toThrow('not supported');
  expect(() => regionalEndpoint('dynamodb', {})).toThrow('AWS_REGION');
});

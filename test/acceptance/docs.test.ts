import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { type Bench, startBench } from './product.ts';

const root = dirname(dirname(import.meta.dirname));
const pages = [
  ...readdirSync(root),
  ...['docs', 'examples'].flatMap((folder) =>
    readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' }).map((name) => `${folder}/${name}`),
  ),
].filter((name) => name.endsWith('.md'));

/** Commands that other tests run, or that need an account or a machine of their own. */
const elsewhere = [
  /^npm (ci|install|start|test)\b/,
  /^npm run (check|bench|soak|scale|attack|synth|sandbox|screenshots|package)\b/,
  /^npx (cdk|vitest)\b/,
  /^npx trunkline (start|tail|listen)\b/,
  /^node test\//,
];

/** The shell blocks of a page, without the commands that are tried elsewhere. */
function commandsOf(page: string): string {
  const markdown = readFileSync(join(root, page), 'utf8');
  const blocks = [...markdown.matchAll(/^```sh\n(.*?)^```/gms)].map(([, block = '']) => block);
  return blocks
    .join('\n')
    .split('\n')
    .filter((line) => !elsewhere.some((pattern) => pattern.test(line.trim())))
    .join('\n');
}

let bench: Bench;
const folder = mkdtempSync(join(tmpdir(), 'trunkline-docs-'));
beforeAll(async () => {
  // Readers of the documentation have usually started the product before.
  bench = await startBench({ again: true });
  expect(bench.product.adminKeyIsNew).toBe(false);
  // Health is known once the clock has ticked.
  await vi.waitFor(
    async () => {
      await bench.product.tick();
      expect((await fetch(`${bench.product.url}/health`)).status).toBe(200);
    },
    { timeout: 120_000 },
  );
});
afterAll(async () => {
  await bench.close();
  rmSync(folder, { recursive: true, force: true });
});

/** What precedes the commands of a page: the variables that the README sets, and a curl that fails when the API refuses. */
const preamble = () => `set -euo pipefail
curl() { command curl --silent --show-error --fail-with-body --max-time 30 "$@"; echo; }
npx() { shift; command "${process.execPath}" "${join(root, 'cli/main.ts')}" "$@"; }
`;

async function run(script: string): Promise<{ code: number | null; output: string }> {
  const { url, adminKey } = bench.product;
  const shell = spawn('bash', ['-c', `${preamble()}${script}`], {
    cwd: folder,
    env: {
      ...process.env,
      URL: url,
      KEY: adminKey,
      AUTH: `Authorization: Bearer ${adminKey}`,
      JSON: 'Content-Type: application/json',
      HOOK: bench.demo.hookUrl,
      TRUNKLINE_URL: url,
      TRUNKLINE_KEY: adminKey,
      XDG_CONFIG_HOME: join(folder, 'config'),
      TRUNKLINE_DATA: join(folder, 'data'),
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const ended = new Promise<number | null>((resolve) => shell.once('close', resolve));
  const [out, error, code] = await Promise.all([text(shell.stdout), text(shell.stderr), ended]);
  return { code, output: `${out}${error}` };
}

describe('every command in the documentation works', () => {
  const withCommands = pages.filter((page) => commandsOf(page).trim() !== '');
  expect(withCommands.length).toBeGreaterThan(3);
  test.each(withCommands)('%s', async (page) => {
    const { code, output } = await run(commandsOf(page));
    expect([code, output]).toEqual([0, output]);
  });
});

test.each(pages)('links of %s lead somewhere', (page) => {
  const markdown = readFileSync(join(root, page), 'utf8').replace(/^```.*?^```/gms, '');
  const targets = [...markdown.matchAll(/\]\((?!https?:|mailto:|#)([^)#\s]+)/g)].map(([, target = '']) => target);
  expect(targets.filter((target) => !existsSync(join(root, dirname(page), target)))).toEqual([]);
});

test('every file and folder that a page names in backticks exists', () => {
  const missing = pages.flatMap((page) => {
    const markdown = readFileSync(join(root, page), 'utf8').replace(/^```.*?^```/gms, '');
    const named = [
      ...markdown.matchAll(/`((?:lib|functions|local|sandbox|cli|cdk|build|recipes|examples|test|docs)\/[\w./-]+)`/g),
    ];
    return named.flatMap(([, path = '']) => (existsSync(join(root, path)) ? [] : [`${page}: ${path}`]));
  });
  expect(missing).toEqual([]);
});

test('the index of decisions names every page, and the numbers have no gap', () => {
  const names = readdirSync(join(root, 'docs/decisions')).filter((name) => /^\d{3}-/.test(name));
  const index = readFileSync(join(root, 'docs/decisions/README.md'), 'utf8');
  expect(names.filter((name) => !index.includes(`](${name})`))).toEqual([]);
  expect(names.map((name) => Number(name.slice(0, 3)))).toEqual(names.map((_, at) => at + 1));
});

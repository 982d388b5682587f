import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { bundle } from '../../cdk/bundle.ts';
import { functions } from '../../functions/declarations.ts';

/** Loads a handler and prints the processor time from the birth of the process until then, in milliseconds. */
const loadHandler = `await import(process.argv[1]);
const { user, system } = process.cpuUsage();
process.stdout.write(String((user + system) / 1000));`;

/**
 * What each function's built bundle costs before it can answer, against an empty handler: processor time of fresh processes,
 * interleaved so that a busy machine is busy for all of them, and what it loads.
 */
export async function coldStartBench(rounds: number): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), 'trunkline-cold-start-'));
  try {
    const empty = join(directory, 'empty.mjs');
    writeFileSync(empty, 'export const handler = async () => ({});\n');
    const bundles = await bundle(
      functions.map(({ name }) => name),
      join(directory, 'functions'),
    );
    const entries = new Map([['(empty)', empty], ...[...bundles].map(([name, { entry }]) => [name, entry] as const)]);
    const times = new Map<string, number[]>([...entries.keys()].map((name) => [name, []]));
    for (let round = 0; round < rounds; round++) {
      for (const [name, entry] of entries) times.get(name)?.push(timeOf(entry));
    }
    const base = median(times.get('(empty)') ?? []);
    process.stdout.write(`\nCold start of the built functions, medians of ${rounds} fresh processes each\n`);
    process.stdout.write('function | kB at the start | CPU ms until ready | ratio to an empty handler\n');
    for (const [name, all] of times) {
      const size = ((bundles.get(name)?.startBytes ?? 0) / 1000).toFixed(0);
      process.stdout.write(`${name} | ${size} | ${median(all).toFixed(1)} | ${(median(all) / base).toFixed(2)}\n`);
    }
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

function timeOf(entry: string): number {
  const { stdout, stderr, status } = spawnSync(
    process.execPath,
    ['--input-type=module', '--eval', loadHandler, pathToFileURL(entry).href],
    { env: { AWS_REGION: 'eu-central-1' }, encoding: 'utf8' },
  );
  if (status !== 0) throw new Error(`${entry} does not load: ${stderr}`);
  return Number(stdout);
}

function median(values: readonly number[]): number {
  return values.toSorted((one, other) => one - other)[Math.floor(values.length / 2)] ?? 0;
}

import { spawnSync } from 'node:child_process';
import { join } from 'node:path';

/** Runs every benchmark in a separate process, so that none inherits the memory of another. `--short` is a quick version. */
const short = process.argv.includes('--short');
const here = import.meta.dirname;

const parts: readonly [string, string, string][] = [
  ['chain-bench.ts', 'chainBench', ''],
  ['proxy-bench.ts', 'proxyBench', short ? '2, 1' : '5, 3'],
  ['cold-start.ts', 'coldStartBench', short ? '3' : '11'],
  ['automation-bench.ts', 'automationBench', short ? '20' : '100'],
  ['upload-bench.ts', 'uploadBench', ''],
  ['console-bench.ts', 'consoleBench', short ? '3' : '15'],
];

let failed = 0;
for (const [file, name, given] of parts) {
  const script = `import(${JSON.stringify(join(here, file))}).then((part) => part.${name}(${given})).then(() => process.exit())`;
  const { status } = spawnSync(process.execPath, ['-e', script], { stdio: 'inherit' });
  if (status !== 0) failed++;
}
process.exit(failed);

import { execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

/** Packs the project, installs the package as a user would, and uses it: small, without install scripts, complete. */
const maxInstalledMb = 60;
const readyMs = 60_000;
const root = dirname(import.meta.dirname);
const folder = mkdtempSync(join(tmpdir(), 'trunkline-package-'));
const npm = (cwd: string, ...words: string[]) => execFileSync('npm', words, { cwd, encoding: 'utf8' });

function megabytesOnDisk(path: string): number {
  const entries = readdirSync(path, { recursive: true, withFileTypes: true }).filter((each) => !each.isSymbolicLink());
  // As the disk counts: in whole blocks, which is half as much again for many small files.
  return entries.reduce((sum, each) => sum + statSync(join(each.parentPath, each.name)).blocks * 512, 0) / 1024 ** 2;
}

try {
  const [packed] = JSON.parse(npm(root, 'pack', '--json', '--silent', '--pack-destination', folder)) as {
    filename: string;
  }[];
  writeFileSync(join(folder, 'package.json'), '{"private":true}');
  npm(
    folder,
    'install',
    '--ignore-scripts',
    '--no-audit',
    '--no-fund',
    '--silent',
    join(folder, packed?.filename ?? ''),
  );
  const size = megabytesOnDisk(join(folder, 'node_modules'));
  if (size > maxInstalledMb)
    throw new Error(`The package takes ${size.toFixed(0)} MB; at most ${maxInstalledMb} are allowed.`);

  const command = join(folder, 'node_modules/.bin/trunkline');
  const env = { ...process.env, PORT: '0', TRUNKLINE_DATA: join(folder, 'data') };
  const product = spawn(process.execPath, [command, 'start'], {
    cwd: folder,
    env,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  try {
    await new Promise<void>((resolve, reject) => {
      let output = '';
      product.stdout.on('data', (chunk: Buffer) => {
        output += chunk.toString('utf8');
        if (/^ready /m.test(output)) resolve();
      });
      product.once('exit', (code) => reject(new Error(`It ended with ${code}: ${output}`)));
      setTimeout(() => reject(new Error(`It was not ready in time: ${output}`)), readyMs).unref();
    });
    const words = ['call', 'proptt2/demo/getChannelList', '--json'];
    const answer = execFileSync(process.execPath, [command, ...words], { cwd: folder, env, encoding: 'utf8' });
    if (!answer.includes('Dispatch')) throw new Error(`The call answered ${answer}`);
  } finally {
    product.kill('SIGKILL');
  }
  process.stdout.write(`The package takes ${size.toFixed(1)} MB installed, starts and answers.\n`);
} finally {
  rmSync(folder, { recursive: true, force: true });
}

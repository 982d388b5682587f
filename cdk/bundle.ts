import { copyFileSync, rmSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { type BuildOptions, build, type Metafile } from 'esbuild';
import { swaggerFiles } from '../lib/gateway/docs/assets.ts';
import { builtinHttp, environmentCredentials, noEndpointDiscovery, packagesApart } from './bundle-plugins.ts';

const root = dirname(import.meta.dirname);

/** What a source file expects beside the bundle that it has become part of. */
const companions: Readonly<Record<string, { built?: Record<string, string>; copied?: Record<string, () => string> }>> =
  {
    'lib/events/expression-pool.ts': { built: { 'expression-worker': 'lib/events/expression-worker.ts' } },
    'lib/gateway/docs/assets.ts': { copied: swaggerFiles },
  };

/** A function as it is uploaded. */
export interface Bundle {
  /** The folder with `{name}.mjs` and everything it may load. */
  folder: string;
  entry: string;
  /** What the entry loads before it can answer: itself and its static imports. */
  start: {
    bytes: number;
    /** Bytes by source file or package. */
    sources: ReadonlyMap<string, number>;
  };
}

/**
 * Builds `functions/{name}.ts` for Lambda, each into a folder of its own. A build for each, because in one build for all a
 * function would load whatever the others need of a shared file.
 */
export async function bundle(
  names: readonly string[],
  directory = join(root, 'dist', 'functions'),
): Promise<Map<string, Bundle>> {
  const bundles = await Promise.all(names.map((name) => bundleOne(name, join(directory, name))));
  return new Map(bundles.map((each, at) => [names[at] ?? '', each]));
}

async function bundleOne(name: string, folder: string): Promise<Bundle> {
  rmSync(folder, { recursive: true, force: true });
  const apart = new Map<string, string>();
  const options = {
    absWorkingDir: root,
    outdir: folder,
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
  const plugins = [builtinHttp, environmentCredentials, noEndpointDiscovery];
  const { metafile } = await build({
    ...options,
    entryPoints: { [name]: `functions/${name}.ts` },
    metafile: true,
    plugins: [...plugins, packagesApart(apart)],
  });
  for (const source of Object.keys(metafile.inputs)) {
    const { built = {}, copied = {} } = companions[source] ?? {};
    for (const [entry, path] of Object.entries(built)) apart.set(entry, path);
    for (const [file, find] of Object.entries(copied)) copyFileSync(find(), join(folder, file));
  }
  if (apart.size > 0) await build({ ...options, entryPoints: Object.fromEntries(apart), plugins });
  const entry = join(folder, `${name}.mjs`);
  return { folder, entry, start: startOf(metafile, relative(root, entry)) };
}

function startOf({ outputs }: Metafile, entry: string): Bundle['start'] {
  const loaded = new Set<string>();
  const waiting = [entry];
  for (let path = waiting.pop(); path !== undefined; path = waiting.pop()) {
    if (loaded.has(path)) continue;
    loaded.add(path);
    const imports = outputs[path]?.imports ?? [];
    waiting.push(
      ...imports.filter(({ kind, external }) => kind === 'import-statement' && !external).map((each) => each.path),
    );
  }
  const sources = new Map<string, number>();
  let bytes = 0;
  for (const path of loaded) {
    const output = outputs[path];
    bytes += output?.bytes ?? 0;
    for (const [source, { bytesInOutput }] of Object.entries(output?.inputs ?? {})) {
      const from = packageOf(source) ?? source;
      sources.set(from, (sources.get(from) ?? 0) + bytesInOutput);
    }
  }
  return { bytes, sources };
}

function packageOf(source: string): string | undefined {
  return source.match(/.*node_modules\/((?:@[^/]+\/)?[^/]+)/)?.[1];
}

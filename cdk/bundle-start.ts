import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type BuildOptions, build } from 'esbuild';

/** A file that a function loads at its start, with the names that it exports. */
export interface StartFile {
  file: string;
  exports: readonly string[];
}

/**
 * Makes one file of all that a function loads at its start, since each file costs a cold start a millisecond of processor time.
 * What is loaded on use imports from the same files as before, which re-export from that file. Returns its size in bytes.
 */
export async function mergeStart(
  folder: string,
  entry: string,
  shared: readonly StartFile[],
  options: BuildOptions,
): Promise<number> {
  const names = shared.map(({ exports }, at) => exports.map((name) => [name, `s${at}_${name}`] as const));
  const kept = new Set([entry, ...shared.map(({ file }) => file)]);
  const { outputFiles } = await build({
    ...options,
    absWorkingDir: folder,
    outdir: folder,
    write: false,
    metafile: false,
    splitting: false,
    stdin: {
      contents: [
        `export * from './${entry}';`,
        ...shared.map(({ file }, at) => `export { ${list(names[at] ?? [])} } from './${file}';`),
      ].join('\n'),
      resolveDir: folder,
    },
    plugins: [
      {
        name: 'on-use-stays-apart',
        setup: (on) =>
          on.onResolve({ filter: /^\.\// }, ({ path }) =>
            kept.has(path.slice(2)) ? undefined : { path, external: true },
          ),
      },
    ],
  });
  let bytes = 0;
  for (const { path, contents, text } of outputFiles ?? []) {
    if (path.endsWith('.map')) writeFileSync(join(folder, `${entry}.map`), contents);
    else {
      const code = text.replace(/(\/\/# sourceMappingURL=).*\s*$/, `$1${entry}.map\n`);
      bytes = Buffer.byteLength(code);
      writeFileSync(join(folder, entry), code);
    }
  }
  for (const [at, { file }] of shared.entries()) {
    const handedOn = (names[at] ?? []).map(([name, unique]) => [unique, name] as const);
    writeFileSync(join(folder, file), `export { ${list(handedOn)} } from './${entry}';\n`);
    rmSync(join(folder, `${file}.map`), { force: true });
  }
  return bytes;
}

function list(pairs: readonly (readonly [from: string, to: string])[]): string {
  return pairs.map(([from, to]) => `${from} as ${to}`).join(', ');
}

import { readFileSync } from 'node:fs';
import { isBuiltin } from 'node:module';
import { dirname } from 'node:path';
import type { Plugin } from 'esbuild';
import { moduleEdits, moduleReplacements, packageReplacements } from './sdk/replacements.ts';

/**
 * Takes what bundled code imports of Node from the process instead: an ES module's import of a built-in one reads every export
 * there is, and some of those load much more, such as all of Node's `fetch` for `http`, or the streams of files for `fs`.
 */
export const processBuiltins: Plugin = {
  name: 'process-builtins',
  setup(build) {
    build.onResolve({ filter: /^[a-z_:/0-9]+$/ }, ({ path, kind }) =>
      kind === 'import-statement' && isBuiltin(path)
        ? { path: path.replace('node:', ''), namespace: 'process-builtin', sideEffects: false }
        : undefined,
    );
    build.onLoad({ filter: /.*/, namespace: 'process-builtin' }, ({ path }) => {
      const names = Object.keys(process.getBuiltinModule(`node:${path}`) ?? {});
      // Pure, so that only what is used stays.
      const exported = names.map((name) => `export const ${name} = /* @__PURE__ */ take('${name}');`);
      return {
        contents: `const builtin = /* @__PURE__ */ process.getBuiltinModule('node:${path}');
          const take = (name) => builtin[name];
          export default builtin;
          ${exported.join('\n')}`,
      };
    });
  },
};

/** Gives packages that are older than ES modules (`ws`, `tus-js-client`) what they `require` of Node; an ES module has no `require`. */
export const requiredBuiltins: Plugin = {
  name: 'required-builtins',
  setup(build) {
    build.onResolve({ filter: /^[a-z_:/0-9]+$/ }, ({ path, kind }) =>
      kind === 'require-call' && isBuiltin(path) ? { path, namespace: 'required-builtin' } : undefined,
    );
    build.onLoad({ filter: /.*/, namespace: 'required-builtin' }, ({ path }) => ({
      contents: `module.exports = process.getBuiltinModule('${path}');`,
    }));
  },
};

/** Parts of the SDK that a Lambda has no use for, in a form that is smaller and sooner loaded; what lacks an export fails the build. */
export const lambdaSdk: Plugin = {
  name: 'lambda-sdk',
  setup(build) {
    build.onResolve({ filter: /^@aws-sdk\// }, ({ path, resolveDir }) =>
      path in packageReplacements
        ? { path, namespace: 'lambda-sdk', pluginData: resolveDir, sideEffects: false }
        : undefined,
    );
    build.onLoad({ filter: /.*/, namespace: 'lambda-sdk' }, ({ path, pluginData }) => ({
      contents: packageReplacements[path] ?? '',
      resolveDir: String(pluginData),
    }));
    build.onLoad({ filter: /node_modules\/@(aws-sdk|smithy)\/.*\.js$/ }, ({ path }) => {
      const name = belowModules(path);
      const contents = moduleReplacements[name] ?? edited(path, moduleEdits[name]);
      return contents === undefined ? undefined : { contents, resolveDir: dirname(path) };
    });
    // The clients read their version from it, and nothing else.
    build.onLoad({ filter: /node_modules\/@aws-sdk\/[^/]+\/package\.json$/ }, ({ path }) => {
      const { name, version } = JSON.parse(readFileSync(path, 'utf8'));
      return { contents: JSON.stringify({ name, version }), loader: 'json' };
    });
  },
};

/** Imported on use, but by nearly every first request, and nearly all of it is there already. */
const sharedPackages = new Set(['@aws-sdk/client-secrets-manager']);

/**
 * Excludes packages that are imported on use from the build, and records them with the names that they are imported by, for a
 * separate build. In the same build, the start would also load the shared code that only they need.
 */
export function packagesApart(noted: Map<string, string>): Plugin {
  return {
    name: 'packages-apart',
    setup(build) {
      build.onResolve({ filter: /^[@a-z]/ }, ({ path, kind, importer }) => {
        const ours = kind === 'dynamic-import' && !importer.includes('node_modules') && !path.startsWith('node:');
        if (!ours || sharedPackages.has(path)) return undefined;
        const name = path.replace('@', '').replaceAll('/', '-');
        noted.set(name, path);
        return { path: `./${name}.mjs`, external: true };
      });
    },
  };
}

function edited(path: string, edits: readonly [from: string, to: string][] | undefined): string | undefined {
  return edits?.reduce(
    (text, [from, to]) => {
      if (!text.includes(from)) throw new Error(`${path} has no ${from} any more: see cdk/sdk/replacements.ts`);
      return text.replace(from, to);
    },
    readFileSync(path, 'utf8'),
  );
}

const belowModules = (path: string): string => path.slice(path.lastIndexOf('node_modules/') + 'node_modules/'.length);

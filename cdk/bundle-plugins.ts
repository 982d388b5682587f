import { isBuiltin } from 'node:module';
import type { Plugin } from 'esbuild';

/** The names of `node:http` and `node:https` that bundled code imports; a missing one fails the build. */
const httpNames =
  'Agent, ClientRequest, IncomingMessage, METHODS, STATUS_CODES, ServerResponse, createServer, get, request';
const httpsNames = 'Agent, createServer, get, request';

/**
 * Takes `http` and `https` from the process instead of importing them: an ES module's import reads every export there is, and
 * among those of `http` are some that load all of Node's `fetch`.
 */
export const builtinHttp: Plugin = {
  name: 'builtin-http',
  setup(build) {
    build.onResolve({ filter: /^(node:)?https?$/ }, ({ path }) => ({
      path: path.replace('node:', ''),
      namespace: 'builtin-http',
      sideEffects: false,
    }));
    build.onLoad({ filter: /.*/, namespace: 'builtin-http' }, ({ path }) => ({
      contents: `const builtin = process.getBuiltinModule('node:${path}');
        export default builtin;
        export const { ${path === 'http' ? httpNames : httpsNames} } = builtin;`,
    }));
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

/** On Lambda credentials are always in the environment, so the rest of the SDK's chain of sources (130 kB) stays out. */
export const environmentCredentials = replacing(
  '@aws-sdk/credential-provider-node',
  "export { fromEnv as defaultProvider } from '@aws-sdk/credential-provider-env';",
);

/** DynamoDB's clients discover endpoints only when configuration tells them to, which a Lambda has not. */
export const noEndpointDiscovery = replacing(
  '@aws-sdk/middleware-endpoint-discovery',
  `export const resolveEndpointDiscoveryConfig = (config) => config;
   export const NODE_ENDPOINT_DISCOVERY_CONFIG_OPTIONS = {
     environmentVariableSelector: () => undefined,
     configFileSelector: () => undefined,
     default: undefined,
   };`,
);

/** Imported on use, but by nearly every first request, and nearly all of it is there already. */
const sharedPackages = new Set(['@aws-sdk/client-secrets-manager']);

/**
 * Leaves packages that are imported on use out of the build and notes them, with the names that they are expected under, for
 * a build of their own: in the same build the start would load whatever they share with it and need of it beyond.
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

/** Another module in the place of a package; what the package exports and the module does not fails the build when imported. */
function replacing(name: string, contents: string): Plugin {
  const namespace = `replaced-${name}`;
  return {
    name: namespace,
    setup(build) {
      build.onResolve({ filter: new RegExp(`^${name}$`) }, ({ path, resolveDir }) => ({
        path,
        namespace,
        pluginData: resolveDir,
        sideEffects: false,
      }));
      build.onLoad({ filter: /.*/, namespace }, ({ pluginData }) => ({ contents, resolveDir: String(pluginData) }));
    },
  };
}

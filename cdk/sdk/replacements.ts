import { join } from 'node:path';

const endpoints = JSON.stringify(join(import.meta.dirname, 'regional-endpoint.ts'));
const endpointOf = (service: string) => `
  import { regionalEndpoint } from ${endpoints};
  export const defaultEndpointResolver = (parameters) => regionalEndpoint('${service}', parameters);`;
const serde = '@smithy/core/dist-es/submodules/serde';
const config = '@smithy/core/dist-es/submodules/config';
const retry = '@smithy/core/dist-es/submodules/retry/util-retry';
const client = '@aws-sdk/core/dist-es/submodules/client';
const checksum = '@smithy/core/dist-es/submodules/checksum';

/** Modules of the SDK, by their paths below `node_modules`, and what replaces them on Lambda. */
export const moduleReplacements: Readonly<Record<string, string>> = {
  '@aws-sdk/client-dynamodb/dist-es/endpoint/endpointResolver.js': endpointOf('dynamodb'),
  '@aws-sdk/client-secrets-manager/dist-es/endpoint/endpointResolver.js': endpointOf('secretsmanager'),
  // Lambda has no profile files, and looking for them loads the streams of files.
  [`${config}/shared-ini-file-loader/loadSharedConfigFiles.js`]: `
    export { CONFIG_PREFIX_SEPARATOR } from './constants';
    export const loadSharedConfigFiles = async () => ({ configFile: {}, credentialsFile: {} });`,
  // What would ask the machine's metadata for its region.
  [`${config}/defaults-mode/resolveDefaultsModeConfig.js`]: `
    export const resolveDefaultsModeConfig = () => async () => 'legacy';`,
  // Bodies are strings and bytes; the files that the original knows, too, load the streams of files.
  [`${serde}/util-body-length/calculateBodyLength.js`]: `
    export const calculateBodyLength = (body) => {
      if (!body) return 0;
      if (typeof body === 'string') return Buffer.byteLength(body);
      const length = body.byteLength ?? body.size;
      if (typeof length === 'number') return length;
      throw new Error('The length of the body is not known');
    };`,
  // The original loads `zlib` immediately.
  [`${checksum}/crc32/Crc32Node.js`]: `
    export class Crc32Node {
      digestLength = 4;
      value = 0;
      update(data) { this.value = process.getBuiltinModule('node:zlib').crc32(data, this.value); }
      digestSync() { return this.value >>> 0; }
      async digest() {
        const bytes = new Uint8Array(4);
        new DataView(bytes.buffer).setUint32(0, this.digestSync(), false);
        return bytes;
      }
      reset() { this.value = 0; }
    }`,
  // For browsers.
  [`${client}/util-user-agent-browser/createUserAgentStringParsingProvider.js`]:
    'export const createUserAgentStringParsingProvider = undefined;',
  // Lambda's Node has its own.
  [`${checksum}/sha256/Sha256Js.js`]: 'export const Sha256Js = undefined;',
  // The adaptive strategy would slow the whole process down; the standard one is enough.
  [`${retry}/AdaptiveRetryStrategy.js`]: `
    import { StandardRetryStrategy } from './StandardRetryStrategy';
    export class AdaptiveRetryStrategy extends StandardRetryStrategy {
      constructor(_attempts, options) { super(options); }
    }`,
};

/** Replacements of single passages in modules. A passage that an upgrade has changed fails the build. */
export const moduleEdits: Readonly<Record<string, readonly [from: string, to: string][]>> = {
  // An import of `http` loads all of Node's `fetch`.
  '@smithy/node-http-handler/dist-es/node-http-handler.js': [
    ['await import("node:http")', "process.getBuiltinModule('node:http')"],
  ],
  // Lambda sets the region in the environment.
  [`${config}/config-resolver/regionConfig/config.js`]: [
    ['import { getInstanceMetadataRegion } from "./getInstanceMetadataRegion";', ''],
    ['await getInstanceMetadataRegion()', 'undefined'],
  ],
  // The prefix is for custom partitions.
  [`${client}/middleware-user-agent/user-agent-middleware.js`]: [
    [
      'import { getUserAgentPrefix } from "../util-endpoints/lib/aws/partition";',
      "const getUserAgentPrefix = () => '';",
    ],
  ],
  // S3's client, which needs the partitions, registers them itself.
  [`${client}/util-endpoints/aws.js`]: [['customEndpointFunctions.aws = awsEndpointFunctions;', '']],
  // No call that is made here sends or answers with a stream of events.
  '@smithy/signature-v4/dist-es/SignatureV4.js': [
    ['import { HeaderFormatter } from "./HeaderFormatter";', ''],
    ['headerFormatter = new HeaderFormatter();', ''],
  ],
  '@smithy/core/dist-es/submodules/protocols/HttpProtocol.js': [
    ['await import("@smithy/core/event-streams")', "await Promise.reject(new Error('Event streams are not built in'))"],
  ],
};

/** Packages, by name. */
export const packageReplacements: Readonly<Record<string, string>> = {
  // On Lambda credentials are always in the environment, so the rest of the chain of sources (130 kB) stays out.
  '@aws-sdk/credential-provider-node': "export { fromEnv as defaultProvider } from '@aws-sdk/credential-provider-env';",
  // DynamoDB's clients discover endpoints only when configured to, and a Lambda has no such configuration.
  '@aws-sdk/middleware-endpoint-discovery': `
    export const resolveEndpointDiscoveryConfig = (config) => config;
    export const NODE_ENDPOINT_DISCOVERY_CONFIG_OPTIONS = {
      environmentVariableSelector: () => undefined,
      configFileSelector: () => undefined,
      default: undefined,
    };`,
};

import { readOrigins } from '../core/http/allowed-origins.ts';

/** A function's settings from its environment, with the same names on AWS and on one machine. */
export interface FunctionSettings {
  tableName: string;
  /** The vendors of this installation, as its catalogue names them. */
  vendorNames: readonly string[];
  bucket: string;
  /** The KMS key for secrets that are created; without one Secrets Manager uses the account's own. */
  secretsKey: string | undefined;
  /** The aliases of the durable functions, on which new executions start. */
  deliverFunction: string;
  runFunction: string;
  /** Private networks that every connection may reach. */
  privateNetworks: readonly string[];
  /** Whether sending is paused until someone resumes it. */
  startPaused: boolean;
  /** The public URL of the gateway, without a trailing slash. Empty if unknown. */
  publicUrl: string;
  /** Origins whose web pages may call the API with a key. */
  allowedOrigins: readonly string[];
  /** Set on one machine only: the embedded endpoints and the credentials they ask for, so that no AWS account can be reached by accident. */
  local?: LocalEndpoints;
}

export interface LocalEndpoints {
  dynamodb?: string;
  secrets?: string;
  lambda?: string;
  accessKeyId: string;
  secretAccessKey: string;
  /** Lets subscriptions have plain http and private targets, such as another program on this machine. */
  allowPrivateTargets: boolean;
}

export function settingsFrom(env: NodeJS.ProcessEnv): FunctionSettings {
  const settings = {
    tableName: env.TRUNKLINE_TABLE ?? 'trunkline',
    vendorNames: (env.TRUNKLINE_VENDORS ?? '').split(',').filter((name) => name !== ''),
    bucket: env.TRUNKLINE_BUCKET ?? 'trunkline',
    secretsKey: env.TRUNKLINE_KMS_KEY,
    deliverFunction: env.TRUNKLINE_DELIVER_FUNCTION ?? 'deliver-event',
    // The function that executes runs also starts runs, and the stack that creates it cannot pass it its own alias.
    runFunction: env.TRUNKLINE_RUN_FUNCTION ?? ownAlias(env) ?? 'run-automation',
    publicUrl: env.TRUNKLINE_PUBLIC_URL ?? '',
    allowedOrigins: readOrigins(env.TRUNKLINE_ALLOWED_ORIGINS),
    privateNetworks: (env.TRUNKLINE_PRIVATE_NETWORKS ?? '').split(/[\s,]+/).filter((text) => text !== ''),
    startPaused: env.TRUNKLINE_PAUSED === 'on',
  };
  if (!env.TRUNKLINE_DYNAMODB_ENDPOINT) return settings;
  return {
    ...settings,
    local: {
      dynamodb: env.TRUNKLINE_DYNAMODB_ENDPOINT,
      ...(env.TRUNKLINE_SECRETS_ENDPOINT && { secrets: env.TRUNKLINE_SECRETS_ENDPOINT }),
      ...(env.TRUNKLINE_LAMBDA_ENDPOINT && { lambda: env.TRUNKLINE_LAMBDA_ENDPOINT }),
      accessKeyId: env.TRUNKLINE_LOCAL_ACCESS_KEY_ID ?? 'local',
      secretAccessKey: env.TRUNKLINE_LOCAL_SECRET_ACCESS_KEY ?? 'local',
      allowPrivateTargets: env.TRUNKLINE_ALLOW_PRIVATE_TARGETS === 'on',
    },
  };
}

function ownAlias({ AWS_LAMBDA_FUNCTION_NAME: name }: NodeJS.ProcessEnv): string | undefined {
  return name === undefined ? undefined : `${name}:live`;
}

/**
 * How long a connection to AWS may take to open, and how long nothing may move over it, in milliseconds; then the request is sent
 * again. The SDK itself waits five minutes.
 */
const timeouts = { connectionTimeout: 2_000, socketTimeout: 5_000 };

/** Client configuration for an endpoint of this machine. Elsewhere the function's own role and region count. */
export function clientConfig(settings: FunctionSettings, service: 'dynamodb' | 'secrets' | 'lambda') {
  const { local } = settings;
  if (!local) return { requestHandler: timeouts };
  const endpoint = local[service];
  // Without its own endpoint a service must fail here rather than reach an AWS account.
  return {
    endpoint: endpoint ?? 'http://127.0.0.1:9',
    region: 'us-east-1',
    credentials: { accessKeyId: local.accessKeyId, secretAccessKey: local.secretAccessKey },
  };
}

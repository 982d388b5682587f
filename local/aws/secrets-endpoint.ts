import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { listen } from '../runtime/loopback-server.ts';
import {
  answerError,
  createLocalCredentials,
  type LocalCredentials,
  parseJson,
  readBody,
  requireAccessKey,
  ServiceError,
} from './aws-request.ts';
import { secretOperations } from './secret-operations.ts';
import { openSecretVault } from './secret-vault.ts';

export interface SecretsEndpointOptions {
  /** Where the sealed secrets and their key stay. */
  directory: string;
  /** The key that callers must sign with. Generated if absent. */
  credentials?: LocalCredentials;
  /** Epoch milliseconds; recovery windows end by it. */
  now?: () => number;
}

/** What an SDK client is given: `new SecretsManagerClient({ endpoint, credentials, region: 'us-east-1' })`. */
export interface SecretsEndpoint {
  endpoint: string;
  credentials: LocalCredentials;
  stop(): Promise<void>;
}

const contentType = 'application/x-amz-json-1.1';
const maxBodyBytes = 1024 * 1024;

/** Starts a Secrets Manager of this machine's own: the AWS JSON 1.1 protocol on 127.0.0.1, the data sealed on disk. */
export async function startSecretsEndpoint(options: SecretsEndpointOptions): Promise<SecretsEndpoint> {
  const vault = openSecretVault(options.directory);
  const credentials = options.credentials ?? createLocalCredentials();
  const operations = secretOperations(vault, options.now ?? Date.now);
  const server = createServer((request, response) => {
    answer(request, response).catch((error) => answerError(response, error, contentType));
  });
  try {
    const { url, close } = await listen(server);
    return {
      endpoint: url,
      credentials,
      stop: async () => {
        await close();
        vault.close();
      },
    };
  } catch (error) {
    vault.close();
    throw error;
  }

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    requireAccessKey(request, credentials);
    const tooLarge = new ServiceError('InvalidParameterException', 'The request is too large.', 413);
    const body = await readBody(request, maxBodyBytes, tooLarge);
    const name = String(request.headers['x-amz-target']).replace(/^secretsmanager\./, '');
    if (!Object.hasOwn(operations, name)) {
      throw new ServiceError(
        'UnknownOperationException',
        `The local Secrets Manager does not know the operation ${name}.`,
      );
    }
    // The SDK has typed the input; each operation checks what the service itself would check.
    const operation = operations[name as keyof typeof operations] as (input: object) => object;
    const output = JSON.stringify(operation(parseJson(body)));
    response.writeHead(200, { 'content-type': contentType }).end(output);
  }
}

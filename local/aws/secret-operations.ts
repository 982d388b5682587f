import { randomBytes } from 'node:crypto';
import type {
  CreateSecretRequest,
  DeleteSecretRequest,
  GetSecretValueRequest,
  PutSecretValueRequest,
  RestoreSecretRequest,
} from '@aws-sdk/client-secrets-manager';
import { ServiceError } from './aws-request.ts';
import type { Secret, SecretVault } from './secret-vault.ts';

const day = 24 * 60 * 60 * 1000;
const account = 'arn:aws:secretsmanager:us-east-1:000000000000:secret:';

/** The operations of Secrets Manager that the product uses, from JSON input to JSON output; `now` is epoch milliseconds. */
export function secretOperations(vault: SecretVault, now: () => number) {
  return {
    CreateSecret({ Name, SecretString }: CreateSecretRequest) {
      const name = requireName(Name);
      const existing = find(name);
      if (existing?.deletedAt !== undefined) {
        throw invalidRequest(
          "You can't create this secret because a secret with this name is already scheduled for deletion.",
        );
      }
      if (existing !== undefined) {
        throw new ServiceError(
          'ResourceExistsException',
          `The operation failed because the secret ${name} already exists.`,
        );
      }
      const end = randomBytes(6).toString('base64url').replace(/[-_]/g, 'x').slice(0, 6);
      const secret = { name, arn: `${account}${name}-${end}`, value: checkedValue(SecretString) };
      vault.set(secret);
      return { ARN: secret.arn, Name: name };
    },

    GetSecretValue({ SecretId }: GetSecretValueRequest) {
      const { arn, name, value } = requireUsable(SecretId);
      return { ARN: arn, Name: name, SecretString: value };
    },

    PutSecretValue({ SecretId, SecretString }: PutSecretValueRequest) {
      const secret = requireUsable(SecretId);
      vault.set({ ...secret, value: checkedValue(SecretString) });
      return { ARN: secret.arn, Name: secret.name };
    },

    DeleteSecret({ SecretId, RecoveryWindowInDays: window = 30 }: DeleteSecretRequest) {
      if (window < 7 || window > 30) {
        throw invalidParameter('The RecoveryWindowInDays value must be between 7 and 30 days (inclusive).');
      }
      const secret = requireUsable(SecretId);
      const deletedAt = now() + window * day;
      vault.set({ ...secret, deletedAt });
      return { ARN: secret.arn, Name: secret.name, DeletionDate: deletedAt / 1000 };
    },

    RestoreSecret({ SecretId }: RestoreSecretRequest) {
      const { deletedAt: _, ...secret } = requireSecret(SecretId);
      vault.set(secret);
      return { ARN: secret.arn, Name: secret.name };
    },
  };

  /** The secret with a name. One whose recovery window has ended is gone. */
  function find(name: string): Secret | undefined {
    const secret = vault.get(name);
    if (secret?.deletedAt === undefined || secret.deletedAt > now()) return secret;
    vault.remove(name);
    return undefined;
  }

  function requireSecret(id = ''): Secret {
    const secret = find(id);
    if (secret) return secret;
    throw new ServiceError('ResourceNotFoundException', "Secrets Manager can't find the specified secret.");
  }

  function requireUsable(id: string | undefined): Secret {
    const secret = requireSecret(id);
    if (secret.deletedAt === undefined) return secret;
    throw invalidRequest("You can't perform this operation on the secret because it was marked for deletion.");
  }
}

const maxValueBytes = 65_536;

function checkedValue(value: string | undefined): string {
  if (value === undefined) throw invalidRequest('You must provide SecretString.');
  const size = Buffer.byteLength(value);
  if (size <= maxValueBytes) return value;
  throw invalidParameter(`The secret value is ${size} bytes long; at most ${maxValueBytes} are allowed.`);
}

function requireName(name: string | undefined): string {
  if (name !== undefined && /^[A-Za-z0-9/_+=.@-]{1,512}$/.test(name)) return name;
  throw invalidParameter(
    'Invalid name. Must be a valid name containing alphanumeric characters, or any of the following: -/_+=.@!',
  );
}

const invalidRequest = (message: string) => new ServiceError('InvalidRequestException', message);
const invalidParameter = (message: string) => new ServiceError('InvalidParameterException', message);

import { randomBytes, randomUUID } from 'node:crypto';
import type {
  CreateSecretRequest,
  DeleteSecretRequest,
  GetSecretValueRequest,
  ListSecretsRequest,
  PutSecretValueRequest,
  UpdateSecretRequest,
} from '@aws-sdk/client-secrets-manager';
import { ServiceError } from './aws-request.ts';
import type { Secret, SecretVault, SecretVersion } from './secret-vault.ts';

const day = 24 * 60 * 60 * 1000;
const account = 'arn:aws:secretsmanager:us-east-1:000000000000:secret:';

/** A value as it travels: bytes are base64 on the wire, whatever the SDK's type says. */
type OnTheWire<Request> = Omit<Request, 'SecretBinary'> & { SecretBinary?: string };
type Value = { SecretString?: string | undefined; SecretBinary?: string | undefined };

/** The operations of Secrets Manager by name, each from its JSON input to its JSON output; `now` is epoch milliseconds. */
export function secretOperations(vault: SecretVault, now: () => number) {
  return {
    CreateSecret(input: OnTheWire<CreateSecretRequest>) {
      const name = requireName(input.Name);
      const token = input.ClientRequestToken ?? randomUUID();
      const existing = find(name);
      if (existing !== undefined) {
        if (isWaitingForDeletion(existing)) {
          throw invalidRequest(
            "You can't create this secret because a secret with this name is already scheduled for deletion.",
          );
        }
        const version = existing.versions.find(({ id }) => id === token);
        if (version === undefined || !hasValue(version, input)) {
          throw new ServiceError(
            'ResourceExistsException',
            `The operation failed because the secret ${name} already exists.`,
          );
        }
        return { ARN: existing.arn, Name: name, VersionId: token };
      }
      const secret: Secret = {
        name,
        arn: `${account}${name}-${randomBytes(6).toString('base64url').replace(/[-_]/g, 'x').slice(0, 6)}`,
        createdAt: now(),
        changedAt: now(),
        versions: [],
        ...(input.Description === undefined ? {} : { description: input.Description }),
        ...(input.Tags === undefined ? {} : { tags: input.Tags }),
      };
      const hasInitialValue = input.SecretString !== undefined || input.SecretBinary !== undefined;
      if (hasInitialValue) addVersion(secret, token, input);
      vault.set(secret);
      return { ARN: secret.arn, Name: name, ...(hasInitialValue && { VersionId: token }) };
    },

    GetSecretValue(input: GetSecretValueRequest) {
      const secret = requireUsable(input.SecretId);
      const stage = input.VersionStage ?? (input.VersionId === undefined ? 'AWSCURRENT' : undefined);
      const version = secret.versions.find(
        ({ id, stages }) =>
          (input.VersionId === undefined || id === input.VersionId) && (stage === undefined || stages.includes(stage)),
      );
      if (version === undefined) {
        throw notFound(
          `Secrets Manager can't find the specified secret value for ${input.VersionId === undefined ? `staging label: ${stage}` : `VersionId: ${input.VersionId}`}`,
        );
      }
      return {
        ARN: secret.arn,
        Name: secret.name,
        VersionId: version.id,
        VersionStages: version.stages,
        CreatedDate: version.createdAt / 1000,
        ...(version.string === undefined ? { SecretBinary: version.binary } : { SecretString: version.string }),
      };
    },

    PutSecretValue(input: OnTheWire<PutSecretValueRequest>) {
      const secret = requireUsable(input.SecretId);
      if (input.SecretString === undefined && input.SecretBinary === undefined) {
        throw invalidRequest('You must provide either SecretString or SecretBinary.');
      }
      const version = addVersion(secret, input.ClientRequestToken ?? randomUUID(), input, input.VersionStages);
      vault.set(secret);
      return { ARN: secret.arn, Name: secret.name, VersionId: version.id, VersionStages: version.stages };
    },

    UpdateSecret(input: OnTheWire<UpdateSecretRequest>) {
      const secret = requireUsable(input.SecretId);
      if (input.Description !== undefined) secret.description = input.Description;
      const hasNewValue = input.SecretString !== undefined || input.SecretBinary !== undefined;
      const version = hasNewValue ? addVersion(secret, input.ClientRequestToken ?? randomUUID(), input) : undefined;
      secret.changedAt = now();
      vault.set(secret);
      return { ARN: secret.arn, Name: secret.name, ...(version && { VersionId: version.id }) };
    },

    DescribeSecret(input: { SecretId?: string }) {
      const secret = requireSecret(input.SecretId);
      return { ...describe(secret), VersionIdsToStages: stagesById(secret) };
    },

    DeleteSecret(input: DeleteSecretRequest) {
      const window = input.RecoveryWindowInDays;
      if (input.ForceDeleteWithoutRecovery === true) {
        if (window !== undefined) {
          throw invalidParameter("You can't use ForceDeleteWithoutRecovery in conjunction with RecoveryWindowInDays.");
        }
        const secret = find(input.SecretId);
        if (secret !== undefined) vault.remove(secret.name);
        return { ARN: secret?.arn ?? input.SecretId, Name: secret?.name ?? input.SecretId, DeletionDate: now() / 1000 };
      }
      if (window !== undefined && (window < 7 || window > 30)) {
        throw invalidParameter('The RecoveryWindowInDays value must be between 7 and 30 days (inclusive).');
      }
      const secret = requireUsable(input.SecretId);
      const deletedAt = now() + (window ?? 30) * day;
      vault.set({ ...secret, deletedAt });
      return { ARN: secret.arn, Name: secret.name, DeletionDate: deletedAt / 1000 };
    },

    RestoreSecret(input: { SecretId?: string }) {
      const { deletedAt: _, ...secret } = requireSecret(input.SecretId);
      vault.set(secret);
      return { ARN: secret.arn, Name: secret.name };
    },

    ListSecrets(input: ListSecretsRequest) {
      const size = input.MaxResults ?? 100;
      if (size < 1 || size > 100) throw invalidParameter('MaxResults must be between 1 and 100.');
      const matches = nameFilter(input.Filters ?? []);
      const order = input.SortOrder === 'asc' ? 1 : -1;
      const key = (secret: Secret) => `${String(secret.createdAt).padStart(15, '0')} ${secret.name}`;
      const after = Buffer.from(input.NextToken ?? '', 'base64url').toString();
      const found = vault
        .all()
        .filter((secret) => !isGone(secret) && matches(secret.name))
        .filter((secret) => input.IncludePlannedDeletion === true || !isWaitingForDeletion(secret))
        .sort((one, other) => (key(one) < key(other) ? -order : order))
        .filter((secret) => after === '' || (order === 1 ? key(secret) > after : key(secret) < after));
      const last = found.length > size ? found[size - 1] : undefined;
      return {
        SecretList: found
          .slice(0, size)
          .map((secret) => ({ ...describe(secret), SecretVersionsToStages: stagesById(secret) })),
        ...(last && { NextToken: Buffer.from(key(last)).toString('base64url') }),
      };
    },
  };

  /** By name, by ARN, or by ARN without its random end. */
  function find(id: string | undefined): Secret | undefined {
    if (id === undefined || id === '') throw invalidParameter('You must provide a SecretId.');
    const name = id.startsWith('arn:') ? id.split(':').slice(6).join(':') : id;
    const byFullArn = id.startsWith('arn:') ? vault.get(name.replace(/-[A-Za-z0-9]{6}$/, '')) : undefined;
    const secret = byFullArn?.arn === id ? byFullArn : vault.get(name);
    if (secret === undefined || !isGone(secret)) return secret;
    vault.remove(secret.name);
    return undefined;
  }

  function requireSecret(id: string | undefined): Secret {
    const secret = find(id);
    if (secret === undefined) throw notFound("Secrets Manager can't find the specified secret.");
    return secret;
  }

  function requireUsable(id: string | undefined): Secret {
    const secret = requireSecret(id);
    if (!isWaitingForDeletion(secret)) return secret;
    throw invalidRequest("You can't perform this operation on the secret because it was marked for deletion.");
  }

  function isWaitingForDeletion(secret: Secret): boolean {
    return secret.deletedAt !== undefined;
  }

  function isGone(secret: Secret): boolean {
    return secret.deletedAt !== undefined && secret.deletedAt <= now();
  }

  /** Adds a version, or finds it again when the same token comes with the same value. Stages move to it from the others. */
  function addVersion(secret: Secret, token: string, value: Value, stages = ['AWSCURRENT']): SecretVersion {
    const known = secret.versions.find(({ id }) => id === token);
    if (known !== undefined) {
      if (hasValue(known, value)) return known;
      throw new ServiceError(
        'ResourceExistsException',
        `You can't use ClientRequestToken ${token} because that value is already in use for a version of secret ${secret.arn}.`,
      );
    }
    const version: SecretVersion = { id: token, stages, createdAt: now(), ...checkedValue(value) };
    const replaced = stages.includes('AWSCURRENT')
      ? secret.versions.find((other) => other.stages.includes('AWSCURRENT'))
      : undefined;
    const moving = replaced === undefined ? stages : [...stages, 'AWSPREVIOUS'];
    for (const other of secret.versions) other.stages = other.stages.filter((stage) => !moving.includes(stage));
    replaced?.stages.push('AWSPREVIOUS');
    // Versions without a stage are out of use; a few stay so that a repeated token is recognised.
    secret.versions = [version, ...secret.versions].filter(({ stages: held }, at) => held.length > 0 || at < 10);
    secret.changedAt = now();
    return version;
  }
}

const maximumBytes = 65_536;

function checkedValue(value: Value): Pick<SecretVersion, 'string' | 'binary'> {
  const { SecretString: string, SecretBinary: binary } = value;
  if (string !== undefined && binary !== undefined) {
    throw invalidParameter(
      "You can't specify both a binary secret value and a string secret value in the same secret.",
    );
  }
  const size = binary === undefined ? Buffer.byteLength(string ?? '') : Buffer.from(binary, 'base64').length;
  if (size > maximumBytes)
    throw invalidParameter(`The secret value is ${size} bytes long; at most ${maximumBytes} are allowed.`);
  return binary === undefined ? { string: string ?? '' } : { binary };
}

function hasValue(version: SecretVersion, value: Value): boolean {
  return version.string === value.SecretString && version.binary === value.SecretBinary;
}

function describe(secret: Secret) {
  return {
    ARN: secret.arn,
    Name: secret.name,
    ...(secret.description !== undefined && { Description: secret.description }),
    ...(secret.tags !== undefined && { Tags: secret.tags }),
    CreatedDate: secret.createdAt / 1000,
    LastChangedDate: secret.changedAt / 1000,
    ...(secret.deletedAt !== undefined && { DeletedDate: secret.deletedAt / 1000 }),
  };
}

function stagesById(secret: Secret): Record<string, string[]> {
  return Object.fromEntries(
    secret.versions.filter(({ stages }) => stages.length > 0).map(({ id, stages }) => [id, stages]),
  );
}

function requireName(name: string | undefined): string {
  if (name !== undefined && /^[A-Za-z0-9/_+=.@-]{1,512}$/.test(name)) return name;
  throw invalidParameter(
    'Invalid name. Must be a valid name containing alphanumeric characters, or any of the following: -/_+=.@!',
  );
}

/** A name matches when it begins with one of a filter's values; `!` before a value turns it round. */
function nameFilter(filters: NonNullable<ListSecretsRequest['Filters']>): (name: string) => boolean {
  for (const { Key } of filters) {
    if (Key !== 'name') throw invalidParameter(`The local Secrets Manager filters by name only, not by ${Key}.`);
  }
  return (name) =>
    filters.every(({ Values = [] }) =>
      Values.some((value) => (value.startsWith('!') ? !name.startsWith(value.slice(1)) : name.startsWith(value))),
    );
}

const notFound = (message: string) => new ServiceError('ResourceNotFoundException', message);
const invalidRequest = (message: string) => new ServiceError('InvalidRequestException', message);
const invalidParameter = (message: string) => new ServiceError('InvalidParameterException', message);

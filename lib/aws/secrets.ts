import { type Clock, isRecent } from '../core/clock.ts';
import { LruMap } from '../core/lru-map.ts';
import { once } from '../core/once.ts';
import type { SecretStore } from '../core/secrets.ts';
import { clientConfig, type FunctionSettings } from './settings.ts';

/** How long a value may be used after it was read, in milliseconds. */
const cacheMs = 5 * 60_000;

/** How long a deleted secret can be restored: the shortest time that Secrets Manager allows. */
const recoveryDays = 7;

/**
 * Secrets Manager behind a short cache. Its client is loaded at the first miss, so that a cold start that needs no secret
 * pays nothing for it. `onRead` receives every value, for the redactor.
 */
export function secretsManager(settings: FunctionSettings, clock: Clock, onRead: (value: string) => void): SecretStore {
  const cache = new LruMap<string, { value: string | undefined; readAt: number }>(20_000);
  const client = once(() => load(settings));
  const remember = (name: string, value: string | undefined) => {
    cache.set(name, { value, readAt: clock.now() });
    if (value !== undefined) onRead(value);
  };

  return {
    async read(name, fresh = false) {
      const known = cache.get(name);
      if (!fresh && known?.value !== undefined && isRecent(known.readAt, cacheMs, clock.now())) return known.value;
      const { sdk, manager } = await client();
      try {
        const { SecretString } = await manager.send(new sdk.GetSecretValueCommand({ SecretId: name }));
        remember(name, SecretString);
        return SecretString;
      } catch (error) {
        // One that waits to be deleted is refused as an invalid request.
        if (!(error instanceof sdk.ResourceNotFoundException || error instanceof sdk.InvalidRequestException))
          throw error;
        cache.delete(name);
        return undefined;
      }
    },
    async write(name, value) {
      const { sdk, manager } = await client();
      const put = () => manager.send(new sdk.PutSecretValueCommand({ SecretId: name, SecretString: value }));
      try {
        await put();
      } catch (error) {
        if (error instanceof sdk.InvalidRequestException) {
          await manager.send(new sdk.RestoreSecretCommand({ SecretId: name }));
          await put();
        } else if (error instanceof sdk.ResourceNotFoundException) {
          const KmsKeyId = settings.secretsKey;
          await manager.send(
            new sdk.CreateSecretCommand({
              Name: name,
              SecretString: value,
              ...(KmsKeyId !== undefined && { KmsKeyId }),
            }),
          );
        } else throw error;
      }
      remember(name, value);
    },
    async delete(name) {
      const { sdk, manager } = await client();
      cache.delete(name);
      try {
        await manager.send(new sdk.DeleteSecretCommand({ SecretId: name, RecoveryWindowInDays: recoveryDays }));
      } catch (error) {
        if (!(error instanceof sdk.ResourceNotFoundException || error instanceof sdk.InvalidRequestException))
          throw error;
      }
    },
  };
}

async function load(settings: FunctionSettings) {
  const sdk = await import('@aws-sdk/client-secrets-manager');
  return { sdk, manager: new sdk.SecretsManagerClient(clientConfig(settings, 'secrets')) };
}

import { KeyCheck } from '../api/keys/key-check.ts';
import { Pause } from '../api/pause/pause.ts';
import { RateLimit } from '../api/rate-limit.ts';
import { Connections } from '../connections/connections.ts';
import type { GatewayServices } from '../connections/invoke.ts';
import { SessionStore } from '../connections/session-store.ts';
import { Sessions } from '../connections/sessions.ts';
import { UsageCounter } from '../connections/usage/usage.ts';
import type { FileStore } from '../core/files.ts';
import { type AddressPolicy, setDeploymentAddresses } from '../core/http/address-policy.ts';
import { type HttpClient, httpClient } from '../core/http/client.ts';
import { registerSecret, textsIn } from '../core/redaction/redact.ts';
import { type Item, Table, type TableClient } from '../store/table.ts';
import type { RecentChanges } from '../stream/recent-changes.ts';
import { filesOnUse } from './files.ts';
import { log, metric } from './log.ts';
import { secretsManager } from './secrets.ts';
import { clientConfig, settingsFrom } from './settings.ts';
import { type LambdaStarter, lambdaStarter } from './starter.ts';
import { systemClock, systemRandom } from './system.ts';

/** The services of a function, created once per process. */
export interface Services extends GatewayServices {
  keyCheck: KeyCheck;
  /** Origins whose web pages may call the API with a key. */
  allowedOrigins: readonly string[];
  vendorNames: readonly string[];
  publicUrl: string;
  rates: RateLimit;
  store: SessionStore;
  /** The most recent changes, if one process makes all of them. */
  recentChanges?: RecentChanges<Item>;
  starter: LambdaStarter;
  /** What subscriptions may send to. */
  targets: AddressPolicy;
}

let made: Services | undefined;
let localFiles: FileStore | undefined;
let localHttp: HttpClient | undefined;
let localTable: TableClient | undefined;

/** The local product stores files on disk instead of in a bucket. */
export function useFiles(files: FileStore): void {
  localFiles = files;
  made = undefined;
}

/** The local product has no cold starts, so it may use a client that takes longer to load. */
export function useHttp(http: HttpClient): void {
  localHttp = http;
  made = undefined;
}

/** On one machine the database may belong to this process, and its table is then reached without a socket. */
export function useTable(client: TableClient | undefined): void {
  localTable = client;
  made = undefined;
}

/** Resets what the local product has set. The next call of `services` builds them from the environment again. */
export function resetServices(): void {
  made = undefined;
  localFiles = undefined;
  localHttp = undefined;
  localTable = undefined;
}

/** The services of this process, from its environment. */
export function services(): Services {
  made ??= make();
  return made;
}

function make(): Services {
  const settings = settingsFrom(process.env);
  // The variable is the platform's own, where 127.0.0.1 is a Lambda's runtime and its extensions.
  const closeLoopback = process.env.AWS_LAMBDA_RUNTIME_API !== undefined;
  setDeploymentAddresses({ privateNetworks: settings.privateNetworks, closeLoopback });
  const clock = systemClock;
  const random = systemRandom;
  const table = new Table(settings.tableName, localTable ?? clientConfig(settings, 'dynamodb'));
  const secrets = secretsManager(settings, clock, registerSecretText);
  const files = localFiles ?? filesOnUse(async () => (await import('./bucket-files.ts')).bucketFiles(settings.bucket));
  const allowPrivate = settings.local?.allowPrivateTargets ?? false;
  const store = new SessionStore(table, secrets);
  const sessions = new Sessions({
    table,
    store,
    clock,
    random,
    needsAttention: async (connection, reason) => {
      log({
        level: 'error',
        message: 'connection needs attention',
        vendor: connection.vendor,
        connection: connection.name,
        reason,
      });
      metric('SessionLocked', 1, 'Count', { vendor: connection.vendor });
      const about = { vendor: connection.vendor, connection: connection.name };
      const { appendOwnEvent } = await import('../events/own-events.ts');
      await appendOwnEvent(
        { table, files, clock },
        {
          type: 'trunkline.connection.needs_attention',
          id: `${connection.vendor}/${connection.name}/${clock.now()}`,
          data: { ...about, reason },
          about,
        },
      ).catch((error: unknown) => log({ level: 'error', message: 'event not stored', reason: String(error) }));
    },
  });
  const starter = lambdaStarter(settings);
  return {
    table,
    allowedOrigins: settings.allowedOrigins,
    vendorNames: settings.vendorNames,
    // On one machine it is known only once the port is.
    get publicUrl() {
      return settingsFrom(process.env).publicUrl;
    },
    secrets,
    store,
    sessions,
    clock,
    random,
    http: localHttp ?? httpClient(),
    files,
    connections: new Connections(table, clock),
    usage: new UsageCounter(table, clock),
    pause: new Pause(table, clock, settings.startPaused),
    keyCheck: new KeyCheck(table, clock),
    rates: new RateLimit(),
    starter,
    startRun: async (call) => {
      const { startCallRun } = await import('../automations/runs/call-run.ts');
      return startCallRun({ table, files, clock, starter }, call);
    },
    vendorShape: (found) => log({ level: 'warn', message: 'vendor_shape', ...found }),
    targets: { allowHttp: allowPrivate, allowPrivateNetwork: allowPrivate },
  };
}

/** Secrets are strings, or JSON that contains strings. Each is masked wherever it appears, except the fields that say where they may be sent. */
function registerSecretText(text: string): void {
  let value: unknown = text;
  try {
    value = JSON.parse(text, (name, inner: unknown) => (name === 'origins' ? undefined : inner));
  } catch {
    // A plain text.
  }
  for (const secret of textsIn(typeof value === 'object' ? value : text)) registerSecret(secret);
}

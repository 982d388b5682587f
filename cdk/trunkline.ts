import { type App, Validations } from 'aws-cdk-lib';
import { AwsSolutionsChecks } from 'cdk-nag';
import type { FunctionDeclaration } from '../functions/declarations.ts';
import { GatewayStack } from './gateway-stack.ts';
import { settingsFrom } from './settings.ts';
import { StorageStack } from './storage-stack.ts';
import { WatchStack } from './watch-stack.ts';

/** Adds the three stacks to an app: storage, gateway and watch. `code` returns the folder of a function's built code. */
export function trunkline(
  app: App,
  functions: readonly FunctionDeclaration[],
  code: (name: string) => string | undefined,
): { storage: StorageStack; gateway: GatewayStack; watch: WatchStack } {
  Validations.of(app).addPlugins(new AwsSolutionsChecks(app));
  const settings = settingsFrom(app.node);
  const storage = new StorageStack(app, 'TrunklineStorage', { description: 'Trunkline: what survives a redeploy' });
  const gateway = new GatewayStack(app, 'TrunklineGateway', {
    description: 'Trunkline: HTTP API and functions',
    storage,
    functions,
    code,
    settings,
  });
  const watch = new WatchStack(app, 'TrunklineWatch', { description: 'Trunkline: alarms', storage, gateway, settings });
  return { storage, gateway, watch };
}

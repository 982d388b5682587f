import type { LambdaClient } from '@aws-sdk/client-lambda';
import type { Starter } from '../core/durable.ts';
import { once } from '../core/once.ts';
import { clientConfig, type FunctionSettings } from './settings.ts';

/** A `Starter` that also invokes functions that are not durable, without waiting for their end. */
export interface LambdaStarter extends Starter {
  startWorker(functionName: string, payload: object): Promise<void>;
}

/** Starts executions through Lambda itself; its client is loaded at the first start. */
export function lambdaStarter(settings: FunctionSettings): LambdaStarter {
  const client = once(() => load(settings));

  async function start(functionName: string, name: string, payload: object): Promise<void> {
    const { sdk, lambda } = await client();
    try {
      await lambda.send(
        new sdk.InvokeCommand({
          FunctionName: functionName,
          InvocationType: 'Event',
          DurableExecutionName: name,
          Payload: Buffer.from(JSON.stringify(payload)),
        }),
      );
    } catch (error) {
      // Started before, which is what was wanted.
      if (!(error instanceof sdk.DurableExecutionAlreadyStartedException)) throw error;
    }
  }

  async function startWorker(functionName: string, payload: object): Promise<void> {
    const { sdk, lambda } = await client();
    const Payload = Buffer.from(JSON.stringify(payload));
    await lambda.send(new sdk.InvokeCommand({ FunctionName: functionName, InvocationType: 'Event', Payload }));
  }

  return {
    startWorker,
    startDelivery: (name, payload) => start(settings.deliverFunction, name, payload),
    startRun: (name, payload) => start(settings.runFunction, name, payload),
    complete: async (callbackId, value) => {
      const { sdk, lambda } = await client();
      const result = Buffer.from(JSON.stringify(value ?? null));
      try {
        await lambda.send(
          new sdk.SendDurableExecutionCallbackSuccessCommand({ CallbackId: callbackId, Result: result }),
        );
        return true;
      } catch (error) {
        if (error instanceof sdk.CallbackTimeoutException || error instanceof sdk.ResourceNotFoundException)
          return false;
        throw error;
      }
    },
  };
}

async function load(
  settings: FunctionSettings,
): Promise<{ sdk: typeof import('@aws-sdk/client-lambda'); lambda: LambdaClient }> {
  const sdk = await import('@aws-sdk/client-lambda');
  return { sdk, lambda: new sdk.LambdaClient(clientConfig(settings, 'lambda')) };
}

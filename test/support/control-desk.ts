import type { Principal } from '../../lib/api/keys/key-check.ts';
import { type Dispatcher, dispatcher } from '../../lib/api/route.ts';
import { controlRoutes } from '../../lib/aws/control-routes.ts';
import type { Services } from '../../lib/aws/services.ts';
import { vendors } from '../../lib/vendors/index.ts';
import { admin, memorySecrets, processOf, putConnection, startBackends, TestClock } from './harness.ts';

/** An answer of a control call. */
export interface DeskAnswer {
  status: number;
  // A test names the fields that it expects.
  // biome-ignore lint/suspicious/noExplicitAny: the bodies of forty calls have no common type.
  body: any;
}

const settingsOf: Record<string, Record<string, unknown>> = {
  proptt2: { cloudUrl: 'https://cloud.example.com', ownerId: 'owner@company.com', hid: 1 },
  talk: { serverUrl: 'https://cloud.example.com', user: 'alice' },
  timetonic: { baseUrl: 'https://timetonic.example.com/live', user: 'demo' },
};

/** All control calls over an embedded table, with a test clock and a connection of each vendor. */
export async function startControlDesk(clock = new TestClock()) {
  const backends = await startBackends();
  const base = processOf(backends.database, memorySecrets(), clock);
  const started: { name: string; payload: object }[] = [];
  const starter = {
    startRun: async (name: string, payload: object) => void started.push({ name, payload }),
    startDelivery: async () => undefined,
    complete: async () => true,
    startWorker: async () => undefined,
  };
  const services: Services = {
    ...base,
    publicUrl: 'https://gateway.example',
    allowedOrigins: [],
    starter,
    rates: { take: () => undefined } as never,
    targets: { allowHttp: true, allowPrivateNetwork: true },
  };
  for (const [vendor, settings] of Object.entries(settingsOf)) {
    await putConnection(base, vendor, 'dispatch', settings, { key: 'not used' });
  }
  const audited: string[] = [];
  const dispatch: Dispatcher = dispatcher(controlRoutes(services, vendors), services, async (_caller, { route }) => {
    audited.push(route.operationId);
  });
  let count = 0;
  return {
    clock,
    services,
    started,
    audited,
    call: async (method: string, target: string, body?: object, principal: Principal = admin): Promise<DeskAnswer> => {
      const [path = '', query] = target.split('?');
      const request = {
        method,
        path: decodeURIComponent(path),
        query: new URLSearchParams(query),
        headers: {},
        rawBody: Buffer.from(body === undefined ? '' : JSON.stringify(body)),
        requestId: `desk-${++count}`,
        signal: new AbortController().signal,
        sourceIp: '127.0.0.1',
      };
      try {
        const { status, body: answer } = await dispatch(request, principal);
        return { status, body: answer };
      } catch (error) {
        const { status, message, errors, code } = error as Record<string, unknown>;
        if (typeof status !== 'number') throw error;
        return { status, body: { code, message, errors } };
      }
    },
    close: async () => {
      base.close();
      await backends.stop();
    },
  };
}

export type ControlDesk = Awaited<ReturnType<typeof startControlDesk>>;

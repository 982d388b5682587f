import type { Principal } from '../../lib/api/keys/key-check.ts';
import { durableFunction } from '../../lib/aws/durable.ts';
import { useFiles } from '../../lib/aws/services.ts';
import type { Clock } from '../../lib/core/clock.ts';
import type { DeliveryStart, Starter } from '../../lib/core/durable.ts';
import type { HttpClient } from '../../lib/core/http/client.ts';
import { appendEvents, type EventItem, type NewEvent } from '../../lib/events/log.ts';
import { keys } from '../../lib/store/items.ts';
import { type DeliverServices, deliver } from '../../lib/subscriptions/deliveries/deliver.ts';
import { type RouteServices, routeEvents, type StartRuns } from '../../lib/subscriptions/route-events.ts';
import { createSubscription, type NewSubscription } from '../../lib/subscriptions/subscriptions.ts';
import { startDurableRuntime } from '../../local/runtime/durable-runtime.ts';
import { admin, memoryFiles, memorySecrets, processOf, startBackends } from './harness.ts';

/** Log, router, deliveries and durable runtime of one imagined machine; time is the test's, or real. */
export async function startWorld(clock: Clock) {
  const backends = await startBackends();
  Object.assign(process.env, backends.env);
  const files = memoryFiles();
  useFiles(files);
  const base = processOf(backends.database, memorySecrets(), clock);
  const faults: unknown[] = [];
  const timeouts: number[] = [];
  let attemptTimeoutMs = 15_000;
  const http: HttpClient = {
    ...base.http,
    stream: (options) => {
      timeouts.push(options.timeoutMs);
      return base.http.stream({ ...options, timeoutMs: Math.min(options.timeoutMs, attemptTimeoutMs) });
    },
  };
  const starter: Starter = {
    startDelivery: async (name, payload) => {
      await runtime.functions['deliver-event']?.start(payload, name);
    },
    startRun: async () => undefined,
    complete: (id, value) => runtime.complete(id, JSON.stringify(value)),
  };
  const services = {
    ...base,
    files,
    http,
    starter,
    targets: { allowHttp: true as boolean, allowPrivateNetwork: true as boolean },
  } satisfies DeliverServices & RouteServices & object;
  const handler = durableFunction<DeliveryStart>('deliver-event', (_services, context, payload) =>
    deliver(services, context, payload),
  );
  const runtime = await startDurableRuntime({
    table: base.table,
    clock,
    handlers: { 'deliver-event': handler },
    onFault: (...fault) => faults.push(fault[2]),
  });
  let count = 0;

  const world = {
    services,
    runtime,
    faults,
    timeouts,
    env: backends.env,
    /** Milliseconds that targets get in this test instead of 15,000. */
    setAttemptTime: (ms: number) => {
      attemptTimeoutMs = ms;
    },
    subscribe: (wanted: Partial<NewSubscription> & { url: string }, principal: Principal = admin) =>
      createSubscription(services, principal, { types: ['*'], ...wanted }),
    event: (overrides: Partial<NewEvent> = {}): NewEvent => ({
      vendor: 'talk',
      connection: 'team',
      type: 'talk.message.created',
      readBy: 'getChatMessages',
      id: `m${++count}`,
      timestamp: '2026-01-05T02:11:09Z',
      data: { message: 'hello' },
      ...overrides,
    }),
    /** Stores events and routes them, as push or poll and then the stream would. */
    publish: async (events: NewEvent[], startRuns: StartRuns = async () => undefined) => {
      const { ids } = await appendEvents(services, events);
      const report = await world.route(ids, startRuns);
      return { ids, report };
    },
    route: async (ids: string[], startRuns: StartRuns = async () => undefined) => {
      const items = await services.table.getMany<EventItem>(ids.map(keys.event));
      // As the stream gives it: without what was written later.
      return routeEvents(
        services,
        items.flatMap((item) => (item ? [{ ...item }] : [])),
        startRuns,
      );
    },
    close: async () => {
      await runtime.stop();
      base.close();
      await backends.stop();
    },
  };
  return world;
}

export type World = Awaited<ReturnType<typeof startWorld>>;

import { Readable } from 'node:stream';
import { afterAll, beforeAll, beforeEach } from 'vitest';
import * as z from 'zod/mini';
import { type AutomationItem, startOne } from '../../lib/automations/automations.ts';
import { automationSchema, type Definition } from '../../lib/automations/definition.ts';
import { raisesAlarm } from '../../lib/automations/raises-alarm.ts';
import type { RunEnd } from '../../lib/automations/runs/finish.ts';
import { waitServices } from '../../lib/automations/runs/occurred.ts';
import { type AutomationServices, runAutomation } from '../../lib/automations/runs/run.ts';
import {
  definitionOfRun,
  findRun,
  outputOf,
  type RunCause,
  type RunItem,
  type StepItem,
  startRun,
  stepsOf,
} from '../../lib/automations/runs/runs.ts';
import type { DurableContext, Starter } from '../../lib/core/durable.ts';
import { GatewayError } from '../../lib/core/errors.ts';
import type { Operation } from '../../lib/core/operation.ts';
import { sessionKeySecret } from '../../lib/core/secrets.ts';
import type { Catalogue, Vendor } from '../../lib/core/vendor.ts';
import type { VendorCall } from '../../lib/core/vendor-call.ts';
import { appendEvents, type EventItem, type NewEvent } from '../../lib/events/log.ts';
import { settleEvents } from '../../lib/events/settle.ts';
import { completeWaiters, waitersFor } from '../../lib/events/waiters.ts';
import { keys } from '../../lib/store/items.ts';
import { ScratchTable } from '../../lib/store/scratch-table.ts';
import { type Key, Table } from '../../lib/store/table.ts';
import { vendors } from '../../lib/vendors/index.ts';
import { FakeExecution } from './fake-execution.ts';
import { memorySecrets, processOf, putConnection, TestClock } from './harness.ts';

/** One request that reached a vendor. */
export interface Sent {
  call: string;
  input: Record<string, unknown>;
  at: number;
}

/** What a vendor does with a request: an answer or a file, or an error that is thrown. */
export type Behaviour = (sent: Sent, number: number, call: Pick<VendorCall, 'progress'>) => unknown;

/** A clock that does not move; sleeping takes a two-hundredth of its time, so that timeouts keep their order. */
class StageClock extends TestClock {
  override async sleep(ms: number, signal?: AbortSignal): Promise<void> {
    signal?.throwIfAborted();
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, ms / 200);
    signal?.addEventListener('abort', () => {
      clearTimeout(timer);
      reject(signal.reason);
    });
    await promise;
  }
}

/** A table without a database. */
class EmptyTable extends Table {
  override async query() {
    return { items: [] };
  }
}

const hang = Symbol('hang');
const isFile = (answer: unknown) => answer instanceof Object && 'file' in answer;

const operation = (effect: 'read' | 'write', more: Partial<Operation> = {}): Operation => ({
  summary: '',
  effect,
  call: '',
  input: () => ({ text: z.optional(z.string()), id: z.optional(z.number()), list: z.optional(z.unknown()) }),
  output: () => z.unknown(),
  ...more,
});

const operations = {
  read: operation('read'),
  say: operation('write'),
  siren: operation('write', { alarm: true, repeatWhenLost: { attempts: 3, seconds: 30 } }),
  alert: operation('write', { alarm: true }),
  copy: operation('write', { slow: () => true }),
};

/** Errors as vendors make them. */
export const trouble = {
  /** The vendor was never reached. */
  down: () => new GatewayError('vendor_unreachable', 'It could not be reached.'),
  /** The request went out, and no answer came. */
  lost: () => new GatewayError('outcome_unknown', 'The answer was lost.', { outcome: 'unknown' }),
  refused: () => new GatewayError('vendor_bad_request', 'No such channel.', { outcome: 'refused' }),
  /** It never answers: the step's own time must end. */
  hang: () => hang,
};

/**
 * The engine with everything real but four things. Durable executions are kept in memory, time stands still until a wait is
 * skipped, and the vendors `radio`, `chat` and `table` do what a test says. The table is the one that rehearsals write to, which
 * answers within microseconds; a property test compares it with the database. Call it at the top of a test file.
 */
export function engineStage() {
  const clock = new StageClock();
  const schema = automationSchema();
  let stage: ReturnType<typeof processOf>;
  let stop = () => {};
  let count = 0;
  const sent: Sent[] = [];
  const logged: Record<string, unknown>[] = [];
  const behaviours = new Map<string, Behaviour>();
  const executions = new Map<string, FakeExecution>();
  const appended = new Map<string, Key>();
  /** The executions for parts of lists that have not been carried out yet. */
  const parts: string[] = [];

  const fake = (name: string): Vendor => {
    const { talk } = vendors;
    if (!talk) throw new Error('Talk is missing');
    return {
      ...talk,
      name: name as Vendor['name'],
      title: name,
      operations,
      concurrency: { ...talk.concurrency, stepItems: 2 },
      send: async (operationName, _operation, input, call) => {
        const request: Sent = { call: `${name}/${operationName}`, input, at: clock.now() };
        const number = sent.filter((each) => each.call === request.call).length;
        const behaviour = behaviours.get(request.call) ?? behaviours.get(name) ?? (() => ({ ok: true }));
        const answer = await behaviour(request, number, call);
        if (answer instanceof GatewayError && answer.code === 'vendor_unreachable') {
          attempts.push(request);
          throw answer;
        }
        // What follows went out.
        await call.http.request({ method: 'POST', url: 'https://vendor.example/', timeoutMs: 1000 });
        attempts.push(request);
        if (answer === hang) {
          await new Promise((_, reject) => {
            if (call.signal.aborted) reject(trouble.lost());
            call.signal.addEventListener('abort', () => reject(trouble.lost()));
          });
        }
        if (answer instanceof Error) throw answer;
        sent.push(request);
        return isFile(answer) ? answer : { body: answer };
      },
    } as Vendor;
  };
  const attempts: Sent[] = [];
  const catalogue = { radio: fake('radio'), chat: fake('chat'), table: fake('table') } as unknown as Catalogue;

  beforeAll(async () => {
    const secrets = memorySecrets();
    await secrets.write(sessionKeySecret('radio'), 'the key of this stage');
    stage = processOf(new ScratchTable(new EmptyTable('empty'), () => true), secrets, clock, catalogue);
    for (const vendor of ['radio', 'chat', 'table'])
      await putConnection(stage, vendor as Vendor['name'], 'demo', {}, {});
    // What the engine itself appends waits for `settle`.
    const { put } = stage.table;
    stage.table.put = (async (item, ...rest) => {
      if (item.pk.startsWith('event#')) appended.set(item.pk, { pk: item.pk, sk: item.sk });
      return put.call(stage.table, item, ...rest);
    }) as typeof put;
    stop = () => stage.close();
  });
  afterAll(() => stop());
  beforeEach(() => {
    sent.length = 0;
    attempts.length = 0;
    logged.length = 0;
    behaviours.clear();
  });

  const starter: Starter = {
    startDelivery: async () => undefined,
    startRun: async (name, { part }) => {
      if (executions.has(name)) return;
      executions.set(name, new FakeExecution(clock));
      if (part !== undefined) parts.push(part);
    },
    complete: async (callbackId, value) => [...executions.values()].some((each) => each.complete(callbackId, value)),
  } as Starter;

  const services = (): AutomationServices => ({
    ...stage,
    vendorNames: ['radio', 'chat', 'table'],
    publicUrl: 'https://gateway.example',
    starter,
    http: { request: async () => ({}) as never, stream: async () => ({ body: Readable.from([]) }) as never },
    log: (line) => void logged.push(line),
  });

  /** An automation as it is stored. */
  function automation(wanted: Record<string, unknown>): AutomationItem {
    const definition: Definition = schema.parse({
      name: 'Test',
      when: { event: 'test.happened' },
      ...wanted,
    });
    const at = new Date(clock.now()).toISOString();
    const id = `auto${++count}`;
    return {
      ...keys.automation(id),
      id,
      name: definition.name,
      enabled: true,
      definition: JSON.stringify(definition),
      scopes: ['*/*/*'],
      creator: 'admin',
      alarm: raisesAlarm(catalogue, definition),
      anchor: 0,
      createdAt: at,
      updatedAt: at,
      version: 1,
    };
  }

  /** Starts a run of an automation for an event that happens now; answers its id. */
  async function start(item: AutomationItem, data: Record<string, unknown> = {}): Promise<string> {
    const event = await publish({ type: 'test.happened', data });
    const trigger = { cause: `event ${event.id}`, createdAt: event.appendedAt, eventId: event.id, isUnsaved: true };
    return startOne(services(), item, trigger);
  }

  /** Stores an event, gives it its position in the log, and completes the waits for it. */
  async function publish(event: Partial<NewEvent>, times = 1): Promise<EventItem> {
    const { ids } = await appendEvents(
      services(),
      Array.from({ length: times }, () => ({
        vendor: 'chat' as never,
        connection: 'demo',
        type: 'test.answered',
        readBy: 'getAnswers',
        id: `m${++count}`,
        timestamp: new Date(clock.now()).toISOString(),
        data: {},
        ...event,
      })),
    );
    const items = (await stage.table.getMany<EventItem>(ids.map(keys.event))).filter((item) => item !== undefined);
    await settleEvents(services(), items);
    for (const item of items) {
      const waiters = await waitersFor(stage.table, item.type, clock.now());
      await completeWaiters(waitServices(services()), waiters, item);
    }
    const [first] = items;
    if (!first) throw new Error('The event was not stored');
    return first;
  }

  /** Gives the events of a type their positions in the log, as the table's stream does, and returns all of them. */
  async function settle(type: string): Promise<EventItem[]> {
    const items = [...appended.values()];
    appended.clear();
    const known = (await stage.table.getMany<EventItem>(items)).filter((item) => item?.type === type);
    const open = known.filter((item) => item !== undefined);
    await settleEvents(services(), open);
    for (const item of open) {
      const waiters = await waitersFor(stage.table, type, clock.now());
      await completeWaiters(waitServices(services()), waiters, item);
    }
    const all = await stage.table.queryAll<{ id: string; type: string }>({ pk: keys.log(), consistent: true });
    const ids = all.filter((each) => each.type === type).map(({ id }) => keys.event(id));
    return (await stage.table.getMany<EventItem>(ids)).filter((item) => item !== undefined);
  }

  /** The code of an execution: that of a run, or of a part of one of its lists. */
  const handlerOf =
    (name: string, changed: Partial<AutomationServices> = {}) =>
    (context: DurableContext) => {
      const [runId = '', ...more] = name.split('-');
      return runAutomation({ ...services(), ...changed }, catalogue, context, {
        runId,
        ...(more.length > 0 && { part: name }),
      });
    };

  function execution(runId: string): FakeExecution {
    const found = executions.get(runId);
    if (!found) throw new Error(`No execution was started for ${runId}`);
    return found;
  }

  /** Carries a run out to its end; waits pass at once. */
  async function finish(
    runId: string,
    onRest?: (nextAt: number) => Promise<unknown>,
    changed?: Partial<AutomationServices>,
  ): Promise<RunEnd> {
    return execution(runId).run(handlerOf(runId, changed), async (nextAt) => {
      if (parts.length === 0) return onRest?.(nextAt);
      for (let part = parts.shift(); part !== undefined; part = parts.shift())
        await execution(part).run(handlerOf(part, changed), onRest);
    });
  }

  /** A run with its steps by name (an item's as `name[i]` from the second on), outputs and inputs read. */
  async function read(runId: string) {
    const run = await findRun(stage.table, runId);
    if (!run) throw new Error(`There is no run ${runId}`);
    const steps: Record<string, Omit<StepItem, 'input' | 'output'> & { input?: unknown; output?: unknown }> = {};
    for (const step of await stepsOf(stage.table, runId)) {
      const output = await outputOf(stage.files, step);
      steps[step.index === 0 ? step.name : `${step.name}[${step.index}]`] = {
        ...step,
        output,
        input: step.input === undefined ? undefined : JSON.parse(step.input),
      };
    }
    return { ...run, steps } as RunItem & { steps: typeof steps };
  }

  /** Replays a run, and carries the replay out. */
  async function replay(runId: string, more: Partial<RunCause> = {}) {
    const run = await read(runId);
    clock.advance(1000);
    const id = await startRun(services(), {
      owner: run.owner,
      name: run.name,
      definition: definitionOfRun(run),
      scopes: run.scopes,
      keyId: run.keyId,
      cause: `replay ${runId} ${clock.now()}`,
      createdAt: clock.now(),
      ...(run.eventId !== undefined && { eventId: run.eventId }),
      replayOf: runId,
      reuse: true,
      ...more,
    });
    await finish(id);
    return read(id);
  }

  /** Starts a run and carries it out. */
  async function go(
    steps: object[] | Record<string, unknown>,
    data: Record<string, unknown> = {},
    onRest?: (nextAt: number) => Promise<unknown>,
  ) {
    const item = automation(Array.isArray(steps) ? { do: steps } : steps);
    const id = await start(item, data);
    await finish(id, onRest);
    return read(id);
  }

  return {
    clock,
    sent,
    attempts,
    logged,
    catalogue,
    services,
    automation,
    start,
    publish,
    finish,
    execution,
    /** The names of the executions that carried out a run. */
    executionsOf: (runId: string) => [...executions.keys()].filter((name) => name.startsWith(runId)),
    handlerOf,
    read,
    replay,
    go,
    /** Makes every vendor answer successfully again. */
    forget: () => behaviours.clear(),
    /** What a vendor (`radio`) or one of its operations (`radio/siren`) does from now on in this test. */
    when: (what: string, behaviour: Behaviour) => void behaviours.set(what, behaviour),
    /** The calls that were carried out, in their order. */
    calls: () => sent.map(({ call }) => call),
    runs: async (owner: string) => stage.table.queryAll<RunItem>({ pk: keys.runs(owner), consistent: true }),
    settle,
    table: () => stage.table,
    event: (id: string) => stage.table.get<EventItem>(keys.event(id), true),
  };
}

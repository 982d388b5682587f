import { randomUUID } from 'node:crypto';
import {
  type DurableExecutionClient,
  DurableExecutionClientError,
  DurableExecutionClientErrorScope,
  DurableExecutionInvocationInputWithClient,
  type DurableLambdaHandler,
  InvocationStatus,
  OperationType,
} from '@aws/durable-execution-sdk-js';
import type { Operation } from '@aws-sdk/client-lambda';
import type { Clock } from '../../lib/core/clock.ts';
import type { DeliveryStart, RunStart } from '../../lib/core/durable.ts';
import { keys } from '../../lib/store/items.ts';
import type { Table } from '../../lib/store/table.ts';
import { ServiceError } from '../aws/aws-request.ts';
import { createLambdaContext, functionArn } from '../aws/lambda-context.ts';
import type { DurableFunction } from '../aws/lambda-endpoint.ts';
import { applyUpdate, completed, earliestTimer, fired, setBack } from './durable-operations.ts';
import { DurableStore, type ExecutionItem } from './durable-store.ts';
import { ExecutionQueue, type Lane, type QueueState } from './execution-queue.ts';

export interface DurableRuntimeOptions {
  /** The table of the product; executions are stored there as well. */
  table: Table;
  /** The durable handlers as they run on AWS, by function name. */
  handlers: Readonly<Record<string, DurableLambdaHandler>>;
  clock: Clock;
  /** Invocations of one function at a time, 256 when absent, and as many of alarms; others wait their turn. */
  concurrency?: number;
  /** Invocations of one group at a time, 8 when absent. */
  perGroup?: number;
  /**
   * Called before executions of an earlier process continue. From then on, what they start and complete must reach the runtime: a
   * callback that nobody receives counts as ended.
   */
  connect?: (runtime: DurableRuntime) => void;
  /** Called when an execution has failed permanently, before that is stored. Called again if it throws. */
  onFailed?: (execution: { functionName: string; name: string; arn: string }) => Promise<void>;
  /** Called with what an execution returned, as JSON. */
  onSucceeded?: (functionName: string, result: string | undefined) => void;
  /** Called when an execution failed, or when an invocation failed and is repeated. */
  onFault?: (functionName: string, name: string, error: unknown) => void;
}

/** Lambda's durable executions on one machine: stored at every checkpoint, and continued after a restart or kill -9. */
export interface DurableRuntime {
  /** For the Lambda endpoint. */
  functions: Readonly<Record<string, DurableFunction>>;
  /** Completes a callback; false when it is over already, or never was. */
  complete(callbackId: string, result: string): Promise<boolean>;
  /** Continues everything that is due; timers call it, and tests whose clock they move. */
  wake(): void;
  /** Resolves when nothing runs and nothing is due. */
  idle(): Promise<void>;
  /** How the queues are now, by function name. */
  queues(): Record<string, QueueState>;
  stop(): Promise<void>;
}

/** As on AWS, in milliseconds. */
const invocationTimeoutMs = 15 * 60_000;
/** An execution that waits only for a callback is checked again after this; in milliseconds. */
const recheckAfterMs = 366 * 24 * 60 * 60_000;
/** As on AWS, in bytes. */
const maxPayloadBytes = 256 * 1024;
const maxFaultPauseMs = 300_000;
/** About a minute, with the pauses between. */
const persistAttempts = 35;

interface Running {
  operations: Map<string, Operation>;
  token: string;
  /** Completed while the invocation ran, and not yet passed to it: it may suspend without having seen it. */
  unseen: Set<string>;
}

/** Starts the runtime and continues every execution that an earlier process left unfinished. */
export async function startDurableRuntime(options: DurableRuntimeOptions): Promise<DurableRuntime> {
  const { clock, handlers } = options;
  const store = new DurableStore(options.table);
  const queue = new ExecutionQueue({
    clock,
    functionNames: Object.keys(handlers),
    concurrency: options.concurrency ?? 256,
    perGroup: options.perGroup ?? 8,
    placeMs: 1_000,
    maxOpen: 4_096,
    laneOf: (pk) => lanes.get(pk) ?? { group: pk, isAlarm: false },
    run: invoke,
    onFault: (functionName, pk, error) => options.onFault?.(functionName, pk, error),
  });
  const running = new Map<string, Running>();
  const lanes = new Map<string, Lane>();
  /** Executions that were just created, so that their first invocation need not read them. */
  const fresh = new Map<string, ExecutionItem>();
  const turns = new Map<string, Promise<unknown>>();

  /** Starting, ending and completing one execution happen one after the other. */
  function inTurn<T>(pk: string, work: () => Promise<T>): Promise<T> {
    const turn = (turns.get(pk) ?? Promise.resolve()).then(work, work);
    const settled = turn
      .catch(() => undefined)
      .finally(() => {
        if (turns.get(pk) === settled) turns.delete(pk);
      });
    turns.set(pk, settled);
    return turn;
  }

  async function invoke(pk: string, functionName: string): Promise<void> {
    const handler = handlers[functionName];
    const started = await inTurn(pk, async () => {
      const made = fresh.get(pk);
      fresh.delete(pk);
      const execution = made ?? (await store.read(pk));
      if (execution?.state !== 'running') return undefined;
      const operations = made ? new Map<string, Operation>() : await store.operations(pk);
      await setTimersBack(execution, operations);
      const updated = fire(operations);
      const mine: Running = { operations, token: randomUUID(), unseen: new Set() };
      running.set(pk, mine);
      return { execution, mine, updated };
    });
    if (!started || !handler) return;
    const { execution, mine, updated } = started;
    let output: Awaited<ReturnType<DurableLambdaHandler>> | undefined;
    let fault: unknown;
    try {
      const input = {
        DurableExecutionArn: execution.arn,
        CheckpointToken: mine.token,
        UpdatedOperationIds: updated,
        InitialExecutionState: { Operations: [executionOperation(execution), ...mine.operations.values()] },
      };
      const context = createLambdaContext({ name: functionName, timeout: invocationTimeoutMs });
      output = await handler(new DurableExecutionInvocationInputWithClient(input, clientOf(pk, mine)), context);
    } catch (error) {
      fault = error;
    }
    await inTurn(pk, async () => {
      running.delete(pk);
      // If the outcome were lost in a database failure, what was carried out would be carried out again.
      await persist(() => keep());
    });

    async function keep(): Promise<void> {
      if (output && output.Status !== InvocationStatus.PENDING) await finish(execution, mine, output);
      else await suspend(execution, mine, output === undefined, fault);
    }
  }

  /** Repeats what is stored until the database takes it, for a minute at most. */
  async function persist<T>(work: () => Promise<T>): Promise<T> {
    for (let attempt = 0; ; attempt++) {
      try {
        return await work();
      } catch (error) {
        if (attempt >= persistAttempts || queue.stopping) throw error;
        await clock.sleep(Math.min(2_000, 50 * 2 ** attempt));
      }
    }
  }

  async function suspend(execution: ExecutionItem, mine: Running, broke: boolean, fault: unknown): Promise<void> {
    const { pk, functionName, name } = execution;
    const now = clock.now();
    const faults = broke ? (execution.faults ?? 0) + 1 : 0;
    let until = mine.unseen.size > 0 ? now : (earliestTimer(mine.operations) ?? now + recheckAfterMs);
    if (broke) {
      if (!queue.stopping) options.onFault?.(functionName, name, fault);
      until = now + Math.min(maxFaultPauseMs, 1000 * 2 ** (faults - 1));
    }
    await store.suspend(execution, until, faults, now);
    queue.rest(pk, functionName, until);
  }

  async function finish(
    execution: ExecutionItem,
    mine: Running,
    output: Exclude<Awaited<ReturnType<DurableLambdaHandler>>, { Status: InvocationStatus.PENDING }>,
  ): Promise<void> {
    const { pk, functionName, name } = execution;
    if (output.Status === InvocationStatus.SUCCEEDED) {
      await store.finish(execution, 'succeeded', output.Result, clock.now(), mine.operations.keys());
      options.onSucceeded?.(functionName, output.Result);
    } else {
      const { ErrorMessage = 'The execution failed', ErrorType = 'Error' } = output.Error;
      await options.onFailed?.(execution);
      await store.finish(execution, 'failed', ErrorMessage, clock.now(), mine.operations.keys());
      options.onFault?.(functionName, name, Object.assign(new Error(ErrorMessage), { name: ErrorType }));
    }
    lanes.delete(pk);
  }

  function clientOf(pk: string, mine: Running): DurableExecutionClient {
    const requireToken = (token: string | undefined) => {
      if (token === mine.token && running.get(pk) === mine) return;
      throw new DurableExecutionClientError('This invocation is over.', {
        scope: DurableExecutionClientErrorScope.INVOCATION,
      });
    };
    return {
      checkpoint: async ({ CheckpointToken, Updates = [] }) => {
        requireToken(CheckpointToken);
        const now = clock.now();
        const changed = new Set([...fire(mine.operations), ...mine.unseen]);
        mine.unseen.clear();
        for (const update of Updates) {
          const id = update.Id ?? '';
          if (Buffer.byteLength(update.Payload ?? '') > maxPayloadBytes) {
            throw new DurableExecutionClientError('A checkpoint carries at most 256 kB.', {
              scope: DurableExecutionClientErrorScope.EXECUTION,
            });
          }
          // The result of the whole execution comes back with the invocation.
          if (update.Type === OperationType.EXECUTION) continue;
          const callbackId = Buffer.from(JSON.stringify([pk, id])).toString('base64url');
          mine.operations.set(id, applyUpdate(mine.operations.get(id), update, callbackId, now));
          changed.add(id);
        }
        const operations = [...changed].flatMap((id) => mine.operations.get(id) ?? []);
        await persist(() => store.save(pk, operations));
        return { CheckpointToken: mine.token, NewExecutionState: { Operations: operations } };
      },
      // The whole state is in the invocation's event.
      getExecutionState: async () => ({ Operations: [] }),
    };
  }

  /** After the clock was set back, stores the timers by the current clock. */
  async function setTimersBack(execution: ExecutionItem, operations: Map<string, Operation>): Promise<void> {
    const now = clock.now();
    const changed = [...operations.values()].flatMap((each) => setBack(each, storedAt(execution), now) ?? []);
    if (changed.length === 0) return;
    await store.save(execution.pk, changed);
    for (const operation of changed) operations.set(operation.Id ?? '', operation);
  }

  /** Fires the timers that are due; returns the ids of the changed operations. */
  function fire(operations: Map<string, Operation>): string[] {
    const now = clock.now();
    const ids: string[] = [];
    for (const [id, operation] of operations) {
      const after = fired(operation, now);
      if (!after) continue;
      operations.set(id, after);
      ids.push(id);
    }
    return ids;
  }

  async function start(functionName: string, event: unknown, name: string): Promise<string> {
    const key = keys.execution(functionName, name);
    const arn = `${functionArn(functionName)}:$LATEST/durable-execution/${name}/${randomUUID()}`;
    const payload = JSON.stringify(event);
    const startedAt = clock.now();
    lanes.set(key.pk, laneOf(event));
    const { made, execution } = await store.create({
      ...key,
      functionName,
      name,
      arn,
      payload,
      state: 'running',
      startedAt,
    });
    if (execution.payload !== payload) {
      throw new ServiceError(
        'DurableExecutionAlreadyStartedException',
        `The execution ${name} was started with another payload.`,
        409,
      );
    }
    if (made) {
      fresh.set(key.pk, execution);
      queue.enqueue(key.pk, functionName);
      return arn;
    }
    const now = await store.read(key.pk);
    if (now?.state !== 'running') lanes.delete(key.pk);
    // Stored by a request whose answer was lost, it was never queued.
    else if (!queue.knows(key.pk)) queue.enqueue(key.pk, functionName);
    return execution.arn;
  }

  const runtime: DurableRuntime = {
    functions: Object.fromEntries(
      Object.keys(handlers).map((functionName): [string, DurableFunction] => [
        functionName,
        { start: (event, name) => start(functionName, event, name) },
      ]),
    ),
    complete: async (callbackId, result) => {
      const place = placeOf(callbackId);
      if (!place) return false;
      const [pk, id] = place;
      return inTurn(pk, async () => {
        const mine = running.get(pk);
        const before = mine ? mine.operations.get(id) : await store.operation(pk, id);
        const after = completed(before, result, clock.now());
        if (!after) return false;
        if (mine) {
          await store.save(pk, [after]);
          mine.operations.set(id, after);
          mine.unseen.add(id);
        } else {
          if (!(await store.resume(pk, after, clock.now()))) return false;
          const functionName = queue.restingFunction(pk) ?? (await store.read(pk))?.functionName;
          if (functionName !== undefined) queue.enqueue(pk, functionName);
        }
        return true;
      });
    },
    wake: () => queue.wake(),
    idle: () => queue.idle(),
    queues: () => queue.states(),
    stop: () => queue.stop(),
  };

  options.connect?.(runtime);
  for await (const execution of store.unfinished()) {
    const { pk, functionName, payload, dueAt = 0 } = execution;
    // An execution that was completed or started since the list was read may be ahead of the list.
    if (queue.knows(pk)) continue;
    lanes.set(pk, laneOf(JSON.parse(payload)));
    // Executions that were stored before the clock was set back are checked now.
    queue.rest(pk, functionName, storedAt(execution) > clock.now() ? 0 : dueAt);
  }
  queue.wake();
  return runtime;
}

/** When an execution was last stored, as far as that is known. */
const storedAt = (execution: ExecutionItem): number => execution.storedAt ?? execution.startedAt;

function executionOperation({ arn, payload, startedAt }: ExecutionItem): Operation {
  return {
    Id: arn,
    Type: OperationType.EXECUTION,
    Status: 'STARTED',
    StartTimestamp: new Date(startedAt),
    ExecutionDetails: { InputPayload: payload },
  };
}

/** Executions take turns by group: the runs of an automation, the deliveries of a subscription. */
function laneOf(payload: unknown): Lane {
  const { runId, deliveryId, alarm } = (payload ?? {}) as Partial<RunStart & DeliveryStart>;
  const isAlarm = alarm === true;
  if (deliveryId !== undefined) return { group: deliveryId.slice(0, 'dlv_'.length + 16), isAlarm };
  // Single calls are independent of one another.
  const [, owner = ''] = runId?.split('_') ?? [];
  return { group: owner.startsWith('calls0') || owner === '' ? (runId ?? '') : owner, isAlarm };
}

function placeOf(callbackId: string): [string, string] | undefined {
  try {
    const place: unknown = JSON.parse(Buffer.from(callbackId, 'base64url').toString('utf8'));
    if (Array.isArray(place) && typeof place[0] === 'string' && typeof place[1] === 'string')
      return [place[0], place[1]];
  } catch {
    // Not an execution of this runtime.
  }
  return undefined;
}

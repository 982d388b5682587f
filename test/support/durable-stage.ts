import { afterAll, beforeAll } from 'vitest';
import { durableFunction } from '../../lib/aws/durable.ts';
import { useFiles } from '../../lib/aws/services.ts';
import type { DurableContext } from '../../lib/core/durable.ts';
import { keys } from '../../lib/store/items.ts';
import { Table } from '../../lib/store/table.ts';
import { type DurableRuntime, startDurableRuntime } from '../../local/runtime/durable-runtime.ts';
import type { ExecutionItem } from '../../local/runtime/durable-store.ts';
import { memoryFiles, startBackends, TestClock } from './harness.ts';
import { until } from './until.ts';

type Body = (context: DurableContext) => Promise<object>;

/** Durable functions for the tests of one file, over a separate database. Call it at the top of the file. */
export function durableStage() {
  const clock = new TestClock(Date.now());
  let stop = async () => {};
  let table: Table | undefined;
  let number = 0;

  beforeAll(async () => {
    const backends = await startBackends();
    Object.assign(process.env, backends.env);
    useFiles(memoryFiles());
    table = new Table('trunkline', backends.database.client);
    stop = async () => {
      table?.destroy();
      await backends.stop();
    };
  });
  afterAll(() => stop());

  /** Runs a body as a durable function; `restart` throws the runtime away and makes another over the same table. */
  async function running(body: Body) {
    if (!table) throw new Error('The table begins with the first test');
    const database = table;
    const name = `function-${++number}`;
    const faults: unknown[] = [];
    const failed: object[] = [];
    const handlers = { [name]: durableFunction<object>(name, (_services, context) => body(context)) };
    let runtime: DurableRuntime;
    const make = () =>
      startDurableRuntime({
        table: database,
        clock,
        handlers,
        connect: (started) => {
          runtime = started;
        },
        onFault: (...fault) => faults.push(fault[2]),
        onFailed: async (execution) => void failed.push(execution),
      });
    runtime = await make();
    return {
      name,
      table,
      faults,
      failed,
      start: (payload: object = {}, execution = 'one') => runtime.functions[name]?.start(payload, execution),
      /** What an execution has returned once it has ended; throws what it has thrown. */
      result: async (execution = 'one'): Promise<unknown> => {
        const key = keys.execution(name, execution);
        let ended: ExecutionItem | undefined;
        await until(async () => {
          ended = await database.get<ExecutionItem>(key, true);
          return ended?.state !== 'running';
        });
        await runtime.idle();
        if (ended?.state === 'failed') throw new Error(ended.result);
        return JSON.parse(ended?.result ?? 'null');
      },
      complete: (id: string, result: unknown) => runtime.complete(id, JSON.stringify(result)),
      pass: async (seconds: number) => {
        await runtime.idle();
        clock.advance(seconds * 1000);
        runtime.wake();
        await runtime.idle();
      },
      idle: () => runtime.idle(),
      restart: async () => {
        await runtime.stop();
        runtime = await make();
      },
      stop: () => runtime.stop(),
    };
  }
  return { clock, running };
}

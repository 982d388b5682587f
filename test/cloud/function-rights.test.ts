import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Context } from 'aws-lambda';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { handler as keepSessions } from '../../functions/keep-sessions.ts';
import { handler as startSchedules } from '../../functions/start-schedules.ts';
import { type RunItem, runId, runKey } from '../../lib/automations/runs/runs.ts';
import { resetServices, services } from '../../lib/aws/services.ts';
import { due } from '../../lib/store/due.ts';
import { keys } from '../../lib/store/items.ts';
import { type Proptt2Sandbox, startProptt2Sandbox } from '../../sandbox/proptt2/index.ts';
import { processOf, putConnection, startBackends } from '../support/harness.ts';
import { proptt2Settings } from '../support/proptt2-settings.ts';
import { type EnforcedRights, enforceRights } from '../support/rights.ts';

/** What the functions of the clock do only when something has gone wrong, with no more than the rights that they declare. */
let backends: Awaited<ReturnType<typeof startBackends>>;
let sandbox: Proptt2Sandbox;
let rights: EnforcedRights;
const completed: string[] = [];
const lambda = createServer((request, response) => {
  completed.push(decodeURIComponent(String(request.url)));
  response.writeHead(200, { 'content-type': 'application/json' }).end('{}');
});

beforeAll(async () => {
  [backends, sandbox] = await Promise.all([startBackends(), startProptt2Sandbox()]);
  await new Promise<void>((resolve) => lambda.listen(0, '127.0.0.1', resolve));
  const endpoint = `http://127.0.0.1:${(lambda.address() as AddressInfo).port}`;
  Object.assign(process.env, backends.env, { TRUNKLINE_LAMBDA_ENDPOINT: endpoint });
  resetServices();
  rights = enforceRights();
});
afterAll(async () => {
  rights.stop();
  services().table.destroy();
  lambda.closeAllConnections();
  lambda.close();
  await sandbox.close();
  await backends.stop();
});

/** Invokes a function of the clock as the tick does. */
async function tick(functionName: string, handler: typeof keepSessions): Promise<unknown> {
  const context = { functionName, awsRequestId: 'tick' } as Context;
  const event = { version: '0' } as never;
  const report = await rights.enforceFor(functionName, () => handler(event, context));
  expect(rights.denials).toEqual([]);
  return report;
}

test('a connection whose credentials are refused to the keepalive is locked', async () => {
  const { table, secrets, clock, store } = services();
  const settings = proptt2Settings(sandbox.url);
  await putConnection(processOf(table, secrets, clock), 'proptt2', 'refused', settings, { interactionKey: 'wrong' });
  expect(await tick('keep-sessions', keepSessions)).toMatchObject({ due: 1, unexpected: [] });
  expect(await store.read('proptt2', 'refused')).toMatchObject({ state: 'locked' });
});

test('the turn of a run whose execution was lost passes to the run that waits behind it', async () => {
  const { table, clock } = services();
  const now = clock.now();
  const minutes = (count: number) => now - count * 60_000;
  const store = async (cause: string, createdAt: number, more: Partial<RunItem>) => {
    const id = runId('auto', createdAt, cause);
    const key = runKey(id) ?? { pk: '', sk: '' };
    const listed = due('run-running', key.sk, createdAt);
    await table.put({ ...key, id, owner: 'auto', name: 'Auto', state: 'running', createdAt, ...listed, ...more });
    return id;
  };
  await store('lost', minutes(30), { executionStartedAt: minutes(25), turnKey: '' });
  const next = await store('next', minutes(1), {});
  await table.put({ ...keys.turn('auto', '', minutes(1), next), runId: next, callbackId: 'callback-next' });
  await table.put({ ...keys.runSweep(), at: minutes(1), since: minutes(60) });
  expect(await tick('start-schedules', startSchedules)).toMatchObject({ lostRuns: { ended: 1 } });
  expect(completed).toEqual([expect.stringContaining('callback-next')]);
});

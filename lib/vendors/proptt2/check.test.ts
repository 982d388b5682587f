import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { type Proptt2Sandbox, startProptt2Sandbox } from '../../../sandbox/proptt2/index.ts';
import { memorySecrets, processOf, putConnection, startBackends, TestClock } from '../../../test/support/harness.ts';
import { proptt2Settings } from '../../../test/support/proptt2-settings.ts';
import { vendorCall } from '../../connections/vendor-calls.ts';
import { proptt2 } from './index.ts';

const clock = new TestClock();
let backends: Awaited<ReturnType<typeof startBackends>>;
let sandbox: Proptt2Sandbox;
let services: ReturnType<typeof processOf>;
let number = 0;

beforeAll(async () => {
  backends = await startBackends();
});
afterAll(() => backends.stop());
beforeEach(async () => {
  sandbox = await startProptt2Sandbox({ now: clock.now });
  services = processOf(backends.database, memorySecrets(), clock, { proptt2 } as never);
});
afterEach(async () => {
  services.close();
  await sandbox.close();
});

async function check(interactionKey = 'bb00cc') {
  const settings = proptt2Settings(sandbox.url);
  const connection = await putConnection(services, 'proptt2', `check-${number++}`, settings, { interactionKey });
  const scope = { requestId: 'test', signal: new AbortController().signal };
  const findings = await proptt2.check(vendorCall(services, proptt2 as never, connection, scope) as never);
  return Object.fromEntries(findings.map(({ subject, state }) => [subject, state]));
}

test('a check makes only requests that the vendor documents', async () => {
  expect(await check()).toMatchObject({ reach: 'good', clock: 'good', credentials: 'good' });
  const lines = sandbox.journal.map(({ method, path }) => `${method} ${path.split('?')[0]}`);
  expect(lines).toEqual([
    'POST /openapi/1/server',
    'POST /openapi/1/auth',
    'GET /openapi/1/channels',
    'GET /openapi/1/users',
  ]);
});

test('with a wrong key the server counts as reachable', async () => {
  expect(await check('wrong')).toMatchObject({ reach: 'good', credentials: 'bad' });
});

test('a server that does not answer is out of reach', async () => {
  await sandbox.close();
  expect(await check()).toEqual({ reach: 'bad' });
  sandbox = await startProptt2Sandbox({ now: clock.now });
});

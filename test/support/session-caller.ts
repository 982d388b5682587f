import { randomBytes } from 'node:crypto';
import { services } from '../../lib/aws/services.ts';
import { invoke } from '../../lib/connections/invoke.ts';
import { GatewayError } from '../../lib/core/errors.ts';
import { proptt2 } from '../../lib/vendors/proptt2/index.ts';
import { admin } from './harness.ts';

/** One of several processes that call at once: `node session-caller.ts CALLERS OPERATION`, the backends in its environment. */
const [callers = '1', operation = 'getChannelList', input = '{}', rounds = '1'] = process.argv.slice(2);
const gateway = services();

async function callOnce(): Promise<string> {
  try {
    await invoke(
      gateway,
      proptt2,
      { principal: admin, connection: 'dispatch', operation, input: JSON.parse(input) },
      { requestId: randomBytes(6).toString('hex'), signal: new AbortController().signal },
    );
    return 'good';
  } catch (error) {
    return error instanceof GatewayError ? error.code : String(error);
  }
}

const results: string[] = [];
for (let round = 0; round < Number(rounds); round++) {
  results.push(...(await Promise.all(Array.from({ length: Number(callers) }, callOnce))));
}
process.stdout.write(JSON.stringify(results));
process.exit(0);

// Sends an SOS to radio channel 1: node call.mjs alarm-4711
import { setTimeout } from 'node:timers/promises';

/**
 * Calls an operation. The idempotency key makes it safe to try again: within 24 hours, requests with the same key are carried out once.
 * Throws with the `code` and the `message` of the problem when it is refused.
 */
async function call(operation, input, idempotencyKey) {
  for (let attempt = 1; ; attempt++) {
    const response = await fetch(`${process.env.TRUNKLINE_URL}/v1/${operation}`, {
      method: 'POST',
      headers: {
        authorization: `Bearer ${process.env.TRUNKLINE_KEY}`,
        'content-type': 'application/json',
        'idempotency-key': idempotencyKey,
      },
      body: JSON.stringify(input),
      signal: AbortSignal.timeout(30_000),
    }).catch((error) => error);
    if (response.ok) return response.json();
    const problem = response instanceof Error ? { message: response.message, retryable: true } : await response.json();
    if (!problem.retryable || attempt === 3) throw new Error(`${problem.code ?? 'unreachable'}: ${problem.message}`);
    const retryAfter = response instanceof Error ? null : response.headers.get('retry-after');
    await setTimeout(1000 * Number(retryAfter ?? 2 ** attempt));
  }
}

const [, , key = 'alarm-4711'] = process.argv;
process.stdout.write(`${JSON.stringify(await call('proptt2/demo/sendSosToChannel', { channelId: 1 }, key))}\n`);

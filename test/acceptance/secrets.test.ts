import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { services } from '../../lib/aws/services.ts';
import { keys } from '../../lib/store/items.ts';
import { vendorNames } from '../../lib/vendors/index.ts';
import { type Bench, startBench } from './product.ts';

/** Collects everything that the product returns, logs or stores while its vendors repeat what they were sent in their errors. */
let bench: Bench;
const produced: string[] = [];

beforeAll(async () => {
  const { write } = process.stdout;
  vi.spyOn(process.stdout, 'write').mockImplementation((chunk, ...rest) => {
    produced.push(`log: ${String(chunk)}`);
    return (write as (...given: unknown[]) => boolean).call(process.stdout, chunk, ...rest);
  });
  bench = await startBench();
});
afterAll(async () => {
  vi.restoreAllMocks();
  await bench.close();
});

const reads = { proptt2: 'getChannelList', talk: 'getRooms', timetonic: 'getAllBooks' } as const;
const writes = {
  proptt2: ['sendSosToChannel', { channelId: 1 }],
  talk: ['sendChatMessage', { token: 'controlroom', message: 'x' }],
  timetonic: ['sendMsg', { bookOwner: 'demo', bookCode: 'operations', msg: 'x' }],
} as const;

/** What a request of the vendor carried: its keys, and the password behind its Basic header. */
function secretsOf({
  query,
  headers,
  body,
}: {
  query: object;
  headers: Record<string, string>;
  body: string;
}): string[] {
  const form = Object.fromEntries(new URLSearchParams(body));
  const { skey, sesskey, oauthkey } = { ...query, ...form } as Record<string, string>;
  const basic = headers.authorization?.replace('Basic ', '') ?? '';
  const password = Buffer.from(basic, 'base64').toString().split(':')[1];
  return [skey, sesskey, oauthkey, basic, password].filter((each): each is string => (each ?? '').length > 5);
}

test('no answer, no run, no event and no line of the log repeats a secret that a vendor has repeated', async () => {
  const secrets = new Set<string>(['bb00cc', 'alice-app-password', 'demo-password']);
  const provoke = async (name: 'proptt2' | 'talk' | 'timetonic') => {
    expect((await bench.call('GET', `/v1/${name}/demo/${reads[name]}`)).status).toBe(200);
    const vendor = bench.demo[name];
    const last = vendor.journal.at(-1);
    if (!last) throw new Error(`${name} was asked nothing`);
    const found = secretsOf(last);
    expect(found.length, name).toBeGreaterThan(0);
    for (const secret of found) secrets.add(secret);
    const echoed = [
      ...found,
      ...found.map((each) => Buffer.from(`user:${each}`).toString('base64')),
      JSON.stringify(last),
    ];
    const text = `You sent ${echoed.join(' and ')}`;
    const bodies = [
      text,
      JSON.stringify({ ocs: { meta: { status: 'failure', statuscode: 400, message: text }, data: { message: text } } }),
      JSON.stringify({ status: 'nok', error: text, errorMsg: text }),
    ];
    const [operation, input] = writes[name];
    for (const status of [200, 400, 403, 500, 502]) {
      for (const body of bodies) {
        vendor.fault({ kind: 'status', status, body });
        const headers = { 'idempotency-key': `${name}-${status}-${bodies.indexOf(body)}` };
        const answers = await Promise.all([
          bench.call('GET', `/v1/${name}/demo/${reads[name]}`),
          bench.call('POST', `/v1/${name}/demo/${operation}`, input, headers),
        ]);
        produced.push(...answers.map((answer) => JSON.stringify(answer.body)));
        vendor.clearFaults();
      }
    }
    vendor.fault({ kind: 'status', status: 400, body: bodies[1] ?? '' });
    const later = await bench.call<{ id: string }>('POST', `/v1/${name}/demo/${operation}`, input, {
      prefer: 'respond-async',
    });
    expect(later.status).toBe(202);
    const run = async () => (await bench.call<{ state: string }>('GET', `/v1/runs/${later.body.id}`)).body;
    await expect.poll(async () => (await run()).state).not.toBe('running');
    produced.push(JSON.stringify(await run()));
    produced.push(JSON.stringify((await bench.call('POST', `/v1/connections/${name}/demo/check`)).body));
    vendor.clearFaults();
    produced.push(JSON.stringify((await bench.call('GET', `/v1/connections/${name}/demo`)).body));
  };
  await Promise.all((['proptt2', 'talk', 'timetonic'] as const).map(provoke));
  produced.push(JSON.stringify((await bench.call('GET', '/v1/events?limit=500')).body));
  const { table } = services();
  for (const vendor of vendorNames) {
    const { pk } = keys.idempotency(vendor, 'admin', '');
    produced.push(JSON.stringify(await table.queryAll({ pk })));
  }
  expect(produced.length).toBeGreaterThan(100);
  for (const secret of secrets) {
    const forms = [
      secret,
      Buffer.from(secret).toString('hex'),
      Buffer.from(secret).toString('base64').replace(/=+$/, ''),
    ];
    for (const form of forms) expect(produced.filter((each) => each.includes(form)).slice(0, 2)).toEqual([]);
  }
});

import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { type Bench, type ShownRun, startBench } from './product.ts';

let bench: Bench;
beforeAll(async () => {
  bench = await startBench();
});
afterAll(() => bench.close());
beforeEach(() => bench.demo.proptt2.reset());

async function ended(path: string): Promise<ShownRun> {
  const read = async () => (await bench.call<ShownRun>('GET', path)).body;
  const later = async () => {
    bench.passTime(1);
    return (await read()).state;
  };
  await expect.poll(later).not.toBe('running');
  return read();
}

describe('a call that is answered later', () => {
  test('is 202 with a run, which its own key may see, and is carried out once', async () => {
    const made = await bench.call<{ key: string }>('POST', '/v1/keys', { name: 'caller', scopes: ['proptt2/demo/*'] });
    const mine = { authorization: `Bearer ${made.body.key}` };
    const async = { ...mine, prefer: 'respond-async' };
    const answer = await bench.call<{ id: string }>(
      'POST',
      '/v1/proptt2/demo/sendSosToChannel',
      { channelId: 1 },
      async,
    );
    expect(answer.status).toBe(202);
    const path = answer.headers.get('location') ?? '';
    expect(path).toBe(`/v1/runs/${answer.body.id}`);
    const run = await ended(path);
    expect(run).toMatchObject({
      state: 'succeeded',
      steps: [{ name: 'call', state: 'succeeded', output: { code: '200' } }],
    });
    expect((await bench.call('GET', path, undefined, mine)).status).toBe(200);
    const other = await bench.call<{ key: string }>('POST', '/v1/keys', { name: 'other', scopes: ['proptt2/demo/*'] });
    expect((await bench.call('GET', path, undefined, { authorization: `Bearer ${other.body.key}` })).status).toBe(403);
    expect(bench.demo.proptt2.counts()['POST /openapi/1/channels/1/sendSOS']).toBe(1);
  });

  test.each([
    ['of 450 kB', 'a'.repeat(450_000)],
    ['of 150,000 Korean characters', '한'.repeat(150_000)],
    ['of 450 kB that cannot be compressed', randomBytes(337_500).toString('base64')],
  ])('takes input %s', async (_, text) => {
    const prefer = { prefer: 'respond-async' };
    const path = '/v1/timetonic/demo/createOrUpdateTableRow';
    const book = { bookOwner: 'demo', bookCode: 'operations', includeFields: true };
    const tables = await bench.call<{
      bookTables: { categories: { name: string; fields: { id: number; name: string }[] }[] };
    }>('POST', '/v1/timetonic/demo/getBookTables', book);
    const incidents = tables.body.bookTables.categories.find(({ name }) => name === 'Incidents');
    const zone = incidents?.fields.find(({ name }) => name === 'Zone')?.id;
    const input = { rowId: `tmp${randomBytes(6).toString('hex')}`, fieldValues: { [String(zone)]: text } };
    const answer = await bench.call<{ id: string }>('POST', path, input, prefer);
    expect(answer.status, JSON.stringify(answer.body)).toBe(202);
    const run = await ended(`/v1/runs/${answer.body.id}`);
    expect(run.state, JSON.stringify(run)).toBe('succeeded');
  });

  test("keeps the vendor's refusal", async () => {
    const answer = await bench.call<{ id: string }>(
      'POST',
      '/v1/proptt2/demo/sendSosToChannel',
      { channelId: 777 },
      { prefer: 'respond-async' },
    );
    const run = await ended(`/v1/runs/${answer.body.id}`);
    expect(run).toMatchObject({ state: 'failed', steps: [{ state: 'failed', error: { code: 'vendor_not_found' } }] });
  });

  test('an SOS whose answer was lost is sent again as a step, at most three times', async () => {
    bench.demo.proptt2.fault({ kind: 'reset', when: 'after', path: '/sendSOS', times: 1 });
    const answer = await bench.call<{ id: string }>(
      'POST',
      '/v1/proptt2/demo/sendSosToChannel',
      { channelId: 1 },
      { prefer: 'respond-async' },
    );
    const run = await ended(`/v1/runs/${answer.body.id}`);
    expect(run).toMatchObject({ state: 'succeeded', steps: [{ attempts: 2 }] });
    expect(bench.demo.proptt2.counts()['POST /openapi/1/channels/1/sendSOS']).toBe(2);
  });

  test('another write whose answer was lost is not sent again and says so', async () => {
    bench.demo.proptt2.fault({ kind: 'reset', when: 'after', path: '/sendMessage', times: 1 });
    const body = { channelId: 1, message: 'once' };
    const answer = await bench.call<{ id: string }>('POST', '/v1/proptt2/demo/sendMessageToChannel', body, {
      prefer: 'respond-async',
    });
    const run = await ended(`/v1/runs/${answer.body.id}`);
    expect(run).toMatchObject({ state: 'failed', steps: [{ state: 'unknown', error: { code: 'outcome_unknown' } }] });
    expect(bench.demo.proptt2.counts()['POST /openapi/1/channels/1/sendMessage']).toBe(1);
  });
});

test('a file is staged at the returned URL, and only as it was announced', async () => {
  const bytes = Buffer.from('a plan of the site');
  const promise = { name: 'plan.txt', type: 'text/plain', size: bytes.length };
  const { status, body } = await bench.call<{ url: string; method: string; headers: Record<string, string> }>(
    'POST',
    '/v1/uploads',
    promise,
  );
  expect(status).toBe(201);
  const short = await fetch(body.url, { method: body.method, headers: body.headers, body: bytes.subarray(1) });
  expect(short.status).toBeGreaterThanOrEqual(400);
  const put = await fetch(body.url, { method: body.method, headers: body.headers, body: bytes });
  expect(put.status).toBeLessThan(300);
});

test('a staged file is sent into a cell, and the run shows its progress', async () => {
  const bytes = Buffer.alloc(300_000, 'plan');
  const staged = await bench.call<{ uploadId: string; url: string; method: string; headers: Record<string, string> }>(
    'POST',
    '/v1/uploads',
    {
      name: 'plan.txt',
      type: 'text/plain',
      size: bytes.length,
    },
  );
  await fetch(staged.body.url, { method: staged.body.method, headers: staged.body.headers, body: bytes });
  const tables = bench.demo.timetonic.control.tables() as Record<
    string,
    { fields: Record<string, unknown>; rows: unknown }
  >;
  const incidents = Object.values(tables)[0] as unknown as { fields: Record<string, string | number> };
  const { rowId } = bench.demo.timetonic.control.addRow({ table: 'Incidents', values: { EventId: 'E-file' } }) as {
    rowId: string;
  };
  const answer = await bench.call<{ id: string }>('POST', '/v1/timetonic/demo/resumableUpload', {
    bookOwner: 'demo',
    bookCode: 'operations',
    rowId: String(rowId),
    fieldId: String(incidents.fields.Photo),
    file: { uploadId: staged.body.uploadId },
  });
  expect(answer.status, JSON.stringify(answer.body)).toBe(202);
  const run = (await ended(`/v1/runs/${answer.body.id}`)) as ShownRun & { progress?: { done: number; total: number } };
  expect(run.state, JSON.stringify(run.steps)).toBe('succeeded');
  expect(run.progress).toEqual({ done: bytes.length, total: bytes.length });
});

test('an upload that does not exist is refused before the call becomes a run', async () => {
  const input = { bookOwner: 'demo', bookCode: 'operations', smid: '1', file: { uploadId: 'none' } };
  for (const headers of [{}, { prefer: 'respond-async' }]) {
    const answer = await bench.call('POST', '/v1/timetonic/demo/fileUpload', input, headers);
    expect(answer, JSON.stringify(answer.body)).toMatchObject({
      status: 422,
      body: { code: 'invalid_input', errors: [{ pointer: '/file/uploadId' }] },
    });
  }
});

test('all rows of a table are read in a run', async () => {
  const input = {
    bookOwner: 'demo',
    bookCode: 'operations',
    tableCode: 'readings',
    format: 'diff_ready_rows',
    all: true,
  };
  const answer = await bench.call<{ id: string }>('POST', '/v1/timetonic/demo/getNamedTableValues', input);
  expect(answer.status, JSON.stringify(answer.body)).toBe(202);
  const run = await ended(`/v1/runs/${answer.body.id}`);
  expect(run.state, JSON.stringify(run.steps).slice(0, 500)).toBe('succeeded');
});

test('a control write with an Idempotency-Key is done once and answered alike', async () => {
  const make = () =>
    bench.call('POST', '/v1/keys', { name: 'once', scopes: ['talk/demo/*'] }, { 'idempotency-key': 'make-once' });
  const first = await make();
  const second = await make();
  expect([first.status, second.status]).toEqual([201, 201]);
  expect(second.body).toEqual(first.body);
});

test('GET /v1/usage counts what the vendor received, from every function', async () => {
  const month = async () => {
    const { body } = await bench.call<{ calls: number }[]>('GET', '/v1/usage?vendor=timetonic&connection=demo');
    return body[0]?.calls ?? 0;
  };
  const before = await month();
  const seen = bench.demo.timetonic.journal.length;
  for (let call = 0; call < 3; call++) await bench.call('GET', '/v1/timetonic/demo/getUserInfo');
  await bench.poll('timetonic', 'demo');
  const received = bench.demo.timetonic.journal.length - seen;
  expect(received).toBeGreaterThanOrEqual(3);
  expect((await month()) - before).toBe(received);
});

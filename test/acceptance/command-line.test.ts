import { type ChildProcess, spawn } from 'node:child_process';
import { createHmac } from 'node:crypto';
import { appendFileSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type IncomingHttpHeaders } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { json, text } from 'node:stream/consumers';
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest';
import { exitCodes } from '../../cli/failures.ts';
import { verifyWebhook } from '../../lib/core/standard-webhooks.ts';
import { until } from '../support/until.ts';
import { type Bench, startBench } from './product.ts';

const root = dirname(dirname(import.meta.dirname));
const folder = mkdtempSync(join(tmpdir(), 'trunkline-cli-'));
const children = new Set<ChildProcess>();
let bench: Bench;
beforeAll(async () => {
  bench = await startBench();
});
afterAll(async () => {
  await bench.close();
  rmSync(folder, { recursive: true, force: true });
});
afterEach(() => {
  for (const child of children) child.kill('SIGKILL');
  children.clear();
});

interface Ended {
  code: number | null;
  stdout: string;
  stderr: string;
}

/** Starts the command line as a user would, with the key in the environment. */
function start(words: string[], env: Record<string, string> = {}) {
  const child = spawn(process.execPath, [join(root, 'cli/main.ts'), ...words], {
    cwd: folder,
    env: {
      ...process.env,
      XDG_CONFIG_HOME: join(folder, 'config'),
      TRUNKLINE_DATA: join(folder, 'nothing'),
      TRUNKLINE_URL: bench.product.url,
      TRUNKLINE_KEY: bench.product.adminKey,
      ...env,
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  children.add(child);
  const ended = Promise.all([
    new Promise<number | null>((resolve) => child.once('close', resolve)),
    text(child.stdout),
    text(child.stderr),
  ]).then(([code, stdout, stderr]): Ended => ({ code, stdout, stderr }));
  return { child, ended };
}
/** Runs the command line on its own terminal, and types an answer each time that it shows a question. */
async function onTerminal(words: string[], answers: [question: string | RegExp, keys: string][] = []) {
  const { url, adminKey } = bench.product;
  // A terminal without a width would show one letter a line.
  const command = ['stty cols 200 rows 50; exec', process.execPath, join(root, 'cli/main.ts'), ...words].join(' ');
  const child = spawn('script', ['--quiet', '--return', '--flush', '--command', command, '/dev/null'], {
    cwd: folder,
    // On a CI server Node uses no colours, not even on a terminal.
    env: { ...process.env, CI: undefined, TRUNKLINE_URL: url, TRUNKLINE_KEY: adminKey, TERM: 'xterm' },
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  children.add(child);
  const closed = new Promise<number | null>((resolve) => child.once('close', resolve));
  let output = '';
  child.stdout.on('data', (chunk: Buffer) => {
    output += chunk.toString('utf8');
  });
  let shown = 0;
  for (const [question, keys] of answers) {
    // The sign of the question that waits for its answer, in its colour.
    const pattern = typeof question === 'string' ? new RegExp(`◆\\S*  ${question}`) : question;
    await until(() => pattern.test(output.slice(shown)));
    shown = output.length;
    child.stdin.write(keys);
  }
  return { code: await closed, output };
}
const run = (...words: string[]): Promise<Ended> => start(words).ended;
const linesOf = ({ stdout }: Ended) =>
  stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));

describe('call', () => {
  test('takes fields as words and prints a table, or JSON for programs', async () => {
    const shown = await run('call', 'proptt2/demo/getChannelList');
    expect(shown).toMatchObject({
      code: exitCodes.done,
      stdout: expect.stringMatching(/^.*id +no +name.*\n1 +12 +Dispatch/),
    });
    const parsed = await run('call', 'proptt2/demo/sendSosToChannel', 'channelId:=1', '--json');
    expect(linesOf(parsed)).toEqual([{ code: '200' }]);
  });

  test('exits with a code that scripts can branch on, and says what to do', async () => {
    const wrong = await run('call', 'proptt2/demo/sendSosToChannel');
    expect(wrong).toMatchObject({ code: exitCodes.failed, stderr: expect.stringContaining('/channelId') });
    expect(await run('call', 'proptt2/demo/sendSos')).toMatchObject({
      stderr: expect.stringContaining('Did you mean sendSosToChannel?'),
    });
    expect(await run('call', 'sendSos')).toMatchObject({ code: exitCodes.usage });
    const usage = await run('call', '--json');
    expect(JSON.parse(usage.stderr)).toEqual({ error: { message: expect.stringContaining('missing required') } });
    expect(await run('cal')).toMatchObject({ code: exitCodes.usage, stderr: expect.stringContaining('call') });
    const denied = await start(['call', 'proptt2/demo/getChannelList'], { TRUNKLINE_KEY: 'tl_nobody' }).ended;
    expect(denied.code).toBe(exitCodes.forbidden);
    const nobody = await start(['call', 'proptt2/demo/getChannelList'], { TRUNKLINE_URL: 'http://127.0.0.1:9' }).ended;
    expect(nobody).toMatchObject({
      code: exitCodes.retryable,
      stderr: expect.stringContaining('could not be reached'),
    });
  });

  test('env gives the address and the key to a shell, or as JSON', async () => {
    const { url, adminKey: key } = bench.product;
    expect((await run('env')).stdout).toContain(`export AUTH='Authorization: Bearer ${key}'`);
    expect(linesOf(await run('env', '--json'))).toEqual([{ url, key }]);
  });

  test('never gives the key of one address to another', async () => {
    writeFileSync(
      join(folder, 'command-line.json'),
      JSON.stringify({ url: bench.product.url, key: bench.product.adminKey }),
    );
    const env = { TRUNKLINE_DATA: folder, TRUNKLINE_URL: '', TRUNKLINE_KEY: '' };
    expect(
      (await start(['call', 'proptt2/demo/getChannelList'], { ...env, TRUNKLINE_URL: bench.product.url }).ended).code,
    ).toBe(0);
    const elsewhere = await start(['call', 'proptt2/demo/getChannelList'], {
      ...env,
      TRUNKLINE_URL: 'http://127.0.0.1:9',
    }).ended;
    expect(elsewhere).toMatchObject({ code: exitCodes.usage, stderr: expect.stringContaining('No key is known') });
  });
});

describe('tail, trigger and listen', () => {
  test('a message that trigger posts is followed by tail and forwarded by listen', async () => {
    const made = await bench.call<{ id: string; url: string; secret: string }>('POST', '/v1/hooks', {
      name: 'cli',
      verify: { kind: 'standard-webhooks' },
    });
    const received: { headers: IncomingHttpHeaders; body: unknown }[] = [];
    const receiver = createServer((request, response) => {
      void json(request).then((body) => {
        received.push({ headers: request.headers, body });
        response.end();
      });
    });
    await new Promise<void>((resolve) => receiver.listen(0, '127.0.0.1', resolve));
    const { port } = receiver.address() as AddressInfo;
    const secret = `whsec_${Buffer.alloc(32, 7).toString('base64')}`;
    const followed = start(['tail', 'events', '--connection', made.body.id, '-n', '1', '--json']);
    const forwarded = start([
      'listen',
      String(port),
      '--connection',
      made.body.id,
      '--secret',
      secret,
      '-n',
      '1',
      '--json',
    ]);

    // Both start with events after their first poll, so messages are posted until each has received one.
    const ends = Promise.all([followed.ended, forwarded.ended]);
    let isOver = false;
    void ends.then(() => {
      isOver = true;
    });
    for (let count = 0; !isOver; count++) {
      const posted = await run(
        'trigger',
        made.body.url,
        '-d',
        JSON.stringify({ count }),
        '--sign',
        'standard-webhooks',
        '--secret',
        made.body.secret,
        '--json',
      );
      expect(linesOf(posted)).toMatchObject([{ status: 202 }]);
    }
    const [tail, listen] = await ends;
    expect(linesOf(tail)).toMatchObject([{ type: 'trunkline.hook.received', connection: made.body.id }]);
    expect(linesOf(listen)).toMatchObject([{ status: 200 }]);
    const [first] = received;
    const rawBody = Buffer.from(JSON.stringify(first?.body));
    const headers = Object.fromEntries(
      Object.entries(first?.headers ?? {}).map(([name, value]) => [name, String(value)]),
    );
    expect(verifyWebhook({ headers, rawBody }, [secret], Date.now())).toMatchObject({ ok: true });
    await new Promise((resolve) => receiver.close(resolve));
  });

  test('trigger says what is wrong with a signature', async () => {
    const refused = await run('trigger', `${bench.product.url}/v1/me`, '-d', '{}');
    expect(refused).toMatchObject({ code: exitCodes.usage, stderr: expect.stringContaining("must be a hook's") });
  });
});

test('tail writes readable lines on a terminal', async () => {
  const isReady = bench.call<{ url: string }>('POST', '/v1/hooks', { name: 'seen', verify: { kind: 'none' } });
  const { url } = (await isReady).body;
  const shown = onTerminal(['tail', 'events', '--type', 'trunkline.hook.received', '-n', '1']);
  let isOver = false;
  void shown.then(() => {
    isOver = true;
  });
  // It starts with events after its first poll.
  while (!isOver) await run('trigger', url, '-d', '{"zone":"Gate 3"}');
  const { code, output } = await shown;
  expect(output).toContain('\u001b[36mtrunkline.hook.received\u001b[39m trunkline/hook-');
  expect(output).toContain('"zone":"Gate 3"');
  expect(code).toBe(exitCodes.done);
});

describe('bulk', () => {
  const rowsOf = (count: number) =>
    Array.from({ length: count }, (_, at) => `controlroom,"line ${at}, bulk"`).join('\n');

  test('sends each row once, keeps rejected rows, and continues after it was killed', async () => {
    const file = join(folder, 'lines.csv');
    writeFileSync(file, `token,message\n${rowsOf(6)}\nnowhere,lost\n${rowsOf(3).replaceAll('line', 'more')}\n`);
    const first = start(['bulk', file, 'talk/demo/sendChatMessage', '--rate', '3', '--json']);
    await vi.waitFor(() => expect(existsSync(`${file}.progress`)).toBe(true), { timeout: 120_000 });
    first.child.kill('SIGKILL');
    await first.ended;
    // As if it had been killed between a rejection and the note of its progress.
    appendFileSync(`${file}.failed.jsonl`, '{"row":2}\n');
    const second = await run('bulk', file, 'talk/demo/sendChatMessage', '--rate', '50', '--json');
    expect(second.code).toBe(exitCodes.failed);
    expect(linesOf(second)).toMatchObject([{ rows: 10, failed: 1, interrupted: false }]);
    const failed = readFileSync(`${file}.failed.jsonl`, 'utf8').trim().split('\n');
    expect(failed.map((line) => JSON.parse(line))).toMatchObject([{ row: 7, input: { token: 'nowhere' } }]);
    expect(existsSync(`${file}.progress`)).toBe(false);
    const said = bench.demo.talk.state.messages.map((message) => message.text);
    for (const line of [...Array.from({ length: 6 }, (_, at) => `line ${at}, bulk`), 'more 0, bulk']) {
      expect([line, said.filter((each) => each === line).length]).toEqual([line, 1]);
    }
  });

  test('sends the file of rejected rows again once they are corrected, and keeps each rejection once', async () => {
    const file = join(folder, 'again.csv');
    writeFileSync(file, 'token,message\ncontrolroom,first one\nnowhere,corrected one\n');
    expect((await run('bulk', file, 'talk/demo/sendChatMessage', '--rate', '50')).code).toBe(exitCodes.failed);
    const rejected = `${file}.failed.jsonl`;
    const line = readFileSync(rejected, 'utf8');
    expect(line.match(/"row":2/g)).toHaveLength(1);
    writeFileSync(rejected, line.replace('nowhere', 'controlroom'));
    const { code, stdout } = await run('bulk', rejected, 'talk/demo/sendChatMessage');
    expect([code, stdout]).toEqual([exitCodes.done, '1 row sent.\n']);
    expect(bench.demo.talk.state.messages.filter(({ text }) => text === 'corrected one')).toHaveLength(1);
  });

  test('refuses what is no file or no row before it sends anything', async () => {
    expect(await run('bulk', 'nothing.csv', 'talk/demo/sendChatMessage')).toMatchObject({ code: exitCodes.usage });
    const file = join(folder, 'broken.jsonl');
    writeFileSync(file, '\n[1]\n');
    expect(await run('bulk', file, 'talk/demo/sendChatMessage')).toMatchObject({
      code: exitCodes.usage,
      stderr: expect.stringContaining('Line 2 is not a JSON object'),
    });
  });

  test('sends lines of JSON with a byte order mark, CRLF, a line separator in a text, and no end', async () => {
    const file = join(folder, 'separators.jsonl');
    const messages = ['first\u2028line', 'second line'];
    const lines = messages.map((message) => JSON.stringify({ token: 'controlroom', message }));
    writeFileSync(file, `\ufeff${lines.join('\r\n\r\n')}`);
    const { code, stdout, stderr } = await run('bulk', file, 'talk/demo/sendChatMessage');
    expect([code, stdout], stderr).toEqual([exitCodes.done, '2 rows sent.\n']);
    const said = bench.demo.talk.state.messages.map(({ text }) => text);
    for (const message of messages) expect(said).toContain(message);
  });

  test('shows its progress on a terminal, and is stopped there by Ctrl-C', async () => {
    const file = join(folder, 'shown.csv');
    writeFileSync(file, `token,message\n${rowsOf(4)}\n`);
    const words = ['bulk', file, 'talk/demo/sendChatMessage', '--rate'];
    const stopped = await onTerminal([...words, '0.5'], [[/━.*1 row, 0 failed/, '\u0003']]);
    expect(stopped.output).toContain('Stopped after 1 row. Run the same command to continue.');
    expect(stopped.code).toBe(exitCodes.failed);
    const { code, output } = await onTerminal([...words, '5']);
    expect(output).toMatch(/━.*[2-4] rows, 0 failed/);
    expect(output).toContain('3 rows sent.');
    expect(code).toBe(exitCodes.done);
  });
});

test('export, diff and apply: what was exported differs in nothing, and a change is applied once', async () => {
  const there = join(folder, 'installation');
  expect((await run('export', there)).code).toBe(0);
  const files = readdirSync(join(there, 'automations'));
  expect(files).toContain('Demo-alarm.json');
  expect(await run('diff', there)).toMatchObject({ code: exitCodes.done, stdout: 'Nothing differs.\n' });
  const path = join(there, 'automations', 'Demo-alarm.json');
  const document = JSON.parse(readFileSync(path, 'utf8'));
  expect(JSON.stringify(document)).not.toMatch(/createdAt|"secret"/);
  expect(document.when).toEqual({ hook: 'demo-panel' });
  const account = readFileSync(join(there, 'connections', 'proptt2-demo.json'), 'utf8');
  expect(account).not.toContain('bb00cc');
  const elsewhere = join(there, 'connections', 'elsewhere.json');
  writeFileSync(elsewhere, account.replace('"demo"', '"elsewhere"'));
  expect(await run('apply', there)).toMatchObject({
    code: exitCodes.failed,
    stdout: expect.stringContaining('needs secret connection proptt2/elsewhere (interactionKey)'),
  });
  rmSync(elsewhere);
  writeFileSync(path, JSON.stringify({ ...document, enabled: false }));
  expect(await run('diff', there)).toMatchObject({
    code: exitCodes.failed,
    stdout: 'changed automation Demo alarm\n',
    stderr: expect.stringContaining('-  "enabled": true'),
  });
  expect((await run('apply', there)).stdout).toBe('changed automation Demo alarm\n');
  expect((await run('apply', there)).stdout).toBe('Nothing differs.\n');
});

test('rehearse and backtest show what an event starts, read when asked to, and send nothing', async () => {
  const hook = await bench.call<{ id: string; url: string }>('POST', '/v1/hooks', {
    name: 'tried',
    verify: { kind: 'none' },
  });
  const posted = await bench.call<{ eventId: string }>('POST', new URL(hook.body.url).pathname, { zone: 'Z3' });
  expect(posted.status).toBe(202);
  const made = await bench.call('POST', '/v1/automations', {
    name: 'Tried',
    when: { hook: hook.body.id },
    do: [
      { name: 'channels', call: 'proptt2/demo/getChannelList' },
      {
        name: 'siren',
        call: 'proptt2/demo/sendSosToChannel',
        input: { channelId: '{% steps.channels.output.channels[0].id %}' },
      },
    ],
  });
  expect(made.status, JSON.stringify(made.body)).toBe(201);
  const before = bench.demo.proptt2.state.sent.length;

  const rehearsed = await run('rehearse', 'Tried', '--event', posted.body.eventId, '--reads', '--json');
  expect(rehearsed.code, rehearsed.stderr).toBe(exitCodes.done);
  expect(linesOf(rehearsed)[0].steps).toMatchObject([
    { name: 'channels', effect: 'read' },
    { name: 'siren', effect: 'write', input: { channelId: expect.any(Number) } },
  ]);

  const tested = await run('backtest', 'Tried', '--since', '1h', '--json');
  expect(tested.code, tested.stderr).toBe(exitCodes.done);
  expect(linesOf(tested)[0].runs).toMatchObject([{ eventId: posted.body.eventId }]);
  expect(await run('backtest', 'Tried', '--since', 'yesterday')).toMatchObject({
    code: exitCodes.usage,
    stderr: expect.stringContaining('24h or 7d'),
  });
  expect(bench.demo.proptt2.state.sent).toHaveLength(before);
});

test('listen forwards what a subscription delivers, its filter included', async () => {
  const made = await bench.call<{ id: string }>('POST', '/v1/subscriptions', {
    url: 'https://example.com/hooks',
    types: ['trunkline.hook.received'],
    filter: '{% event.data.body.zone = "Gate 4" %}',
  });
  const hook = await bench.call<{ url: string }>('POST', '/v1/hooks', { name: 'filtered', verify: { kind: 'none' } });
  const received: { data: { body: unknown } }[] = [];
  const receiver = createServer((request, response) => {
    void json(request).then((body) => {
      // An event as a subscription delivers it.
      received.push(body as { data: { body: unknown } });
      response.end();
    });
  });
  await new Promise<void>((resolve) => receiver.listen(0, '127.0.0.1', resolve));
  const { port } = receiver.address() as AddressInfo;
  const forwarded = start(['listen', String(port), '--subscription', made.body.id, '-n', '1', '--json']);
  let isOver = false;
  void forwarded.ended.then(() => {
    isOver = true;
  });
  while (!isOver) {
    for (const zone of ['Gate 3', 'Gate 4']) await run('trigger', hook.body.url, '-d', JSON.stringify({ zone }));
  }
  expect(received.map(({ data }) => data.body)).toEqual([{ zone: 'Gate 4' }]);
  const both = await run('listen', String(port), '--subscription', made.body.id, '--type', 'talk.message.created');
  expect(both).toMatchObject({ code: exitCodes.usage, stderr: expect.stringContaining('leave --type') });
  await new Promise((resolve) => receiver.close(resolve));
});

test('doctor checks every connection', async () => {
  // Health is known once the clock has ticked.
  await vi.waitFor(
    async () => {
      await bench.product.tick();
      expect((await fetch(`${bench.product.url}/health`)).status).toBe(200);
    },
    { timeout: 120_000 },
  );
  const { code, stdout } = await run('doctor');
  expect([code, stdout]).toEqual([0, expect.stringMatching(/✓ proptt2\/demo: works/)]);
  const nobody = await start(['doctor'], { TRUNKLINE_URL: 'http://127.0.0.1:9' }).ended;
  expect(nobody).toMatchObject({ code: exitCodes.failed, stdout: expect.stringContaining('does not answer') });
  const stranger = await start(['doctor'], { TRUNKLINE_KEY: 'tl_unknown-key-of-nobody' }).ended;
  expect(stranger).toMatchObject({
    code: exitCodes.failed,
    stdout: expect.stringMatching(/✓ reach.*✗ key: .*sign-in/s),
  });
});

describe('connect on a terminal', () => {
  const enter = '\r';

  test('asks for what is missing, hides the secret, and shows the check', async () => {
    const { url } = bench.demo.proptt2;
    const words = ['connect', 'proptt2', 'asked', 'allowHttp:=true', 'allowPrivateNetwork:=true'];
    const { code, output } = await onTerminal(words, [
      ['cloudUrl', url + enter],
      ['ownerId', `owner@company.com${enter}`],
      ['hid', `5${enter}`],
      ['interactionKey', `bb00cc${enter}`],
    ]);
    expect(output).toContain('Stored. Call it as proptt2/asked/');
    expect(output).not.toContain('bb00cc');
    expect(output).toContain('✓');
    expect(code).toBe(exitCodes.done);
    const { body } = await bench.call('GET', '/v1/connections/proptt2/asked');
    expect(body).toMatchObject({ settings: { cloudUrl: url, ownerId: 'owner@company.com', hid: 5 } });
  });

  const open = ['allowHttp:=true', 'allowPrivateNetwork:=true'];

  test('asks again for what the vendor needs and for what is not valid', async () => {
    const { url } = bench.demo.talk;
    const { code, output } = await onTerminal(
      ['connect', 'talk', 'asked'],
      [
        ['serverUrl', `cloud${enter}`],
        ['serverUrl', url + enter],
        // The message names the setting to change, and that one is selected.
        ['Which field do you want to set', enter],
        ['allowHttp', `true${enter}`],
        ['Which field do you want to set', enter],
        ['allowPrivateNetwork', `true${enter}`],
        ['user', `bob${enter}`],
        ['appPassword', `bob-app-password${enter}`],
      ],
    );
    expect(output).toContain('must be an address such as https://example.com');
    expect(output).toContain('Stored. Call it as talk/asked/');
    expect(code).toBe(exitCodes.done);
    expect((await bench.call('GET', '/v1/connections/talk/asked')).body).toMatchObject({ settings: { user: 'bob' } });
  });

  test('lets you choose where there are several ways to log in', async () => {
    const { baseUrl } = bench.demo.timetonic;
    const { code, output } = await onTerminal(
      ['connect', 'timetonic', 'asked', `baseUrl=${baseUrl}`, 'user=demo', ...open],
      [
        ['Which field do you want to set', enter],
        ['login', `demo${enter}`],
        ['Which field do you want to set', `\u001b[B${enter}`],
        ['password', `demo-password${enter}`],
      ],
    );
    expect(output).toContain('Stored. Call it as timetonic/asked/');
    expect(output).not.toContain('demo-password');
    expect(code).toBe(exitCodes.done);
  });

  test('stores nothing when it is cancelled', async () => {
    const { code, output } = await onTerminal(
      ['connect'],
      [
        ['Vendor', enter],
        ['Name of the connection', '\u0003'],
      ],
    );
    expect(output).toContain('Cancelled. Nothing was stored.');
    expect(code).toBe(exitCodes.usage);
  });
});

test('connect creates a connection from words and checks it', async () => {
  const words = [`cloudUrl=${bench.demo.proptt2.url}`, 'ownerId=owner@company.com', 'hid:=3', 'interactionKey=bb00cc'];
  const made = await run('connect', 'proptt2', 'second', ...words, 'allowHttp:=true', 'allowPrivateNetwork:=true');
  expect(made).toMatchObject({ code: exitCodes.done, stdout: expect.stringContaining('✓') });
  expect(await run('connect', 'proptt2', 'third', 'cloudURL=x')).toMatchObject({ code: exitCodes.usage });
});

test('completion offers commands, operations, fields and the values that the vendor has', async () => {
  const offered = async (...words: string[]) => (await run('__complete', ...words)).stdout.trim().split('\n');
  expect(await offered('ca')).toEqual(['call']);
  expect(await offered('call', 'proptt2/demo/sendS')).toEqual(['proptt2/demo/sendSosToChannel']);
  expect(await offered('call', 'proptt2/demo/sendSosToChannel', 'ch')).toEqual(['channelId=']);
  expect(await offered('call', 'proptt2/demo/sendSosToChannel', 'channelId=')).toContain('channelId=1');
  // Choices may depend on fields that stand before.
  const book = ['call', 'timetonic/demo/getTableRows', 'bookOwner=demo', 'bookCode=operations'];
  expect(await offered(...book, 'tableId=')).toContainEqual(expect.stringMatching(/^tableId=\d+$/));
  expect(await offered(...book, 'book')).toEqual(['']);
});

test('a GitHub signature is made as GitHub makes it', async () => {
  const requests: { headers: IncomingHttpHeaders; body: string }[] = [];
  const server = createServer((request, response) => {
    void text(request).then((body) => {
      requests.push({ headers: request.headers, body });
      response.writeHead(202, { 'content-type': 'application/json' }).end('{}');
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await run('trigger', `http://127.0.0.1:${port}/hooks/x`, '-d', '{"zen":1}', '--sign', 'github', '--secret', 'shh');
  const [request] = requests;
  const expected = createHmac('sha256', 'shh').update('{"zen":1}').digest('hex');
  expect(request?.headers['x-hub-signature-256']).toBe(`sha256=${expected}`);
  await new Promise((resolve) => server.close(resolve));
});

import { spawn } from 'node:child_process';
import { createHmac } from 'node:crypto';
import { once } from 'node:events';
import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { createServer, request as httpRequest } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { text } from 'node:stream/consumers';
import { listeningPorts, processTree } from '../support/listening-ports.ts';

/**
 * Starts a product on this machine and attacks it as the holder of a lesser key, another user or a web page would. Reports for
 * each attack whether the product held, and exits with 1 if one got through. `--short` leaves out what takes long.
 */
const root = dirname(dirname(import.meta.dirname));
const data = mkdtempSync(join(tmpdir(), 'trunkline-attack-'));
const short = process.argv.includes('--short');
const adminKey = `tl_${crypto.randomUUID().replaceAll('-', '')}`;
// As if somebody had made it beforehand.
chmodSync(data, 0o755);
let url = '';
let broken = 0;

interface Answer {
  status: number;
  // biome-ignore lint/suspicious/noExplicitAny: an attack reads whichever field it is after.
  body: any;
}

async function call(method: string, path: string, body?: unknown, key = adminKey): Promise<Answer> {
  const answer = await fetch(url + path, {
    method,
    headers: { authorization: `Bearer ${key}`, ...(body !== undefined && { 'content-type': 'application/json' }) },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  });
  const words = await answer.text();
  return {
    status: answer.status,
    body: /json/.test(answer.headers.get('content-type') ?? '') ? JSON.parse(words) : words,
  };
}

async function keyWith(...scopes: string[]): Promise<string> {
  const { status, body } = await call('POST', '/v1/keys', { name: 'attacker', scopes });
  if (status !== 201) throw new Error(`No key for ${scopes}: ${JSON.stringify(body)}`);
  return body.key;
}

/** One attack: it holds when nothing that it collects is left. */
async function attack(name: string, run: () => Promise<string[]>): Promise<void> {
  const through = await run().catch((error: unknown) => [`could not be made: ${String(error)}`]);
  process.stdout.write(`${through.length === 0 ? 'held  ' : 'BROKEN'} ${name}\n`);
  for (const each of through) process.stdout.write(`         ${each}\n`);
  if (through.length > 0) broken++;
}

/** Requests that must be answered with one of the statuses; those that were not. */
async function refused(statuses: readonly number[], asked: Record<string, Promise<Answer>>): Promise<string[]> {
  const answers = await Promise.all(Object.entries(asked).map(async ([what, sent]) => ({ what, ...(await sent) })));
  return answers
    .filter(({ status }) => !statuses.includes(status))
    .map(({ what, status, body }) => `${what}: ${status} ${JSON.stringify(body)?.slice(0, 120)}`);
}

function statusOf(port: number, method: string, path: string, headers: Record<string, string>): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const asked = httpRequest({ host: '127.0.0.1', port, method, path, headers });
    asked.on('response', (response) => {
      const opened = response.headers['access-control-allow-origin'];
      response.resume();
      resolve({ status: opened === undefined ? (response.statusCode ?? 0) : 200, body: `${opened ?? ''}` });
    });
    asked.on('error', reject).end();
  });
}

/** Sends a long body to the API or to a hook, both unknown, for as long as it is taken; answers the status, 0 where it is cut off before. */
function floodWith(port: number, isHook: boolean, bytes: number): Promise<number> {
  return new Promise((resolve) => {
    const path = isHook ? '/hooks/of-nobody' : '/v1/talk/demo/sendChatMessage';
    const headers = { 'content-length': bytes, 'content-type': 'application/json', authorization: 'Bearer tl_unknown' };
    const asked = httpRequest({ host: '127.0.0.1', port, method: 'POST', path, headers, agent: false });
    let status = 0;
    asked.on('response', (response) => {
      status = response.statusCode ?? 0;
      response.resume();
    });
    // A connection that is cut off while it still sends has been refused as well.
    asked.on('error', () => undefined);
    asked.on('close', () => resolve(status));
    // The response arrives while the body is still being sent, until the connection is closed.
    asked.end(Buffer.alloc(bytes, 'x'));
  });
}

async function attackAll(pid: number): Promise<void> {
  const own = Number(new URL(url).port);
  const ports = listeningPorts(processTree(pid)).filter((port) => port !== own);
  const stated = JSON.parse(readFileSync(join(data, 'sandbox/ports.json'), 'utf8')) as Record<string, number>;
  const vendors = Object.values(stated);

  await attack('every port but the API asks for a secret', () =>
    refused(
      [401, 403],
      Object.fromEntries(
        ports.flatMap((port) =>
          vendors.includes(port)
            ? [[`${port} controls`, statusOf(port, 'GET', '/__sandbox/state', {})]]
            : [[`${port}`, statusOf(port, 'POST', '/', { 'x-amz-target': 'DynamoDB_20120810.ListTables' })]],
        ),
      ),
    ),
  );
  await attack('no port but the API lets a web page in, whatever it sends', () =>
    refused(
      [403],
      Object.fromEntries(
        ports.flatMap((port) =>
          ['GET', 'POST', 'OPTIONS'].map((method) => [
            `${port} ${method}`,
            statusOf(port, method, '/', { origin: 'http://evil.example' }),
          ]),
        ),
      ),
    ),
  );
  await attack('the API answers to no name that was rebound to this machine', () =>
    refused([421], { '/v1/me': statusOf(own, 'GET', '/v1/me', { host: 'evil.example' }) }),
  );

  const seen: string[] = [];
  const thief = createServer((request, response) => {
    seen.push(`${request.url} ${request.headers.authorization ?? ''}`);
    response.end('{}');
  }).listen(0, '127.0.0.1');
  await once(thief, 'listening');
  const evil = `http://127.0.0.1:${(thief.address() as AddressInfo).port}`;
  await attack('stored credentials follow no changed address', async () => {
    const key = await keyWith(
      'trunkline/connections/write',
      'talk/demo/getRooms',
      'proptt2/demo/getChannelList',
      'timetonic/demo/getAllBooks',
    );
    const patch = (path: string, settings: object) => call('PATCH', `/v1/connections/${path}`, { settings }, key);
    const through = await refused([403, 422], {
      serverUrl: patch('talk/demo', { serverUrl: evil }),
      cloudUrl: patch('proptt2/demo', { cloudUrl: evil }),
      baseUrl: patch('timetonic/demo', { baseUrl: `${evil}/live` }),
      uploadUrl: patch('timetonic/demo', { uploadUrl: evil }),
      socketUrl: patch('timetonic/demo', { socketUrl: evil.replace('http', 'ws') }),
    });
    await Promise.all([
      call('POST', '/v1/talk/demo/getRooms', {}),
      call('POST', '/v1/proptt2/demo/getChannelList', {}),
      call('POST', '/v1/timetonic/demo/getAllBooks', {}),
    ]);
    return [...through, ...seen];
  });
  await attack('a lesser key opens no private network and no plain http', async () => {
    const key = await keyWith('trunkline/connections/write', 'timetonic/*/getAllBooks');
    const make = (name: string, baseUrl: string, extra: object = {}) =>
      call(
        'POST',
        '/v1/connections',
        { vendor: 'timetonic', name, settings: { baseUrl, user: 'u', ...extra }, credentials: { oauthkey: 'x' } },
        key,
      );
    return refused([403, 422], {
      loopback: make('a', `${evil}/live`, { allowHttp: true, allowPrivateNetwork: true }),
      decimal: make('b', 'https://2130706433/'),
      mapped: make('c', 'https://[::ffff:127.0.0.1]/'),
      metadata: make('d', 'https://169.254.169.254/'),
      query: make('e', 'https://timetonic.example/x?y='),
    });
  });
  thief.close();

  const raw = await keyWith('timetonic/demo/raw', 'proptt2/demo/raw', 'talk/demo/raw');
  await attack('raw requests reach no operation that the key lacks, in no spelling', () => {
    const tt = (field: object, path = 'someRead') => call('POST', `/v1/timetonic/demo/raw/${path}`, field, raw);
    const radio = (method: string, path: string) => call(method, `/v1/proptt2/demo/raw/${path}`, undefined, raw);
    return refused([400, 403], {
      'blank req': tt({ ' req': 'deleteTableRow', rowId: '5' }),
      'NUL req': tt({ 'req\0x': 'dropAllSessions' }),
      'blank o_u': tt({ ' o_u': 'victim' }),
      'in the query': call('GET', '/v1/timetonic/demo/raw/someRead?%20req=deleteTableRow', undefined, raw),
      'upper case': tt({}, 'DELETETABLEROW'),
      'key request': tt({}, 'createOauthkey'),
      'empty segment': radio('DELETE', 'channels//1'),
      'encoded segment': radio('DELETE', 'channels%2F%2F1'),
      'other case': radio('DELETE', 'Channels/1'),
      'trailing blank': radio('DELETE', 'channels/1%20'),
      'path in the query': radio('DELETE', '?path=channels//1'),
      'method override': radio('POST', 'channels/1?_method=DELETE'),
      'own password': call(
        'PUT',
        '/v1/talk/demo/raw/ocs/v2.php/cloud/users/alice',
        { key: 'password', value: 'x' },
        raw,
      ),
    });
  });
  await attack('no key makes, rotates or revokes a stronger one', async () => {
    const key = await keyWith('trunkline/keys/write', 'trunkline/keys/read');
    const strong = (await call('POST', '/v1/keys', { name: 'strong', scopes: ['*/*/*'] })).body.id;
    const mint = (scopes: string[], perMinute = 1) => call('POST', '/v1/keys', { name: 'x', scopes, perMinute }, key);
    return refused([403], {
      admin: mint(['*/*/*']),
      other: mint(['talk/demo/getRooms']),
      rate: mint(['trunkline/keys/read'], 1_000_000),
      rotate: call('POST', `/v1/keys/${strong}/rotate`, {}, key),
      revoke: call('DELETE', `/v1/keys/${strong}`, undefined, key),
    });
  });
  await attack('nobody repeats or reads runs beyond their own rights', async () => {
    const key = await keyWith('trunkline/runs/write', 'trunkline/runs/read', 'trunkline/automations/write');
    const made = await fetch(`${url}/v1/talk/demo/sendChatMessage`, {
      method: 'POST',
      headers: { authorization: `Bearer ${adminKey}`, 'content-type': 'application/json', prefer: 'respond-async' },
      body: JSON.stringify({ token: 'controlroom', message: 'the words of an attack' }),
    });
    const { id } = (await made.json()) as { id: string };
    const shown = await call('GET', `/v1/runs/${id}`, undefined, key);
    const leaked = JSON.stringify(shown.body).includes('the words of an attack') ? ['a step was shown'] : [];
    const replay = (body: object) => call('POST', `/v1/runs/${id}/replay`, body, key);
    const through = await refused([403], {
      replay: replay({ all: true }),
      forged: replay({ all: true, event: { data: { text: 'EVACUATE NOW' } } }),
      cancel: call('POST', `/v1/runs/${id}/cancel`, {}, key),
    });
    return [...leaked, ...through];
  });
  await attack('a key that may only write reads no message, by any way', async () => {
    const words = 'the words that nobody may read';
    const areas = ['events', 'subscriptions', 'automations', 'runs', 'deliveries'];
    const key = await keyWith(
      'talk/demo/sendChatMessage',
      ...areas.flatMap((area) => [`trunkline/${area}/read`, `trunkline/${area}/write`]),
    );
    const hook = await call('POST', '/v1/hooks', { name: 'Words', verify: { kind: 'none' } });
    await fetch(hook.body.url, { method: 'POST', body: words });
    const isListed = async () => JSON.stringify((await call('GET', '/v1/events')).body).includes(words);
    for (let tries = 0; !(await isListed()); tries++) {
      if (tries > 50) return ['the event did not appear'];
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
    const event = { event: 'talk.message.created', connection: 'talk/demo' };
    const tell = { name: 'tell', call: 'talk/demo/sendChatMessage', input: { token: 'controlroom', message: 'x' } };
    const daily = { schedule: { everySeconds: 86_400 } };
    const automation = (name: string, body: object) => call('POST', '/v1/automations', { name, ...body }, key);
    const subscribe = (types: string[]) =>
      call('POST', '/v1/subscriptions', { url: 'https://hooks.example.com/a', types }, key);
    const through = await refused([403], {
      'reading it': call('POST', '/v1/talk/demo/getChatMessages', { token: 'controlroom' }, key),
      subscription: subscribe(['talk.message.created']),
      'subscription to a pattern': subscribe(['talk.*']),
      'subscription to hooks': subscribe(['trunkline.hook.received']),
      when: automation('when', { when: event, do: [tell] }),
      waitFor: automation('wait', { when: daily, do: [{ name: 'w', waitFor: { ...event, seconds: 60 } }, tell] }),
      cancelOn: automation('cancel', { when: daily, cancelOn: event, do: [tell] }),
      unless: automation('unless', { when: daily, do: [{ ...tell, unless: event }] }),
    });
    const lists = await Promise.all(
      ['events', 'events?type=trunkline.hook.received', 'runs', 'deliveries'].map((path) =>
        call('GET', `/v1/${path}`, undefined, key),
      ),
    );
    const leaks = lists.filter(({ body }) => JSON.stringify(body).includes(words));
    return [...through, ...leaks.map(() => 'a list showed it')];
  });
  await attack('a password is stored nowhere', async () => {
    const password = `Tmp-${crypto.randomUUID()}`;
    const user = { strId: 'attacked@company.com', password, name: 'Attacked', type: 50 };
    const made = await fetch(`${url}/v1/proptt2/demo/createUser`, {
      method: 'POST',
      headers: { authorization: `Bearer ${adminKey}`, 'content-type': 'application/json', prefer: 'respond-async' },
      body: JSON.stringify(user),
    });
    const { id } = (await made.json()) as { id: string };
    const steps = [{ name: 'make', call: 'proptt2/demo/createUser', input: user }];
    const definition = { name: 'Password', when: { schedule: { everySeconds: 86_400 } }, do: steps };
    const automation = await call('POST', '/v1/automations', definition);
    const shown = [automation, await call('GET', `/v1/runs/${id}`), await call('GET', '/v1/automations')];
    const forms = [
      password,
      Buffer.from(password).toString('hex'),
      Buffer.from(password).toString('base64').slice(0, -3),
    ];
    const holds = (text: string) => forms.some((form) => text.includes(form));
    const files = readdirSync(data, { recursive: true, withFileTypes: true })
      .filter((each) => each.isFile() && !each.parentPath.startsWith(join(data, 'sandbox')))
      .map((each) => join(each.parentPath, each.name));
    return [
      ...(automation.status === 201 ? [] : [`no automation: ${automation.status}`]),
      ...shown.filter(({ body }) => holds(JSON.stringify(body))).map(() => 'an answer shows it'),
      ...files.filter((file) => holds(readFileSync(file).toString('latin1'))),
    ];
  });
  await attack('an Idempotency-Key sends one SOS', async () => {
    const sos = () =>
      fetch(`${url}/v1/proptt2/demo/sendSosToChannel`, {
        method: 'POST',
        headers: {
          authorization: `Bearer ${adminKey}`,
          'content-type': 'application/json',
          'idempotency-key': 'attack',
        },
        body: '{"channelId":1}',
      });
    const answers = await Promise.all(Array.from({ length: short ? 10 : 100 }, sos));
    const again = await sos();
    const done = answers.filter(({ status, headers }) => status === 200 && !headers.has('idempotent-replayed'));
    return done.length === 1 && again.headers.get('idempotent-replayed') === 'true' ? [] : [`${done.length} were sent`];
  });
  await attack('odd paths and bodies are refused, never a fault', async () => {
    const odd = ['..', '%2e%2e', '%00', 'x'.repeat(5_000), '%ed%a0%80', '__proto__', 'constructor'];
    const asked = odd.flatMap((each) => [
      [`operation ${each.slice(0, 20)}`, call('POST', `/v1/talk/demo/${each}`, {})],
      [`connection ${each.slice(0, 20)}`, call('GET', `/v1/connections/talk/${each}`)],
      [`key ${each.slice(0, 20)}`, call('GET', `/v1/keys/${each}`)],
      [`run ${each.slice(0, 20)}`, call('GET', `/v1/runs/${each}`)],
    ]);
    const through = await Promise.all(
      asked.map(async ([what, sent]) => ({ what, ...(await (sent as Promise<Answer>)) })),
    );
    return through.filter(({ status }) => status >= 500).map(({ what, status }) => `${what}: ${status}`);
  });
  const memory = (): number =>
    Number(/VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0) / 1024;
  /** The megabytes by which the most memory that the product ever had grew; more than the limit is a finding. */
  const grown = async (limit: number, run: () => Promise<string[]>): Promise<string[]> => {
    const before = memory();
    const through = await run();
    const growth = Math.round(memory() - before);
    return growth > limit ? [...through, `memory grew by ${growth} MB`] : through;
  };
  await attack('long bodies without a known key fill no memory', () =>
    grown(100, async () => {
      const flood = Array.from({ length: short ? 40 : 200 }, (_, at) => floodWith(own, at % 2 === 0, 10_000_000));
      const answers = await Promise.all(flood);
      return answers.filter((status) => ![0, 401, 404].includes(status)).map((status) => `answered ${status}`);
    }),
  );
  await attack('an answer with millions of values is refused before it is read', async () => {
    const huge = Buffer.from(`{"status":"ok","x":[${'{},'.repeat(short ? 5_000_000 : 10_000_000)}{}]}`);
    const vendor = createServer((request, response) => {
      void text(request).then((form) =>
        response.end(/req=createSesskey/.test(form) ? '{"status":"ok","sesskey":"s"}' : huge),
      );
    }).listen(0, '127.0.0.1');
    await once(vendor, 'listening');
    const baseUrl = `http://127.0.0.1:${(vendor.address() as AddressInfo).port}/live`;
    const settings = { baseUrl, user: 'u', allowHttp: true, allowPrivateNetwork: true };
    const made = { vendor: 'timetonic', name: 'huge', settings, credentials: { oauthkey: 'x' } };
    const through = await refused([201], { connection: call('POST', '/v1/connections', made) });
    const asked = await grown(250, () =>
      refused([502], { answer: call('POST', '/v1/timetonic/huge/getAllBooks', {}) }),
    );
    vendor.close();
    return [...through, ...asked];
  });
  await attack('a file of a vendor is no page of this origin', async () => {
    const vendor = createServer((_, response) => {
      response
        .setHeader('content-type', 'image/svg+xml')
        .end('<svg xmlns="http://www.w3.org/2000/svg" onload="steal()"/>');
    }).listen(0, '127.0.0.1');
    await once(vendor, 'listening');
    const baseUrl = `http://127.0.0.1:${(vendor.address() as AddressInfo).port}/live`;
    const settings = { baseUrl, user: 'u', allowHttp: true, allowPrivateNetwork: true };
    await call('POST', '/v1/connections', {
      vendor: 'timetonic',
      name: 'page',
      settings,
      credentials: { oauthkey: 'x' },
    });
    const answer = await fetch(`${url}/v1/timetonic/page/getImageByName?size=full&internalNameOrUuid=x`, {
      headers: { authorization: `Bearer ${adminKey}` },
    });
    vendor.close();
    const words = await answer.text();
    const { headers } = answer;
    const isClosed =
      headers.get('content-security-policy') === 'sandbox' && headers.get('x-content-type-options') === 'nosniff';
    return answer.status === 200 && words.includes('steal') && isClosed
      ? []
      : [`${answer.status} ${headers.get('content-security-policy')}`];
  });
  await attack('a recorded post of GitHub starts nothing again under another delivery id', async () => {
    const secret = "It's-a-Secret-to-Everybody";
    const hook = await call('POST', '/v1/hooks', { name: 'GitHub', verify: { kind: 'github', secret } });
    if (hook.status !== 201) return [JSON.stringify(hook.body)];
    const body = JSON.stringify({ action: 'opened', number: 1 });
    const signature = `sha256=${createHmac('sha256', secret).update(body).digest('hex')}`;
    const post = async (delivery: string) => {
      const headers = {
        'content-type': 'application/json',
        'x-hub-signature-256': signature,
        'x-github-event': 'issues',
        'x-github-delivery': delivery,
      };
      const answer = await fetch(hook.body.url, { method: 'POST', headers, body });
      return ((await answer.json()) as { eventId?: string }).eventId;
    };
    const events = new Set([await post('one'), await post('two'), await post('three')]);
    return events.size === 1 && !events.has(undefined) ? [] : [`it became ${[...events].join(', ')}`];
  });
  await attack('what a key has made goes with it', async () => {
    const maker = await call('POST', '/v1/keys', {
      name: 'maker',
      scopes: ['trunkline/keys/write', 'trunkline/hooks/write', 'trunkline/hooks/read'],
    });
    const scopes = ['trunkline/hooks/read'];
    const child = await call('POST', '/v1/keys', { name: 'child', scopes }, maker.body.key);
    const hook = await call('POST', '/v1/hooks', { name: 'Child', verify: { kind: 'none' } }, maker.body.key);
    await call('DELETE', `/v1/keys/${maker.body.id}?cascade=true`);
    return refused([401, 404], {
      maker: call('GET', '/v1/hooks', undefined, maker.body.key),
      child: call('GET', '/v1/hooks', undefined, child.body.key),
      hook: call('GET', `/v1/hooks/${hook.body.id}`),
    });
  });
  await attack('the data folder is closed to others, however it was made', async () =>
    (statSync(data).mode & 0o077) === 0 ? [] : [(statSync(data).mode & 0o777).toString(8)],
  );
  await attack('wrong keys open nothing', () =>
    refused([401], {
      none: call('GET', '/v1/me', undefined, ''),
      short: call('GET', '/v1/me', undefined, 'tl_x'),
      near: call('GET', '/v1/me', undefined, `${adminKey}x`),
    }),
  );
}

const product = spawn(process.execPath, ['local/main.ts'], {
  cwd: root,
  env: { ...process.env, HOST: '127.0.0.1', PORT: '0', TRUNKLINE_DATA: data, TRUNKLINE_ADMIN_KEY: adminKey },
  stdio: ['ignore', 'pipe', 'inherit'],
});
try {
  let output = '';
  const ready = Promise.withResolvers<string>();
  product.stdout.on('data', (chunk: Buffer) => {
    output = `${output}${chunk}`.slice(-100_000);
    const found = output.match(/^ready (\S+)/m)?.[1];
    if (found) ready.resolve(found);
  });
  product.once('exit', (code) => ready.reject(new Error(`The product ended with ${code}`)));
  url = await ready.promise;
  await attackAll(product.pid ?? 0);
} finally {
  const ended = once(product, 'exit');
  if (product.exitCode === null) product.kill('SIGTERM');
  if (product.exitCode === null) await ended;
  rmSync(data, { recursive: true, force: true });
}
process.stdout.write(broken === 0 ? 'Every attack held.\n' : `${broken} attacks got through.\n`);
process.exitCode = broken === 0 ? 0 : 1;

import { createHash, createHmac, createSign, generateKeyPairSync, sign } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { type HookBench, type MadeHook, startHookBench } from '../../test/support/hook-requests.ts';
import { HttpFailure } from '../core/http/failure.ts';

let bench: HookBench;
/** What SNS answers at its addresses, and which of them were asked. */
const sns = { answers: new Map<string, { status: number; text: string }>(), asked: [] as string[] };

beforeAll(async () => {
  vi.spyOn(process.stdout, 'write').mockReturnValue(true);
  const { useHttp } = await import('../aws/services.ts');
  useHttp({
    request: async ({ url }) => {
      sns.asked.push(String(url));
      const answer = sns.answers.get(String(url));
      if (!answer) throw new HttpFailure('not-connected', false, 'ECONNREFUSED');
      return { status: answer.status, headers: {}, bytes: Buffer.from(answer.text), text: () => answer.text };
    },
    stream: () => Promise.reject(new Error('not in this test')),
  });
  bench = await startHookBench();
});
afterAll(async () => {
  vi.restoreAllMocks();
  await bench.stop();
});

const json = { 'content-type': 'application/json' };
const seconds = () => String(Math.floor(Date.now() / 1000));
const secret = 'a secret-of-the-sender'.replaceAll(' ', '-');
type Digest = 'hex' | 'base64';
const mac = (text: string, how: Digest = 'hex', algorithm = 'sha256') =>
  createHmac(algorithm, secret).update(text).digest(how);

/** What each sender signs, as its documentation has it, written apart from the product's own table. */
const senders: Record<string, { verify?: object; headers(body: string): Record<string, string> }> = {
  shopify: { headers: (body) => ({ 'x-shopify-hmac-sha256': mac(body, 'base64') }) },
  slack: {
    headers: (body) => {
      const at = seconds();
      return { 'x-slack-request-timestamp': at, 'x-slack-signature': `v0=${mac(`v0:${at}:${body}`)}` };
    },
  },
  zoom: {
    headers: (body) => {
      const at = seconds();
      return { 'x-zm-request-timestamp': at, 'x-zm-signature': `v0=${mac(`v0:${at}:${body}`)}` };
    },
  },
  linear: { headers: (body) => ({ 'linear-signature': mac(body) }) },
  bitbucket: { headers: (body) => ({ 'x-hub-signature': `sha256=${mac(body)}` }) },
  gitea: { headers: (body) => ({ 'x-gitea-signature': mac(body) }) },
  gitlab: { headers: () => ({ 'x-gitlab-token': secret }) },
  pagerduty: { headers: (body) => ({ 'x-pagerduty-signature': `v1=${'0'.repeat(64)},v1=${mac(body)}` }) },
  grafana: { headers: (body) => ({ 'x-grafana-alerting-signature': mac(body) }) },
  typeform: { headers: (body) => ({ 'typeform-signature': `sha256=${mac(body, 'base64')}` }) },
  dropbox: { headers: (body) => ({ 'x-dropbox-signature': mac(body) }) },
  asana: { headers: (body) => ({ 'x-hook-signature': mac(body) }) },
  telegram: { headers: () => ({ 'x-telegram-bot-api-secret-token': secret }) },
  header: { verify: { header: 'X-Panel-Key' }, headers: () => ({ 'x-panel-key': secret }) },
  hmac: {
    verify: {
      header: 'X-Signature',
      algorithm: 'sha512',
      encoding: 'base64',
      prefix: 'v2=',
      signed: '{timestamp}.{body}',
      timestampHeader: 'X-Time',
      toleranceSeconds: 60,
    },
    headers: (body) => {
      const at = seconds();
      return { 'x-time': at, 'x-signature': `v2=${mac(`${at}.${body}`, 'base64', 'sha512')}` };
    },
  },
};

describe.each(Object.entries(senders))('%s', (kind, sender) => {
  test('is verified by its signature, and nobody else is', async () => {
    const hook = await bench.make({ verify: { kind, secret, ...sender.verify } });
    const body = '{"zone":"Z3","name":"Ünit"}';
    const post = (text: string, headers: Record<string, string>) =>
      bench.post({ path: hook.path, body: text, headers: { ...json, ...headers } });
    const taken = await post(body, sender.headers(body));
    expect(taken.status, taken.text).toBe(202);
    expect(bench.eventsOf(hook.id)[0]?.event.data).toMatchObject({ body: { zone: 'Z3' }, method: 'POST' });
    expect(JSON.stringify(bench.eventsOf(hook.id)[0]?.event)).not.toContain(secret);

    const given = Object.keys(sender.headers(body)).at(-1) ?? '';
    const forged = Object.fromEntries(Object.entries(sender.headers(body)).map(([name, value]) => [name, `${value}0`]));
    for (const headers of [{}, forged, { ...sender.headers(body), [given]: '' }]) {
      expect(await post(body, headers)).toMatchObject({ status: 401 });
    }
    expect(await bench.read(hook.id)).toMatchObject({ received: 1, refused: 3, lastRefusal: { status: 401 } });
  });
});

test('a signed time is too old after its tolerance', async () => {
  const hook = await bench.make({ verify: { kind: 'slack', secret } });
  const at = String(Math.floor(Date.now() / 1000) - 400);
  const headers = { ...json, 'x-slack-request-timestamp': at, 'x-slack-signature': `v0=${mac(`v0:${at}:{}`)}` };
  expect(await bench.post({ path: hook.path, body: '{}', headers })).toMatchObject({ status: 401 });
  expect(await bench.read(hook.id)).toMatchObject({
    lastRefusal: { reason: expect.stringMatching(/seconds old; 300 are allowed/) },
  });
});

test("a sender's own message id identifies repeats", async () => {
  const hook = await bench.make({ verify: { kind: 'telegram', secret } });
  const post = (update: number) =>
    bench.post({
      path: hook.path,
      body: JSON.stringify({ update_id: update, text: Math.random() }),
      headers: { ...json, 'x-telegram-bot-api-secret-token': secret },
    });
  const first = await post(7);
  expect((await post(7)).body).toEqual(first.body);
  expect((await post(8)).body).not.toEqual(first.body);
});

test('twilio signs the address with its fields, and a JSON body by its hash', async () => {
  const hook = await bench.make({ verify: { kind: 'twilio', secret } });
  const text = `${hook.url}Body${'Fire'}From${'+491'}`;
  const form = {
    'content-type': 'application/x-www-form-urlencoded',
    host: 'gateway.example',
    'x-forwarded-proto': 'https',
  };
  const signed = { ...form, 'x-twilio-signature': mac(text, 'base64', 'sha1') };
  const answer = await bench.post({ path: hook.path, body: 'From=%2B491&Body=Fire', headers: signed });
  expect(answer.status, answer.text).toBe(202);
  expect(await bench.post({ path: hook.path, body: 'From=%2B492&Body=Fire', headers: signed })).toMatchObject({
    status: 401,
  });

  const hash = createHash('sha256').update('{"a":1}').digest('hex');
  const headers = {
    ...form,
    ...json,
    'x-twilio-signature': mac(`${hook.url}?bodySHA256=${hash}`, 'base64', 'sha1'),
  };
  const query = `bodySHA256=${hash}`;
  expect(await bench.post({ path: hook.path, query, body: '{"a":1}', headers })).toMatchObject({ status: 202 });
  expect(await bench.post({ path: hook.path, query, body: '{"a":2}', headers })).toMatchObject({ status: 401 });
});

test('mailgun signs time and token in the body, of a webhook and of a routed message', async () => {
  const hook = await bench.make({ verify: { kind: 'mailgun', secret }, answer: 200 });
  const at = seconds();
  const signature = { timestamp: at, token: 'abc', signature: mac(`${at}abc`) };
  const body = JSON.stringify({ signature, 'event-data': { event: 'opened' } });
  const first = await bench.post({ path: hook.path, body, headers: json });
  expect(first).toMatchObject({ status: 200, body: { eventId: expect.any(String) } });
  const routed = new URLSearchParams({ ...signature, token: 'def', signature: mac(`${at}def`), subject: 'x' });
  const form = { 'content-type': 'application/x-www-form-urlencoded' };
  expect(await bench.post({ path: hook.path, body: String(routed), headers: form })).toMatchObject({ status: 200 });
  const forged = JSON.stringify({ signature: { ...signature, token: 'x' } });
  expect(await bench.post({ path: hook.path, body: forged, headers: json })).toMatchObject({ status: 401 });
});

test('sendgrid signs with a key whose public half the hook has', async () => {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const known = publicKey.export({ format: 'der', type: 'spki' }).toString('base64');
  const hook = await bench.make({ verify: { kind: 'sendgrid', secret: known } });
  const body = '[{"event":"delivered"}]';
  const at = seconds();
  const headers = (text: string) => ({
    ...json,
    'x-twilio-email-event-webhook-timestamp': at,
    'x-twilio-email-event-webhook-signature': createSign('sha256')
      .update(at + text)
      .sign(privateKey, 'base64'),
  });
  expect(await bench.post({ path: hook.path, body, headers: headers(body) })).toMatchObject({ status: 202 });
  expect(await bench.post({ path: hook.path, body, headers: headers('[]') })).toMatchObject({ status: 401 });
  const made = await bench.call({
    path: '/v1/hooks',
    body: { name: 'x', verify: { kind: 'sendgrid', secret: 'nothing' } },
  });
  expect(made.body).toMatchObject({
    errors: [{ pointer: '/verify/secret', message: 'must be the public key as SendGrid shows it' }],
  });
});

describe('sns', () => {
  const topicArn = 'arn:aws:sns:eu-west-1:123456789012:alarms';
  const place = 'https://sns.eu-west-1.amazonaws.com';
  const fixture = (name: string) =>
    readFileSync(new URL(`../../test/fixtures/tls/${name}.pem`, import.meta.url), 'utf8');
  const certificate = { status: 200, text: fixture('vendor-cert') };
  let certificates = 0;

  /** A message as SNS signs it: the named fields in order, each on a line after its name. */
  const message = (given: Record<string, string> = {}, version = '2') => {
    const about = {
      Type: 'Notification',
      MessageId: '22b80b92-fdea-4c2c-8f9d-bdfb0c7bf324',
      TopicArn: topicArn,
      Message: '{"AlarmName":"CPU"}',
      Timestamp: new Date().toISOString(),
      SigningCertURL: `${place}/SimpleNotificationService-${++certificates}.pem`,
      ...given,
    };
    const names = Object.hasOwn(given, 'SubscribeURL')
      ? ['Message', 'MessageId', 'SubscribeURL', 'Timestamp', 'Token', 'TopicArn', 'Type']
      : ['Message', 'MessageId', 'Subject', 'Timestamp', 'TopicArn', 'Type'];
    const fields: Record<string, string> = about;
    const text = names.flatMap((name) => (fields[name] === undefined ? [] : `${name}\n${fields[name]}\n`)).join('');
    const signature = createSign(version === '2' ? 'sha256' : 'sha1')
      .update(text)
      .sign(fixture('vendor-key'), 'base64');
    return { ...fields, SigningCertURL: about.SigningCertURL, SignatureVersion: version, Signature: signature };
  };
  const post = (hook: MadeHook, body: object) =>
    bench.post({
      path: hook.path,
      body: JSON.stringify(body),
      headers: { 'content-type': 'text/plain; charset=UTF-8' },
    });
  const make = () => bench.make({ verify: { kind: 'sns', topicArn } });

  test.each(['1', '2'])(
    'a message is verified by the certificate of AWS (version %s), and repeats by their id',
    async (version) => {
      const hook = await make();
      const sent = message({ Subject: 'ALARM' }, version);
      sns.answers.set(sent.SigningCertURL, certificate);
      const first = await post(hook, sent);
      expect(first, first.text).toMatchObject({ status: 202 });
      expect(await post(hook, sent)).toMatchObject({ body: first.body as object });
      expect(bench.eventsOf(hook.id)).toHaveLength(1);
      expect(sns.asked.filter((url) => url === sent.SigningCertURL)).toHaveLength(1);
      expect(await post(hook, { ...sent, Message: 'forged' })).toMatchObject({ status: 401 });
    },
  );

  test.each([
    [{ TopicArn: `${topicArn}2` }, 'another topic'],
    [{ Timestamp: '2026-01-01T00:00:00.000Z' }, 'an hour old'],
    [{ SigningCertURL: 'https://sns.eu-west-1.amazonaws.com.evil.example/c.pem' }, 'not an address of SNS'],
    [{ SigningCertURL: 'http://sns.eu-west-1.amazonaws.com/c.pem' }, 'not an address of SNS'],
    [{ Type: 'Other' }, 'not a message of SNS'],
  ])('%j is refused', async (given, reason) => {
    const hook = await make();
    const before = sns.asked.length;
    expect(await post(hook, message(given))).toMatchObject({ status: 401 });
    expect(await bench.read(hook.id)).toMatchObject({ lastRefusal: { reason: expect.stringContaining(reason) } });
    expect(sns.asked).toHaveLength(before);
  });

  test('a subscription is confirmed at the address that SNS gives, and is no message', async () => {
    const hook = await make();
    const url = `${place}/?Action=ConfirmSubscription&Token=abc`;
    const sent = message({ Type: 'SubscriptionConfirmation', SubscribeURL: url, Token: 'abc' });
    sns.answers.set(sent.SigningCertURL, certificate).set(url, { status: 200, text: '<ok/>' });
    expect(await post(hook, sent)).toMatchObject({ status: 200 });
    expect(sns.asked.at(-1)).toBe(url);
    expect(await bench.read(hook.id)).toMatchObject({ handshakes: 1, received: 0 });
  });

  test('if the certificate cannot be fetched, SNS is asked to send again, and then the message is accepted', async () => {
    const hook = await make();
    const sent = message();
    expect(await post(hook, sent)).toMatchObject({ status: 503, headers: { 'retry-after': '5' } });
    for (const answer of [
      { status: 500, text: '' },
      { status: 200, text: '<html>' },
    ]) {
      sns.answers.set(sent.SigningCertURL, answer);
      expect(await post(hook, sent)).toMatchObject({ status: 503 });
    }
    sns.answers.set(sent.SigningCertURL, certificate);
    expect(await post(hook, sent)).toMatchObject({ status: 202 });
  });
});

test('Standard Webhooks may sign with Ed25519', async () => {
  const { publicKey, privateKey } = generateKeyPairSync('ed25519');
  const key = publicKey.export({ format: 'der', type: 'spki' }).subarray(-32).toString('base64');
  const hook = await bench.make({ verify: { kind: 'standard-webhooks', secret: `whpk_${key}` } });
  const at = seconds();
  const headers = (text: string) => ({
    ...json,
    'webhook-id': 'msg_1',
    'webhook-timestamp': at,
    'webhook-signature': `v1a,${sign(null, Buffer.from(`msg_1.${at}.${text}`), privateKey).toString('base64')}`,
  });
  expect(await bench.post({ path: hook.path, body: '{"a":1}', headers: headers('{"a":1}') })).toMatchObject({
    status: 202,
  });
  expect(await bench.post({ path: hook.path, body: '{"a":2}', headers: headers('{"a":1}') })).toMatchObject({
    status: 401,
  });
});

describe('handshakes', () => {
  const ask = (
    hook: MadeHook,
    what: { method?: string; query?: string; headers?: Record<string, string>; body?: string },
  ) => bench.post({ path: hook.path, ...what });

  test('Slack and Zoom are answered when their signature fits', async () => {
    for (const [kind, body, answer] of [
      ['slack', { type: 'url_verification', challenge: 'abc' }, 'abc'],
      [
        'zoom',
        { event: 'endpoint.url_validation', payload: { plainToken: 'abc' } },
        { plainToken: 'abc', encryptedToken: mac('abc') },
      ],
    ] as const) {
      const hook = await bench.make({ verify: { kind, secret } });
      const text = JSON.stringify(body);
      const signed = { ...json, ...senders[kind]?.headers(text) };
      const response = await ask(hook, { body: text, headers: signed });
      expect(response.status).toBe(200);
      expect(typeof answer === 'string' ? response.text : response.body).toEqual(answer);
      expect(await ask(hook, { body: text, headers: json })).toMatchObject({ status: 401 });
      expect(await bench.read(hook.id)).toMatchObject({ handshakes: 1, received: 0 });
      expect(bench.eventsOf(hook.id)).toEqual([]);
    }
  });

  test.each([
    ['microsoft-graph', { method: 'POST', query: 'validationToken=a%20b' }, { text: 'a b' }],
    ['meta', { method: 'GET', query: 'hub.mode=subscribe&hub.challenge=42' }, { text: '42' }],
    ['dropbox', { method: 'GET', query: 'challenge=42' }, { text: '42' }],
    ['trello', { method: 'HEAD' }, { text: '' }],
    ['asana', { method: 'POST', headers: { 'x-hook-secret': 'abc' } }, { headers: { 'x-hook-secret': 'abc' } }],
    [
      'cloudevents',
      { method: 'OPTIONS', headers: { 'webhook-request-origin': 'eventgrid.azure.net' } },
      { headers: { 'webhook-allowed-origin': 'eventgrid.azure.net', 'webhook-allowed-rate': '*' } },
    ],
    [
      'event-grid',
      {
        method: 'POST',
        headers: { ...json, 'aeg-event-type': 'SubscriptionValidation' },
        body: '[{"data":{"validationCode":"512d38b6"}}]',
      },
      { body: { validationResponse: '512d38b6' } },
    ],
  ])('%s is answered where the hook names it', async (challenge, request, answer) => {
    const hook = await bench.make({ verify: { kind: 'none' }, challenge });
    expect(await ask(hook, request)).toMatchObject({ status: 200, ...answer });
    const plain = await bench.make({ verify: { kind: 'none' } });
    const response = await ask(plain, request);
    expect([202, 405]).toContain(response.status);
    expect(await bench.read(hook.id)).toMatchObject({
      handshakes: 1,
      lastHandshakeAt: expect.any(String),
      received: 0,
    });
  });

  test('Asana sets its secret in the first handshake, and later handshakes cannot change it', async () => {
    const hook = await bench.make({ verify: { kind: 'asana' } });
    expect(hook.secret).toBeUndefined();
    const signed = (body: string, by: string) => ({
      ...json,
      'x-hook-signature': createHmac('sha256', by).update(body).digest('hex'),
    });
    for (const by of ['', 'guessed-secret']) {
      expect(await ask(hook, { body: '{}', headers: signed('{}', by) })).toMatchObject({ status: 401 });
    }
    const shake = (given: string) => ask(hook, { headers: { 'x-hook-secret': given } });
    const answered = { status: 200, headers: { 'x-hook-secret': 'asana-own-secret' } };
    expect(await shake('asana-own-secret')).toMatchObject(answered);
    expect(await shake('asana-own-secret')).toMatchObject(answered);
    expect(await shake('another-secret')).toMatchObject({ status: 401 });
    expect(await bench.read(hook.id)).toMatchObject({
      handshakes: 2,
      lastRefusal: { reason: expect.stringContaining('rotate its secret') },
    });
    const body = '{"events":[{"action":"added"}]}';
    expect(await ask(hook, { body, headers: signed(body, 'asana-own-secret') })).toMatchObject({ status: 202 });
    expect(await ask(hook, { body, headers: signed(body, 'another-secret') })).toMatchObject({ status: 401 });
    expect(JSON.stringify(bench.eventsOf(hook.id))).not.toContain('asana-own-secret');

    const rotated = await bench.call({ path: `/v1/hooks/${hook.id}/rotate`, body: { what: 'secret' } });
    expect(rotated.status, rotated.text).toBe(200);
    expect(await shake('another-secret')).toMatchObject({ status: 200 });
    for (const by of ['another-secret', 'asana-own-secret']) {
      expect(await ask(hook, { body, headers: signed(body, by) })).toMatchObject({ status: 202 });
    }
  });

  test('a handshake of any form may be described', async () => {
    const challenge = {
      method: 'GET',
      match: { 'query.kind': 'check' },
      status: 201,
      headers: { 'x-echo': '{query.nonce}' },
      body: { nonce: '{query.nonce}' },
    };
    const hook = await bench.make({ verify: { kind: 'none' }, challenge });
    expect(await ask(hook, { method: 'GET', query: 'kind=check&nonce=7' })).toMatchObject({
      status: 201,
      headers: { 'x-echo': '7' },
      body: { nonce: '7' },
    });
    expect(await ask(hook, { method: 'GET', query: 'kind=other' })).toMatchObject({ status: 405 });
  });

  test('no text is signed for a sender without a signature', async () => {
    const challenge = { method: 'POST', body: '{hmac body.text}' };
    const hook = await bench.make({ verify: { kind: 'bearer', secret }, challenge });
    expect(await ask(hook, { body: '{"text":"x"}', headers: json })).toMatchObject({ status: 401 });
  });
});

describe("the owner's view", () => {
  test('GET and PUT deliver messages where they are enabled; elsewhere they are counted and explained', async () => {
    const hook = await bench.make({ verify: { kind: 'none' }, methods: ['POST', 'GET', 'PUT'] });
    expect(await bench.post({ path: hook.path, method: 'GET', query: 'zone=Z3&key=door&session=7' })).toMatchObject({
      status: 202,
    });
    expect(await bench.post({ path: hook.path, method: 'PUT', body: '{"a":1}', headers: json })).toMatchObject({
      status: 202,
    });
    const [got, put] = bench.eventsOf(hook.id).map(({ event }) => event.data);
    expect(got).toMatchObject({ method: 'GET', query: { zone: 'Z3', key: 'door', session: '7' }, body: null });
    expect(put).toMatchObject({ method: 'PUT', body: { a: 1 } });

    const closed = await bench.make({ verify: { kind: 'none' } });
    expect(await bench.post({ path: `${closed.path}/`, method: 'GET' })).toMatchObject({
      status: 405,
      headers: { allow: 'POST' },
    });
    expect(await bench.read(closed.id)).toMatchObject({
      refused: 1,
      lastRefusal: { status: 405, reason: 'This hook takes POST, not GET.' },
    });
  });

  test('a value with the name of a secret is masked, and its name stays', async () => {
    const hook = await bench.make({ verify: { kind: 'none' } });
    const headers = { ...json, 'x-author': 'ada', 'x-session': '7', 'x-api-key': 'k', 'x-keyboard': 'de' };
    await bench.post({ path: hook.path, query: 'author=ada&token=t', body: '{}', headers });
    expect(bench.eventsOf(hook.id)[0]?.event.data).toMatchObject({
      headers: { 'x-author': 'ada', 'x-session': '7', 'x-api-key': '[redacted]', 'x-keyboard': 'de' },
      query: { author: 'ada', token: '[redacted]' },
    });
  });

  test('redacted values are in no event, and still identify repeats', async () => {
    const redact = ['body.TempPassword', 'body.users.*.pin'];
    const hook = await bench.make({
      verify: { kind: 'none' },
      redact,
      dedupe: { key: '{% event.data.body.TempPassword %}' },
    });
    const post = (password: string) =>
      bench.post({
        path: hook.path,
        headers: json,
        body: JSON.stringify({ TempPassword: password, users: [{ name: 'a', pin: 'Tmp-1' }], kept: 1 }),
      });
    const first = await post('Tmp-7Yp4');
    expect((await post('Tmp-7Yp4')).body).toEqual(first.body);
    expect((await post('Tmp-other')).body).not.toEqual(first.body);
    expect(bench.eventsOf(hook.id)[0]?.event.data.body).toEqual({
      TempPassword: '[redacted]',
      users: [{ name: 'a', pin: '[redacted]' }],
      kept: 1,
    });
    expect(JSON.stringify(await bench.read(hook.id))).not.toContain('Tmp-7');
  });

  test.each([[201], [204]])('the response to a sender may be %i', async (answer) => {
    const hook = await bench.make({ verify: { kind: 'none' }, answer });
    const response = await bench.post({ path: hook.path, body: '{}', headers: json });
    expect(response.status).toBe(answer);
    expect(response.text === '').toBe(answer === 204);
  });
});

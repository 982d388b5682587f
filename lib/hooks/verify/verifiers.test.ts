import { describe, expect, test } from 'vitest';
import { equalInConstantTime } from '../../core/constant-time.ts';
import { newSigningSecret, webhookHeaders } from '../../core/standard-webhooks.ts';
import type { SignedRequest } from '../../core/verifier.ts';
import { verifiers } from './verifiers.ts';

const now = 1_700_000_000_000;
const request = (headers: SignedRequest['headers'], body = ''): SignedRequest => ({
  headers,
  rawBody: Buffer.from(body),
});

/** HMAC-SHA256 in hex by the Web Crypto interface, which the code under test does not use; it takes no empty key. */
async function hmac(secret: string, text: string): Promise<string> {
  const algorithm = { name: 'HMAC', hash: 'SHA-256' };
  const key = await crypto.subtle.importKey('raw', Buffer.from(secret || '\0'), algorithm, false, ['sign']);
  return Buffer.from(await crypto.subtle.sign('HMAC', key, Buffer.from(text))).toString('hex');
}

describe('github', () => {
  // The example of GitHub's page on validating deliveries.
  const secret = "It's a Secret to Everybody";
  const signature = 'sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17';
  const verify = verifiers.github;

  test('accepts the documented example and knows the message by its body', () => {
    expect(verify(request({ 'x-hub-signature-256': signature }, 'Hello, World!'), [secret], now)).toEqual({
      ok: true,
      id: '3_1gIbsr1bCvZ2KQgJ7DpTGR3YHH9wpLKGiKNiGCmG8',
    });
    const headers = { 'x-hub-signature-256': signature, 'x-github-delivery': 'another' };
    expect(verify(request(headers, 'Hello, World!'), ['old', secret], now)).toEqual(
      verify(request({ 'x-hub-signature-256': signature }, 'Hello, World!'), [secret], now),
    );
  });

  test('refuses another body, another secret, no signature and a malformed one', () => {
    const refusals = [
      verify(request({ 'x-hub-signature-256': signature }, 'Hello, World'), [secret], now),
      verify(request({ 'x-hub-signature-256': signature }, 'Hello, World!'), ['x'], now),
      verify(request({ 'x-hub-signature-256': signature }, 'Hello, World!'), [], now),
      verify(request({}, 'Hello, World!'), [secret], now),
      verify(request({ 'x-hub-signature': signature }, 'Hello, World!'), [secret], now),
      verify(request({ 'x-hub-signature-256': signature.slice(7) }, 'Hello, World!'), [secret], now),
      verify(request({ 'x-hub-signature-256': `${signature}00` }, 'Hello, World!'), [secret], now),
    ];
    for (const verdict of refusals)
      expect(verdict).toMatchObject({ ok: false, status: 401, reason: expect.any(String) });
  });

  test('an empty secret accepts no sender', async () => {
    const signature256 = `sha256=${await hmac('', 'x')}`;
    expect(verify(request({ 'x-hub-signature-256': signature256 }, 'x'), [''], now).ok).toBe(false);
  });
});

describe('stripe', () => {
  const verify = verifiers.stripe;
  const body = '{"id":"evt_1","object":"event"}';
  const header = async (seconds: number, secret: string, text = body) =>
    `t=${seconds},v1=${await hmac(secret, `${seconds}.${text}`)}`;
  const at = now / 1000;

  test('accepts a signature within five minutes and returns the event id', async () => {
    for (const seconds of [at - 300, at, at + 300]) {
      const headers = { 'stripe-signature': `${await header(seconds, 'whsec_live')},v0=ignored` };
      expect(verify(request(headers, body), ['whsec_live'], now)).toEqual({ ok: true, id: 'evt_1' });
    }
  });

  test('accepts one of several signatures, with one of several secrets', async () => {
    const several = `t=${at}, v1=${'0'.repeat(64)}, ${(await header(at, 'new')).split(',')[1]}`;
    expect(verify(request({ 'stripe-signature': several }, body), ['old', 'new'], now).ok).toBe(true);
  });

  test('a signed body without an id is good too', async () => {
    for (const text of ['[]', 'not json', '{"id":5}', '']) {
      const headers = { 'stripe-signature': await header(at, 'new', text) };
      expect(verify(request(headers, text), ['new'], now)).toEqual({ ok: true });
    }
  });

  test('refuses what is late, changed, doubled or incomplete', async () => {
    const good = await header(at, 'new');
    const attempts = [
      [await header(at - 301, 'new'), body],
      [await header(at + 301, 'new'), body],
      [good, `${body} `],
      [good.replace(`t=${at}`, `t=${at - 1}`), body],
      [`t=${at - 1},${good}`, body],
      [`t=${at}`, body],
      [good.split(',')[1], body],
      [good.replace('v1=', 'v0='), body],
      ['', body],
      [undefined, body],
    ] as const;
    for (const [signature, text] of attempts) {
      const verdict = verify(request({ 'stripe-signature': signature }, text), ['new'], now);
      expect([signature, verdict]).toEqual([signature, { ok: false, status: 401, reason: expect.any(String) }]);
    }
    expect(verify(request({ 'stripe-signature': await header(at, '') }, body), [''], now).ok).toBe(false);
  });
});

describe('basic and bearer', () => {
  const basic = (text: string) => ({ authorization: `Basic ${Buffer.from(text).toString('base64')}` });

  test('accept the right credentials, in any case of the scheme, from one of several', () => {
    expect(verifiers.basic(request(basic('panel:pä:ss')), ['old:x', 'panel:pä:ss'], now)).toEqual({ ok: true });
    const lower = { authorization: basic('panel:x').authorization.replace('Basic', 'basic ') };
    expect(verifiers.basic(request(lower), ['panel:x'], now).ok).toBe(true);
    expect(verifiers.bearer(request({ authorization: 'Bearer abc' }), ['old', 'abc'], now)).toEqual({ ok: true });
    expect(verifiers.bearer(request({ authorization: 'BEARER   abc ' }), ['abc'], now).ok).toBe(true);
  });

  test.each([
    verifiers.basic(request(basic('panel:wrong')), ['panel:right'], now),
    verifiers.basic(request(basic('panel:right ')), ['panel:right'], now),
    verifiers.basic(request(basic('')), [''], now),
    verifiers.basic(request(basic('nocolon')), ['nocolon'], now),
    verifiers.basic(request({ authorization: 'Bearer panel:right' }), ['panel:right'], now),
    verifiers.basic(request({}), ['panel:right'], now),
    verifiers.bearer(request({ authorization: 'Bearer abcd' }), ['abc'], now),
    verifiers.bearer(request({ authorization: 'Bearer' }), [''], now),
    verifiers.bearer(request({ authorization: 'Bearer ' }), [''], now),
    verifiers.bearer(request({ authorization: 'Basic abc' }), ['abc'], now),
    verifiers.bearer(request({ authorization: 'abc' }), ['abc'], now),
    verifiers.bearer(request({}), ['abc'], now),
    verifiers.bearer(request({ authorization: 'Bearer abc' }), [], now),
  ])('refuse others (%#)', (verdict) => {
    expect(verdict).toEqual({ ok: false, status: 401, reason: expect.any(String) });
  });
});

test('`standard-webhooks` accepts our own deliveries, and `none` accepts every sender', () => {
  const secret = newSigningSecret();
  const headers = webhookHeaders({ id: 'evt_1', timestamp: now / 1000, body: '{}' }, [secret]);
  expect(verifiers['standard-webhooks'](request(headers, '{}'), [secret], now)).toEqual({ ok: true, id: 'evt_1' });
  expect(verifiers.none()).toEqual({ ok: true });
});

test('comparison does not stop at a length or at a type', () => {
  expect(equalInConstantTime('ü', Buffer.from('ü'))).toBe(true);
  expect(equalInConstantTime('', '')).toBe(true);
  expect(equalInConstantTime('a', 'aa')).toBe(false);
  expect(equalInConstantTime('a', 'b')).toBe(false);
});

import fc from 'fast-check';
import { Webhook } from 'standardwebhooks';
import { describe, expect, test } from 'vitest';
import { isSigningSecret, newSigningSecret, verifyWebhook, webhookHeaders } from './standard-webhooks.ts';

const secret = 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw';
const body = '{"test": 2432232314}';
const seconds = 1_614_265_330;
const now = seconds * 1000;
const id = 'msg_p5jXN8AQM9LWM0D4loKWxJek';

const bytes = (text: string) => Buffer.from(text);
const signed = (secrets: string[], text = body, at = seconds) => ({
  headers: webhookHeaders({ id, timestamp: at, body: text }, secrets),
  rawBody: bytes(text),
});

describe('signing', () => {
  test('gives the signature of the specification’s shared vector', () => {
    expect(signed([secret]).headers).toEqual({
      'webhook-id': id,
      'webhook-timestamp': '1614265330',
      'webhook-signature': 'v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=',
    });
  });

  test('is accepted by the reference library under each of two secrets, whatever the body', () => {
    const current = Math.floor(Date.now() / 1000);
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), (text) => {
        const [old, next, other] = [newSigningSecret(), newSigningSecret(), newSigningSecret()];
        const { headers } = signed([next, old], text, current);
        for (const known of [old, next]) new Webhook(known).verify(text, headers, { jsonParse: false });
        expect(() => new Webhook(other).verify(text, headers, { jsonParse: false })).toThrow('No matching signature');
        expect(() => new Webhook(old).verify(`${text} `, headers, { jsonParse: false })).toThrow(
          'No matching signature',
        );
      }),
    );
  });

  test('signs bytes as they are', () => {
    const binary = Buffer.from([0xff, 0x00, 0xfe]);
    const headers = webhookHeaders({ id, timestamp: seconds, body: binary }, [secret]);
    expect(verifyWebhook({ headers, rawBody: binary }, [secret], now)).toEqual({ ok: true, id });
    expect(verifyWebhook({ headers, rawBody: bytes(binary.toString()) }, [secret], now).ok).toBe(false);
  });

  test.each([
    ['a full stop in the id', { id: 'a.b' }, [secret]],
    ['an empty id', { id: '' }, [secret]],
    ['a line break in the id', { id: 'a\nb' }, [secret]],
    ['a fraction of a second', { timestamp: 1.5 }, [secret]],
    ['no secret', {}, []],
    ['a secret that is no Base64', {}, ['whsec_?']],
    ['an empty secret', {}, ['whsec_']],
  ])('refuses %s', (_, change, secrets) => {
    expect(() => webhookHeaders({ id, timestamp: seconds, body, ...change }, secrets)).toThrow(TypeError);
  });
});

describe('a new secret', () => {
  test('is 32 random bytes, different each time', () => {
    const made = Array.from({ length: 50 }, () => newSigningSecret());
    expect(new Set(made).size).toBe(50);
    for (const one of made) {
      expect(one).toMatch(/^whsec_[A-Za-z0-9+/]{43}=$/);
      expect(isSigningSecret(one)).toBe(true);
    }
    expect(newSigningSecret((count) => new Uint8Array(count))).toBe(`whsec_${'A'.repeat(43)}=`);
  });

  test('has between 24 and 64 bytes', () => {
    const ofLength = (length: number) => `whsec_${Buffer.alloc(length, 7).toString('base64')}`;
    expect([23, 24, 64, 65].map((length) => isSigningSecret(ofLength(length)))).toEqual([false, true, true, false]);
    expect(isSigningSecret('whsec_not base64')).toBe(false);
    expect(isSigningSecret('MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw')).toBe(true);
  });
});

describe('verifying', () => {
  test('accepts what the reference library signed', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), (text) => {
        const headers = {
          'webhook-id': id,
          'webhook-timestamp': String(seconds),
          'webhook-signature': new Webhook(secret).sign(id, new Date(now), text),
        };
        expect(verifyWebhook({ headers, rawBody: bytes(text) }, [secret], now)).toEqual({ ok: true, id });
      }),
    );
  });

  test('accepts either secret while they change, and the older header names', () => {
    const next = newSigningSecret();
    expect(verifyWebhook(signed([secret]), [next, secret], now).ok).toBe(true);
    expect(verifyWebhook(signed([next, secret]), [secret], now).ok).toBe(true);
    const { headers, rawBody } = signed([secret]);
    const svix = Object.fromEntries(
      Object.entries(headers).map(([name, value]) => [name.replace('webhook', 'svix'), value]),
    );
    expect(verifyWebhook({ headers: svix, rawBody }, [secret], now)).toEqual({ ok: true, id });
  });

  test('allows five minutes either way and not a second more', () => {
    const at = (offset: number) => verifyWebhook(signed([secret]), [secret], now + offset * 1000);
    expect([at(-300).ok, at(300).ok]).toEqual([true, true]);
    expect(at(301)).toMatchObject({ ok: false, status: 401, reason: expect.stringContaining('301 seconds old') });
    expect(at(-301)).toMatchObject({ ok: false, status: 401, reason: expect.stringContaining('301 seconds ahead') });
  });

  test('refuses every change to body, id, time and signature, and every other secret', () => {
    const good = signed([secret]);
    const change = (headers: Record<string, string | undefined>, rawBody = good.rawBody) =>
      verifyWebhook({ headers: { ...good.headers, ...headers }, rawBody }, [secret], now).ok;
    expect(change({})).toBe(true);
    const signature = good.headers['webhook-signature'] ?? '';
    const refusals = [
      change({}, bytes(`${body} `)),
      change({ 'webhook-id': 'msg_other' }),
      change({ 'webhook-id': undefined }),
      change({ 'webhook-timestamp': String(seconds + 1) }),
      change({ 'webhook-timestamp': `${seconds}.0` }),
      change({ 'webhook-timestamp': 'now' }),
      change({ 'webhook-signature': signature.slice(3) }),
      change({ 'webhook-signature': signature.replace('v1', 'v1a') }),
      change({ 'webhook-signature': signature.slice(0, -1) }),
      change({ 'webhook-signature': `${signature}x` }),
      change({ 'webhook-signature': '' }),
      verifyWebhook(good, [newSigningSecret()], now).ok,
      verifyWebhook(good, [], now).ok,
      verifyWebhook(good, ['', 'whsec_', 'whsec_?'], now).ok,
    ];
    expect(refusals.every((ok) => !ok)).toBe(true);
  });

  test('rejects full stops that shift the boundaries of the signed parts', () => {
    const headers = webhookHeaders({ id: 'a', timestamp: seconds, body: `${seconds}.x` }, [secret]);
    const shifted = { ...headers, 'webhook-id': `a.${seconds}` };
    expect(verifyWebhook({ headers, rawBody: bytes(`${seconds}.x`) }, [secret], now).ok).toBe(true);
    expect(verifyWebhook({ headers: shifted, rawBody: bytes('x') }, [secret], now).ok).toBe(false);
  });
});

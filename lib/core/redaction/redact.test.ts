import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { KnownSecrets } from './known-secrets.ts';
import { redact, redactText, registerSecret } from './redact.ts';
import { isSecretName } from './secret-text.ts';

const secret = 'S3cr3t-v4lue';

const names = [
  'skey',
  'sesskey',
  'sessionkey',
  'sessionKey',
  'session_key',
  'authKey',
  'hashedPassword',
  'password',
  'newPassword',
  'pwd',
  'oauthkey',
  'appkey',
  'interactionKey',
  'appPassword',
  'botSecret',
  'secret',
  'client_secret',
  'Authorization',
  'COOKIE',
  'set-cookie',
  'Set-Cookie',
  'X-Hub-Signature-256',
  'X-Nextcloud-Talk-Signature',
  'webhook-signature',
  'Stripe-Signature',
  'x-amz-security-token',
  'X-Amz-Signature',
  'x-api-key',
  'proxy-authorization',
  'refresh_token',
  'credentials',
  'hookToken',
];
const innocent = [
  'Idempotency-Key',
  'idempotencyKey',
  'key',
  'keys',
  'token',
  'roomToken',
  'id',
  'sessionId',
  'generation',
  'author',
  'skeyed',
  'messageId',
  'userId',
  'secretary',
  'passwordHint',
  'cookieCount',
  'monkey',
  'whiskey',
  'x-request-id',
  'signed',
];

describe('a name', () => {
  test.each(names)('%s is secret', (name) => expect(isSecretName(name)).toBe(true));
  test.each(innocent)('%s is not', (name) => expect(isSecretName(name)).toBe(false));
});

describe('a secret is masked', () => {
  const wrappings: [string, (name: string) => string][] = [
    ['a query', (name) => `GET https://ptt.example.com/openapi/1/channels?id=a%40b&${name}=${secret}&hid=1 took 12 ms`],
    ['the first parameter', (name) => `https://ptt.example.com/x?${name}=${secret}`],
    ['a form', (name) => `req=createSesskey&${name}=${secret}&o_u=me`],
    ['JSON', (name) => JSON.stringify({ a: 1, [name]: secret, b: 'kept' })],
    [
      'indented JSON',
      (name) => JSON.stringify({ a: 1, [name]: `${secret} "quoted" \\" ${secret}`, b: 'kept' }, null, 2),
    ],
    ['JSON in JSON', (name) => JSON.stringify({ body: JSON.stringify({ [name]: secret, b: 'kept' }) })],
    [
      'JSON in JSON in JSON',
      (name) => JSON.stringify([JSON.stringify([JSON.stringify({ [name]: secret, b: 'kept' })])]),
    ],
    [
      'JSON in a form',
      (name) => `fieldValues=${encodeURIComponent(JSON.stringify({ [name]: secret, b: 'kept' }))}&b=kept`,
    ],
    ['headers', (name) => `Host: x\r\n${name}: ${secret}\r\nb: kept`],
    ['JSON with line breaks inside', (name) => JSON.stringify({ head: `Host: x\r\n${name}: ${secret}\nb: kept` })],
    ['JSON with coded quotes', (name) => `{\\u0022${name}=${secret}`],
    ['loose words', (name) => `refused with ${name}=${secret}, try again`],
    ['an inspected object', (name) => `{ '${name}': '${secret}', b: 'kept' }`],
  ];
  for (const [place, wrap] of wrappings) {
    test(`in ${place}`, () => {
      for (const name of names) {
        const safe = redactText(wrap(name));
        expect(safe).not.toContain('S3cr3t');
        expect(safe).toContain('[redacted]');
        expect(safe.includes('kept')).toBe(wrap(name).includes('kept'));
        expect(redactText(wrap(`not-a-${name}-name`))).toContain('S3cr3t');
      }
    });
  }

  test('after the scheme of an Authorization header', () => {
    for (const header of ['Bearer abcdef.123456-XYZ', 'Basic dXNlcjpwYXNz', 'bearer  abcdef.123456-XYZ']) {
      const safe = redactText(`authorization: ${header}\nx: y`);
      expect(safe).toBe('authorization: [redacted]\nx: y');
      expect(redactText(`sent "${header}" on`)).toMatch(/^sent "(bearer|basic) +\[redacted\]" on$/i);
    }
  });

  test('anywhere in a cookie header', () => {
    expect(redactText('Cookie: a=1; nc_session=abc; b=2\nx: y')).toBe('Cookie: [redacted]\nx: y');
  });

  test('by the form of our own keys, webhook secrets, hook paths and URLs with a password', () => {
    expect(redactText('key tl_0123456789abcdefXYZ_- was used')).toBe('key [redacted] was used');
    expect(redactText('whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw=')).toBe('[redacted]');
    expect(redactText('POST /hooks/3f9aQ-77_abcd?wait=20')).toBe('POST /hooks/[redacted]?wait=20');
    expect(redactText('https://user:hunter2!@example.com/x')).toBe('https://user:[redacted]@example.com/x');
  });

  test('in nested values, lists of headers, maps, URLs, bytes and errors', () => {
    const cause = new Error(`login failed for ?skey=${secret}`);
    const error = Object.assign(new Error('no', { cause }), { code: 'X', response: { authKey: secret } });
    const value = {
      list: [{ deep: { password: secret } }, ['Authorization', `Basic ${secret}`], 'skey', secret],
      rawHeaders: ['Host', 'example.com', 'Cookie', `s=${secret}`],
      map: new Map<string, unknown>([['sesskey', secret]]),
      set: new Set([`pwd=${secret}`]),
      url: new URL(`https://example.com/?sesskey=${secret}`),
      query: new URLSearchParams({ oauthkey: secret }),
      bytes: Buffer.from(secret),
      credentials: { login: 'me', password: secret, nested: [secret] },
      error,
      model: { toJSON: () => ({ botSecret: secret, shown: true }) },
      huge: 2n ** 70n,
    };
    const safe = redact(value);
    const text = JSON.stringify(safe);
    expect(text).not.toContain('S3cr3t');
    expect(safe).toMatchObject({
      rawHeaders: ['Host', 'example.com', 'Cookie', '[redacted]'],
      map: { sesskey: '[redacted]' },
      bytes: '[12 bytes]',
      credentials: '[redacted]',
      error: { name: 'Error', message: 'no', code: 'X', cause: { message: 'login failed for ?skey=[redacted]' } },
      model: { botSecret: '[redacted]', shown: true },
      huge: '1180591620717411303424',
    });
    expect(value.credentials.password).toBe(secret);
  });

  test('a text or value without a secret stays unchanged', () => {
    for (const text of [
      '',
      'all is well',
      'time: 12:30, status=200 {"token":"room1","key":"a"}',
      'password=null',
      '"pwd":true',
    ]) {
      expect(redactText(text)).toBe(text);
    }
    const value = { at: new Date(0), list: [1, 'two', { three: null }], password: null, secret: true, ok: undefined };
    expect(redact(value)).toBe(value);
  });

  test('endless and huge values end', () => {
    const loop: Record<string, unknown> = { a: 1 };
    loop.self = [loop, loop, loop];
    const safe = JSON.stringify(redact(loop));
    expect(safe).toContain('too deep or too large to log');
    expect(safe.length).toBeLessThan(2_000_000);
  });

  test('whatever the value and wherever it is', () => {
    const values = fc
      .stringMatching(/^[A-Za-z0-9+/=._~!$*()-]{8,40}$/)
      .filter((text) => !/^(null|true|false)$/.test(text));
    fc.assert(
      fc.property(values, fc.constantFrom(...names), fc.nat({ max: wrappings.length }), (value, name, index) => {
        const body = JSON.stringify({ [name]: value, more: { [name]: value } });
        const texts = [
          body,
          JSON.stringify({ body }),
          `${name}=${encodeURIComponent(value)}&b=1`,
          `f=${encodeURIComponent(body)}`,
        ];
        const safe = redactText(texts[index % texts.length] ?? '');
        expect(safe).not.toContain(value);
        expect(safe).not.toContain(encodeURIComponent(value));
      }),
      { numRuns: 500 },
    );
  });

  test('takes time proportional to the length of hostile text', () => {
    // Of this length, whatever takes the square of it would not end within the time limit of a test.
    for (const text of [
      'a'.repeat(1_000_000),
      'password'.repeat(150_000),
      'skey='.repeat(200_000),
      '\\"'.repeat(500_000),
    ])
      redactText(text);
    for (const text of [
      `"pwd":"${'\\'.repeat(500_000)}`,
      '://a:b'.repeat(150_000),
      'a-'.repeat(500_000),
      ' '.repeat(1_000_000),
    ])
      redactText(text);
    redactText(`pwd=${'"pwd":"'.repeat(100_000)}`);
    redactText(`${'a:b'.repeat(250_000)}@`);
  });
});

describe('a registered secret', () => {
  test('is masked wherever it is, plain or encoded', () => {
    const value = 'p&ss wörd/"1+';
    registerSecret(value);
    const places = [
      `before ${value} after`,
      `before ${encodeURIComponent(value)} after`,
      `before ${new URLSearchParams({ v: value })} after`,
      `before ${JSON.stringify({ v: value })} after`,
    ];
    for (const place of places) expect(redactText(place)).toMatch(/^before [^p&]*\[redacted\][^p&]* after$/);
    expect(redact({ message: [value] })).toEqual({ message: ['[redacted]'] });
  });

  test('is found among thousands, at any place, whole, the longest first', () => {
    const text = fc.string({ minLength: 6, maxLength: 20 });
    fc.assert(
      fc.property(
        fc.array(text, { minLength: 1, maxLength: 50 }),
        fc.string(),
        fc.string(),
        fc.nat(),
        (secrets, before, after, pick) => {
          const known = new KnownSecrets();
          for (const one of secrets) known.add(one);
          const chosen = secrets[pick % secrets.length] ?? '';
          const masked = known.mask(before + chosen + after, '\u0000');
          for (const one of secrets) expect(masked.includes(one)).toBe(false);
        },
      ),
    );
    const known = new KnownSecrets();
    known.add('secret-1');
    known.add('secret-1-and-more');
    expect(known.mask('a secret-1-and-more, secret-1, secret-2', '*')).toBe('a *, *, secret-2');
    known.add('aaaaaa');
    expect(known.mask('aaaaaaaaa', '*')).toBe('*aaa');
  });

  test('is evicted by newer ones when there are too many, and is never too short', () => {
    const known = new KnownSecrets(10);
    for (let number = 0; number < 1000; number++) known.add(`secret-number-${number}`);
    expect(known.size).toBeLessThanOrEqual(10);
    expect(known.mask('secret-number-999 secret-number-1', '*')).toBe('* secret-number-1');
    const short = new KnownSecrets();
    short.add('12345');
    short.add('');
    expect([short.size, short.mask('12345', '*')]).toEqual([0, '12345']);
  });
});

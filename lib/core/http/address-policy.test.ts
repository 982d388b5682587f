import type { LookupAddress } from 'node:dns';
import fc from 'fast-check';
import { afterEach, describe, expect, test } from 'vitest';
import {
  type AddressPolicy,
  checkUrl,
  classifyAddress,
  pinnedLookup,
  RefusedAddress,
  type ResolvedAddress,
  setDeploymentAddresses,
  sharedLookups,
} from './address-policy.ts';

const everything: AddressPolicy = { allowHttp: true, allowPrivateNetwork: true };

/** First and last address of each range, and the neighbours outside it where those are public. */
const never = [
  '0.0.0.0',
  '0.255.255.255',
  '100.100.100.200',
  '168.63.129.16',
  '169.254.0.0',
  '169.254.169.254',
  '169.254.170.2',
  '169.254.255.255',
  '192.0.0.0',
  '192.0.0.192',
  '192.0.0.255',
  '192.0.2.1',
  '192.88.99.1',
  '198.18.0.0',
  '198.19.255.255',
  '198.51.100.7',
  '203.0.113.7',
  '224.0.0.1',
  '239.255.255.255',
  '240.0.0.0',
  '255.255.255.255',
  '::',
  '64:ff9b:1::1',
  '64:ff9b:1:ffff:ffff:ffff:ffff:ffff',
  '100::1',
  '2001::1',
  '2001:0:ffff::1',
  '2001:db8::1',
  '3fff::1',
  '3fff:fff:ffff::1',
  '5f00::1',
  'fd00:ec2::254',
  'fd20:ce::254',
  'fe80::1',
  'febf::1',
  'fe80::1%eth0',
  'fec0::1',
  'ff02::1',
  'ff0e::1',
  'not an address',
  '',
  '1.2.3',
  '1.2.3.4:80',
];
const closed = [
  '10.0.0.0',
  '10.255.255.255',
  '100.64.0.0',
  '100.127.255.255',
  '127.0.0.1',
  '127.255.255.255',
  '172.16.0.0',
  '172.31.255.255',
  '192.168.0.1',
  '192.168.255.255',
  '::1',
  'fc00::1',
  'fdff:ffff::1',
  '::ffff:10.0.0.7%eth0',
];
const open = [
  '1.1.1.1',
  '9.255.255.255',
  '11.0.0.0',
  '100.63.255.255',
  '100.128.0.0',
  '126.255.255.255',
  '128.0.0.0',
  '169.253.255.255',
  '169.255.0.0',
  '172.15.255.255',
  '172.32.0.0',
  '192.0.1.0',
  '192.167.255.255',
  '192.169.0.0',
  '198.17.255.255',
  '198.20.0.0',
  '223.255.255.255',
  '2606:4700::1111',
  '2001:200::1',
  '2a00:1450::1',
  '3ffe::1',
  '2a00:1450::1%1',
];

/** Every way to write an IPv4 address inside an IPv6 one. */
function hidden(address: string): string[] {
  const [a = 0, b = 0, c = 0, d = 0] = address.split('.').map(Number);
  const hex = `${((a << 8) | b).toString(16)}:${((c << 8) | d).toString(16)}`;
  return [
    `::ffff:${address}`,
    `::ffff:${hex}`,
    `0:0:0:0:0:FFFF:${hex}`,
    `::${address}`,
    `::${hex}`,
    `::ffff:0:${address}`,
    `64:ff9b::${address}`,
    `64:ff9b::${hex}`,
    `2002:${hex}::`,
    `2002:${hex}:1:2:3:4:5`,
  ];
}

describe('addresses are sorted', () => {
  test.each(never)('%s is never allowed', (address) => expect(classifyAddress(address)).toBe('never'));
  test.each(closed)('%s is private', (address) => expect(classifyAddress(address)).toBe('private'));
  test.each(open)('%s is public', (address) => expect(classifyAddress(address)).toBe('public'));

  test('an IPv4 address counts the same wherever it is hidden', () => {
    for (const address of [...never, ...closed, ...open].filter((one) => /^\d+(\.\d+){3}$/.test(one))) {
      for (const disguise of hidden(address)) {
        // `::` and `::1` have a meaning of their own.
        if (/^::(0\.0\.0\.[01]|0:[01])$/.test(disguise)) continue;
        expect([disguise, classifyAddress(disguise)]).toEqual([disguise, classifyAddress(address)]);
      }
    }
  });

  test('any address, in any spelling, is sorted without a crash, and disguises change nothing', () => {
    fc.assert(
      fc.property(fc.ipV4(), (address) => {
        for (const disguise of hidden(address).filter((one) => !/^::[\d.]+$|^::0:/.test(one))) {
          expect(classifyAddress(disguise)).toBe(classifyAddress(address));
        }
      }),
    );
    fc.assert(
      fc.property(fc.ipV6(), (address) => {
        expect(['public', 'private', 'never']).toContain(classifyAddress(address));
      }),
    );
  });
});

describe('a URL is refused', () => {
  const loopback = [
    'http://127.0.0.1/',
    'http://127.1/',
    'http://2130706433/',
    'http://0x7f000001/',
    'http://0177.0.0.1/',
    'http://0x7f.1/',
    'http://127.0.0.1./',
    'http://①②⑦.0.0.1/',
    'http://[::1]/',
    'http://[0:0:0:0:0:0:0:1]/',
    'http://[::ffff:127.0.0.1]/',
    'http://[::ffff:7f00:1]/',
    'http://localhost/',
    'http://LOCALHOST./',
    'http://api.localhost/',
    'http://localhost.localdomain/',
    'http://ip6-localhost/',
    'http://10.1.2.3/',
  ];
  test.each(loopback)('%s, unless private networks are allowed', (url) => {
    expect(checkUrl(url, { allowHttp: true })).toMatch(/allowPrivateNetwork/);
    expect(checkUrl(url, everything)).toBeUndefined();
  });

  const forbidden = [
    'http://169.254.169.254/latest/meta-data/',
    'http://2852039166/',
    'http://0xA9FEA9FE/',
    'http://0251.0376.0251.0376/',
    'http://[::ffff:169.254.169.254]/',
    'http://[64:ff9b::a9fe:a9fe]/',
    'http://[2002:a9fe:a9fe::]/',
    'http://[fd00:ec2::254]/',
    'http://[fe80::1]/',
    'http://0/',
    'http://0.0.0.0/',
    'http://[::]/',
    'http://metadata.google.internal/',
    'http://metadata.google.internal./',
    'http://METADATA/',
    'http://metadata.goog/',
    'http://instance-data/latest',
    'http://255.255.255.255/',
    'http://100.100.100.200/',
  ];
  test.each(forbidden)('%s, whatever is allowed', (url) => expect(checkUrl(url, everything)).toMatch(/never allowed/));

  test('when its scheme is not https, or http where that is allowed', () => {
    expect(checkUrl('http://example.com/', {})).toMatch(/only https is allowed; set allowHttp/);
    expect(checkUrl('http://example.com/', { allowHttp: true })).toBeUndefined();
    for (const url of [
      'ftp://example.com/',
      'file:///etc/passwd',
      'unix:/run/x.sock',
      'javascript:alert(1)',
      'data:,x',
    ]) {
      expect(checkUrl(url, everything)).toMatch(/only https/);
    }
  });

  test('when it is no URL or carries credentials', () => {
    expect(checkUrl('example.com/path', {})).toBe('this is not a complete URL');
    expect(checkUrl('https://user@example.com/', {})).toMatch(/user name or password/);
    expect(checkUrl('https://:pass@example.com/', {})).toMatch(/user name or password/);
  });

  test('never for an ordinary public address', () => {
    for (const url of [
      'https://example.com/',
      'https://ptt.example.co.kr:8443/x?y',
      'https://1.1.1.1/',
      'https://[2606:4700::1111]/',
    ]) {
      expect(checkUrl(url, {})).toBeUndefined();
    }
  });
});

describe('a pinned look-up', () => {
  const look = (
    policy: AddressPolicy | undefined,
    answers: ResolvedAddress[] | Error,
    options: { all?: boolean; family?: number } = { all: true },
  ) =>
    new Promise<LookupAddress[] | string>((resolve, reject) => {
      const source = async () => (answers instanceof Error ? Promise.reject(answers) : answers);
      pinnedLookup(policy, source)('vendor.test', options, (error, address) => {
        if (error) reject(error);
        else resolve(address);
      });
    });
  const good = { address: '93.184.216.34', family: 4 };
  const six = { address: '2606:2800:220:1::1', family: 6 };
  const bad = { address: '10.0.0.7', family: 4 };

  test('hands on all answers, one, or those of one family', async () => {
    expect(await look({}, [good, six])).toEqual([good, six]);
    expect(await look({}, [good, six], {})).toBe(good.address);
    expect(await look({}, [good, six], { all: true, family: 6 })).toEqual([six]);
    await expect(look({}, [good], { all: true, family: 6 })).rejects.toMatchObject({ code: 'ENOTFOUND' });
    await expect(look({}, [])).rejects.toMatchObject({ code: 'ENOTFOUND' });
  });

  test('refuses a name if a single answer is refused', async () => {
    for (const answers of [[bad], [good, bad], [bad, six], [six, { address: '::ffff:10.0.0.7', family: 6 }]]) {
      await expect(look({}, answers)).rejects.toBeInstanceOf(RefusedAddress);
      expect(await look({ allowPrivateNetwork: true }, answers)).toEqual(answers);
    }
    const metadata = { address: '169.254.169.254', family: 4 };
    await expect(look(everything, [good, metadata])).rejects.toThrow(/vendor.test \(169.254.169.254\) is a reserved/);
    expect(await look(undefined, [metadata])).toEqual([metadata]);
  });

  test('passes a failure of the name service on', async () => {
    await expect(look({}, Object.assign(new Error('gone'), { code: 'EAI_AGAIN' }))).rejects.toMatchObject({
      code: 'EAI_AGAIN',
    });
  });

  test('asks once per connection, so that a name that changes its address in between gains nothing', async () => {
    const answers = [good, bad];
    let asked = 0;
    const lookup = pinnedLookup({}, async () => [answers[asked++] ?? bad]);
    const ask = () =>
      new Promise((resolve) => lookup('rebind.test', { all: true }, (error, address) => resolve(error ?? address)));
    expect(await ask()).toEqual([good]);
    expect(asked).toBe(1);
    expect(await ask()).toBeInstanceOf(RefusedAddress);
  });
});

describe('what the deployment opens', () => {
  afterEach(() => setDeploymentAddresses({}));

  test.each(['::5efe:127.0.0.1', 'fe80::5efe:10.0.0.1', '2001:db9::200:5efe:10.0.0.1'])(
    '%s is as near as what it carries',
    (address) => {
      expect(classifyAddress(address)).not.toBe('public');
    },
  );

  test.each(['2001:10::1', '2001:20::1', '2001:2::1', '192.31.196.1'])('%s is never open', (address) => {
    expect(classifyAddress(address)).toBe('never');
  });

  test('its networks are open to every connection, over plain http by address', () => {
    expect(checkUrl('https://10.1.2.3', {})).toContain('private');
    setDeploymentAddresses({ privateNetworks: ['10.1.0.0/16', 'fd00:1::/32'] });
    for (const url of ['https://10.1.2.3', 'http://10.1.2.3:8080', 'https://[fd00:1::5]'])
      expect(checkUrl(url, {})).toBeUndefined();
    for (const url of [
      'https://10.2.0.1',
      'http://10.2.0.1',
      'http://example.com',
      'https://127.0.0.1',
      'https://169.254.169.254',
    ])
      expect(checkUrl(url, {})).toBeDefined();
  });

  test('a text that is no network is refused by name', () => {
    for (const text of ['office', '10.0.0.0/33', '10.0.0.0/8/8', '::/129'])
      expect(() => setDeploymentAddresses({ privateNetworks: [text] })).toThrow(text);
  });

  test('loopback stays closed on a platform that has it for itself', () => {
    const all = { allowHttp: true, allowPrivateNetwork: true };
    setDeploymentAddresses({ closeLoopback: true, privateNetworks: ['127.0.0.0/8'] });
    for (const url of [
      'http://127.0.0.1:9001',
      'http://[::1]',
      'http://localhost',
      'http://[::ffff:127.0.0.1]',
      'http://x.localhost',
    ])
      expect(checkUrl(url, all)).toBeDefined();
    expect(checkUrl('http://10.0.0.1', all)).toBeUndefined();
  });
});

test('those who ask for a name while it is looked up share the lookup', async () => {
  const asked: [hostname: string, answer: PromiseWithResolvers<{ address: string; family: number }[]>][] = [];
  const resolve = sharedLookups((hostname) => {
    const answer = Promise.withResolvers<{ address: string; family: number }[]>();
    asked.push([hostname, answer]);
    return answer.promise;
  });
  const dead = [resolve('dead.test'), resolve('dead.test'), resolve('dead.test')];
  const good = resolve('good.test');
  expect(asked.map(([hostname]) => hostname)).toEqual(['dead.test', 'good.test']);
  asked[0]?.[1].reject(new Error('no answer'));
  asked[1]?.[1].resolve([{ address: '192.0.2.1', family: 4 }]);
  expect((await Promise.allSettled(dead)).map(({ status }) => status)).toEqual(['rejected', 'rejected', 'rejected']);
  expect(await good).toEqual([{ address: '192.0.2.1', family: 4 }]);
  void resolve('dead.test');
  expect(asked).toHaveLength(3);
});

import { expect, test } from 'vitest';
import { consolePolicy, tilesOrigin } from './console-files.ts';

const cookie = (address: string) => `other=1; trunkline_tiles=${encodeURIComponent(address)}|Makers`;

test('the policy allows images from the origin of the tiles that a browser shows, and from no other', () => {
  expect(tilesOrigin(cookie('https://tiles.example.com:8443/a/{z}/{x}/{y}.png?key=1'))).toBe(
    'https://tiles.example.com:8443',
  );
  expect(consolePolicy('https://tiles.example.com')).toContain("img-src 'self' data: https://tiles.example.com;");
  expect(consolePolicy(undefined)).toContain("img-src 'self' data:;");
});

test.each([
  '',
  'tiles',
  'javascript:alert(1)',
  'data:image/png,x',
  "https://evil.example; script-src 'unsafe-inline'/{z}",
  'https://*/{z}/{x}/{y}',
  'https://a b/{z}',
])('a cookie with %o does not widen the policy', (address) => {
  expect(tilesOrigin(cookie(address))).toBeUndefined();
});

test('a cookie that cannot be decoded, or no cookie, does not widen the policy', () => {
  expect(tilesOrigin('trunkline_tiles=%E0%A4%A')).toBeUndefined();
  expect(tilesOrigin(undefined)).toBeUndefined();
});

import { expect, test } from 'vitest';
import { originHeaders, readOrigins } from './allowed-origins.ts';

test('a list of origins is read, and what is not an origin is refused by name', () => {
  expect(readOrigins(undefined)).toEqual([]);
  expect(readOrigins('https://desk.example, http://localhost:5173')).toEqual([
    'https://desk.example',
    'http://localhost:5173',
  ]);
  for (const wrong of ['desk.example', 'https://desk.example/', 'https://*.example', 'file://x', 'null']) {
    expect(() => readOrigins(`https://desk.example ${wrong}`)).toThrow(`TRUNKLINE_ALLOWED_ORIGINS: "${wrong}"`);
  }
});

test('every origin may be allowed, and then no cache needs to tell them apart', () => {
  expect(originHeaders(['*'], 'https://any.example')).toMatchObject({ 'access-control-allow-origin': '*' });
  expect(originHeaders(['*'], 'https://any.example').vary).toBeUndefined();
  expect(originHeaders([], 'https://any.example')).toEqual({});
});

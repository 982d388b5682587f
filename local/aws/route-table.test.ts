import { describe, expect, test } from 'vitest';
import { routeTable } from './route-table.ts';

const find = routeTable([
  { method: 'GET', path: '/pets/dog/1' },
  { method: 'GET', path: '/pets/dog/{id}' },
  { method: 'GET', path: '/pets/{proxy+}' },
  { method: 'ANY', path: '/pets/dog/1' },
  { method: 'ANY', path: '/v1/proptt2/{proxy+}' },
  { method: 'ANY', path: '/v1/{proxy+}' },
  { method: 'POST', path: '/v1/keys' },
  { method: 'GET', path: '/{owner}/files/{name}' },
  { method: 'GET', path: '/' },
]);
const found = (method: string, path: string) => {
  const match = find(method, path);
  return match && [`${match.route.method} ${match.route.path}`, match.parameters];
};

describe('the most specific route wins, as in the documentation of HTTP APIs', () => {
  test.each([
    ['GET', '/pets/dog/1', 'GET /pets/dog/1', undefined],
    ['POST', '/pets/dog/1', 'ANY /pets/dog/1', undefined],
    ['GET', '/pets/dog/2', 'GET /pets/dog/{id}', { id: '2' }],
    ['GET', '/pets/cat/1', 'GET /pets/{proxy+}', { proxy: 'cat/1' }],
    ['GET', '/pets/dog/2/x', 'GET /pets/{proxy+}', { proxy: 'dog/2/x' }],
    ['PUT', '/v1/proptt2/dispatch/getChannels', 'ANY /v1/proptt2/{proxy+}', { proxy: 'dispatch/getChannels' }],
    ['GET', '/v1/proptt2x/a', 'ANY /v1/{proxy+}', { proxy: 'proptt2x/a' }],
    ['POST', '/v1/keys', 'POST /v1/keys', undefined],
    ['GET', '/v1/keys', 'ANY /v1/{proxy+}', { proxy: 'keys' }],
    ['GET', '/ada/files/a b.txt', 'GET /{owner}/files/{name}', { owner: 'ada', name: 'a b.txt' }],
    ['GET', '/pets/files/x', 'GET /pets/{proxy+}', { proxy: 'files/x' }],
    ['GET', '/', 'GET /', undefined],
    ['GET', '/v1/proptt2/a//b/', 'ANY /v1/proptt2/{proxy+}', { proxy: 'a//b/' }],
  ])('%s %s → %s', (method, path, route, parameters) => {
    expect(found(method, path)).toEqual([route, parameters]);
  });
});

test.each([
  ['POST', '/'],
  ['GET', '/pets'],
  ['GET', '/pets/'],
  ['POST', '/pets/cat'],
  ['GET', '/v1'],
  ['GET', '//files/x'],
  ['GET', ''],
  ['GET', '*'],
  ['GET', '/constructor'],
  ['GET', '/__proto__/files'],
])('%s %s has no route', (method, path) => {
  expect(found(method, path)).toBeUndefined();
});

test('the same path finds the same, and so do thousands of others', () => {
  for (let round = 0; round < 2; round++) {
    for (let i = 0; i < 2500; i++)
      expect(found('GET', `/pets/dog/x${i}`)).toEqual(['GET /pets/dog/{id}', { id: `x${i}` }]);
  }
  expect(found('POST', '/pets/dog/x1')).toBeUndefined();
  expect(found('POST', '/pets/dog/1')).toEqual(['ANY /pets/dog/1', undefined]);
});

test('$default takes what nothing else does', () => {
  const fallback = routeTable([
    { method: 'GET', path: '/a' },
    { method: 'ANY', path: '$default' },
  ]);
  expect(fallback('GET', '/a')?.route.path).toBe('/a');
  expect(fallback('POST', '/a')?.route.path).toBe('$default');
});

test('the same route twice is an error, not a coin toss', () => {
  expect(() =>
    routeTable([
      { method: 'GET', path: '/a/{x}' },
      { method: 'GET', path: '/a/{y}' },
    ]),
  ).toThrow('Two routes for GET /a/{y}');
});

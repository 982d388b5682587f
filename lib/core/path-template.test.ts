import fc from 'fast-check';
import { expect, test } from 'vitest';
import { pathTemplate } from './path-template.ts';

test('a template matches what it fills', () => {
  const template = pathTemplate('/channels/{channelId}/users/{userId}');
  const value = fc.string({ minLength: 1 }).filter((text) => text !== '.' && text !== '..');
  fc.assert(
    fc.property(value, value, (channelId, userId) => {
      const path = template.fill({ channelId, userId });
      const found = template.match(path) ?? {};
      expect([found.channelId, found.userId].map((each) => decodeURIComponent(each ?? ''))).toEqual([
        channelId,
        userId,
      ]);
    }),
  );
  expect(template.names).toEqual(['channelId', 'userId']);
});

test('fixed text is text, and a name is one segment', () => {
  expect(pathTemplate('/v1/a.b/{id}').match('/v1/axb/1')).toBeUndefined();
  expect(pathTemplate('/v1/{id}').match('/v1/1/2')).toBeUndefined();
  expect(pathTemplate('/v1/{id}').match('/v1/')).toBeUndefined();
  expect(pathTemplate('/v1/{id}').match('/v1/1%2F2')).toEqual({ id: '1%2F2' });
  expect(pathTemplate('/v1/keys').match('/v1/keys')).toEqual({});
});

test.each(['', '.', '..', '\ud800'])('the value %j is refused by its name', (id) => {
  expect(() => pathTemplate('/v1/{id}').fill({ id })).toThrow(
    expect.objectContaining({ code: 'invalid_input', errors: [expect.objectContaining({ pointer: '/id' })] }),
  );
});

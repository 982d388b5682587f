import { describe, expect, test } from 'vitest';
import { GatewayError } from '../../core/errors.ts';
import { proptt2 } from './index.ts';
import { matchRaw } from './raw.ts';

const raw = (method: string, path: string, query: Record<string, string> = {}) => ({
  method,
  path,
  query: new URLSearchParams(query),
  body: undefined,
});
const matched = (...given: Parameters<typeof raw>) => matchRaw(raw(...given), proptt2.operations);

describe('a raw request that the server could read differently', () => {
  test.each([
    'channels//1',
    '//channels/1',
    'channels/1 ',
    ' channels/1',
    'channels /1',
    'channels/./1',
    'channels/../channels/1',
    'channels/1;x=1',
    'channels%2F1',
    'channels\\1',
    'channels/1\0',
    'channels/1\t',
    'channels/1?x',
    'auth//x',
    'channels/\ud800',
  ])('%j is refused', (path) => {
    expect(() => matched('DELETE', path)).toThrow(GatewayError);
  });

  test.each(['_method', '_METHOD', ' id', 'x[]', 'a.b', ''])('so is the query name %j', (name) => {
    expect(() => matched('POST', 'channels/1', { [name]: 'DELETE' })).toThrow(GatewayError);
  });

  test('upper and lower case make no difference', () => {
    for (const path of ['channels/1', 'Channels/1', 'CHANNELS/1', '/channels/1/']) {
      expect(matched('DELETE', path)).toEqual({ operation: 'deleteChannel', input: { channelId: 1 } });
    }
    expect(matched('POST', 'channels/1/SENDSOS')).toMatchObject({ operation: 'sendSosToChannel' });
  });

  test.each(['server', 'auth', 'keepalive', 'Auth', 'KEEPALIVE'])(
    '%s belongs to the session, by any method',
    (path) => {
      for (const method of ['GET', 'POST', 'DELETE']) expect(matched(method, path)).toBe('session');
    },
  );

  test('the caller cannot supply the parameters of the gateway, in any case of letters', () => {
    const given = { ID: 'other', Hid: '9', SKEY: 'x', userId: '7' };
    expect(matched('GET', 'channels', given)).toMatchObject({ input: expect.not.objectContaining({ ID: 'other' }) });
  });
});

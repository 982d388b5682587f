import { expect, test } from 'vitest';
import type { Api, ApiRequest } from '../api.ts';
import { follow } from './tail.ts';

test('tail shows every run that came during an interruption, however many', async () => {
  let newest = 150;
  const send = async (_method: string, _path: string, { query = {} }: ApiRequest = {}) => {
    const from = query.before === undefined ? newest : Number(query.before) - 1;
    const items = Array.from({ length: Math.min(Number(query.limit), from) }, (_, at) => ({
      id: String(from - at),
      state: 'succeeded',
    }));
    // What comes next comes after this answer.
    if (query.before === undefined) newest += 350;
    return { status: 200, headers: new Headers(), body: items };
  };
  const ended = new AbortController();
  const shown: unknown[] = [];
  // Only `send` is used.
  const api = { send } as unknown as Api;
  for await (const { id } of follow(api, 'runs', { signal: ended.signal }, () => undefined)) {
    shown.push(Number(id));
    if (shown.length === 350) break;
  }
  expect(shown).toEqual(Array.from({ length: 350 }, (_, at) => 151 + at));
});

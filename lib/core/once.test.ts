import { expect, test, vi } from 'vitest';
import { once } from './once.ts';

test('loads once, and again only after a failure', async () => {
  const load = vi.fn(async () => 'document').mockRejectedValueOnce(new Error('offline'));
  const read = once(load);
  await expect(read()).rejects.toThrow('offline');
  expect(await Promise.all([read(), read()])).toEqual(['document', 'document']);
  expect(load).toHaveBeenCalledTimes(2);
});

import { expect, test } from 'vitest';
import { TestClock } from '../../../test/support/harness.ts';
import { getServer } from './session.ts';

test.each(['https://radio.example/x?y=', 'https://radio.example/#'])(
  'a ServerURL with a query or a fragment is refused: %s',
  async (url) => {
    const body = JSON.stringify({ ServerURL: url, Rand: 'r' });
    const answer = { status: 200, headers: {}, bytes: Buffer.from(body), text: () => body };
    const settings = { cloudUrl: 'https://cloud.example', ownerId: 'owner@company.com', hid: 1 };
    // Only what asking for the server needs.
    const call = { connection: { settings }, http: { request: async () => answer }, clock: new TestClock() } as never;
    await expect(getServer(call)).rejects.toMatchObject({ code: 'vendor_malformed' });
  },
);

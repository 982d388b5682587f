import { expect, test } from 'vitest';
import { TestClock } from '../../../test/support/harness.ts';
import { getServer } from './session.ts';

/** Asks for the server of a cloud that gives one answer. */
function serverFrom(status: number, body: string) {
  const answer = { status, headers: {}, bytes: Buffer.from(body), text: () => body };
  const settings = { cloudUrl: 'https://cloud.example', ownerId: 'owner@company.com', hid: 1 };
  // Only what asking for the server needs.
  const call = { connection: { settings }, http: { request: async () => answer }, clock: new TestClock() } as never;
  return getServer(call);
}

test.each(['https://radio.example/x?y=', 'https://radio.example/#'])(
  'a ServerURL with a query or a fragment is refused: %s',
  async (url) => {
    const body = JSON.stringify({ ServerURL: url, Rand: 'r' });
    await expect(serverFrom(200, body)).rejects.toMatchObject({ code: 'vendor_malformed' });
  },
);

test.each([
  [503, '<html>Service Unavailable</html>', 'vendor_failed'],
  [502, '', 'vendor_failed'],
  [200, '<html>Maintenance</html>', 'vendor_failed'],
])('a login that meets %i with %j is tried again: nothing was sent yet', async (status, body, code) => {
  await expect(serverFrom(status, body)).rejects.toMatchObject({ code, retryable: true, outcome: 'no' });
});

test('a login at an address without ProPTT2 is not tried again', async () => {
  await expect(serverFrom(404, 'Not found')).rejects.toMatchObject({ code: 'vendor_malformed', retryable: false });
});

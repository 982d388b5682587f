import { expect, test } from 'vitest';
import { type processOf, putConnection, TestClock } from '../../test/support/harness.ts';
import { withTestServices } from '../../test/support/test-table.ts';
import type { SessionPolicy, Vendor } from '../core/vendor.ts';
import { vendors } from '../vendors/index.ts';
import { keepSessions } from './keepalive.ts';

const clock = new TestClock();
let one: ReturnType<typeof processOf>;
withTestServices(clock, (made) => {
  one = made;
});

test('a server that never answers takes nothing from the sessions at another', async () => {
  const proptt2 = vendors.proptt2;
  if (!proptt2?.session) throw new Error('ProPTT2 has sessions');
  let silent = false;
  let hanging = 0;
  const healthy = Promise.withResolvers<void>();
  let kept = 0;
  const session: SessionPolicy = {
    ...proptt2.session,
    login: async () => ({ data: {}, expiresAt: clock.now() + 9 * 60_000 }),
    keepAlive: async (_data, { connection, signal }) => {
      if (silent && connection.name.startsWith('silent')) {
        hanging++;
        await new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)));
      }
      if (++kept === 30) healthy.resolve();
      return { expiresAt: clock.now() + 9 * 60_000 };
    },
  };
  const catalogue = { proptt2: { ...proptt2, session } as Vendor };
  const connect = (name: string, host: string) =>
    putConnection(
      one,
      'proptt2',
      name,
      { cloudUrl: `https://${host}`, ownerId: name, hid: 1 },
      { interactionKey: 'x' },
    );
  // The silent ones are due first.
  for (let at = 0; at < 40; at++) await connect(`silent-${at}`, 'silent.example');
  clock.advance(1_000);
  for (let at = 0; at < 30; at++) await connect(`healthy-${at}`, 'healthy.example');
  const over = new AbortController();
  const scope = { requestId: 'tick', signal: over.signal };
  await expect(keepSessions(one, catalogue, scope)).resolves.toMatchObject({ due: 70, renewed: 70 });

  clock.advance(121_000);
  silent = true;
  const tick = keepSessions(one, catalogue, scope);
  await healthy.promise;
  expect(hanging).toBe(8);
  over.abort(new Error('The tick is over'));
  await expect(tick).resolves.toMatchObject({ kept: 30, longestGap: 121_000 });
});

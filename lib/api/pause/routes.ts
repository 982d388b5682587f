import * as z from 'zod/mini';
import { field, named, text } from '../../core/field.ts';
import type { Write } from '../../store/table.ts';
import { type Route, route } from '../route.ts';
import type { Pause, PauseState } from './pause.ts';

/** How many items wait for the end of a pause. */
export interface Waiting {
  runs: number;
  deliveries: number;
}

const shown = () =>
  named(
    'Pause',
    z.looseObject({
      paused: z.boolean(),
      since: z.optional(z.string()),
      by: field(z.optional(z.string()), { description: 'The key, or the setting, that paused.' }),
      reason: z.optional(z.string()),
      waiting: field(z.object({ runs: z.int(), deliveries: z.int() }), {
        description: 'What will be sent when sending resumes.',
      }),
    }),
  );

/** The state of the pause in responses. */
export const showPause = (state: PauseState | undefined) => ({
  paused: state !== undefined,
  since: state && new Date(state.since).toISOString(),
  by: state?.by,
  reason: state?.reason,
});

/** The calls that stop all sending and resume it; `announce` ends a pause together with the waits for its end. */
export function pauseRoutes(
  pause: Pause,
  waiting: (state: PauseState) => Promise<Waiting>,
  announce: (ended: PauseState, by: string, end: Write) => Promise<boolean>,
): Route[] {
  const shared = { tag: 'Pause', area: 'pause' } as const;
  const show = async (state: PauseState | undefined) => ({
    ...showPause(state),
    waiting: state ? await waiting(state) : { runs: 0, deliveries: 0 },
  });
  return [
    route({
      ...shared,
      call: 'GET /v1/pause',
      operationId: 'getPause',
      summary: 'Get whether sending is paused, by whom, and what is waiting',
      output: shown,
      handle: async () => show(await pause.current()),
    }),
    route({
      ...shared,
      call: 'POST /v1/pause',
      operationId: 'pauseSending',
      summary: 'Pause all sending: calls that write return 503, runs and deliveries wait; nothing is lost',
      write: true,
      input: () => ({ reason: z.optional(text(200)) }),
      output: shown,
      handle: async ({ input, principal }) => show(await pause.pause(principal.name, input.reason)),
    }),
    route({
      ...shared,
      call: 'DELETE /v1/pause',
      operationId: 'resumeSending',
      summary: 'Resume sending; waiting work is sent',
      write: true,
      output: shown,
      handle: async ({ principal }) => {
        await pause.resume(principal.name, (ended, end) => announce(ended, principal.name, end));
        return show(await pause.current());
      },
    }),
  ];
}

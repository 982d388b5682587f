import type { Principal } from '../api/key-check.ts';
import { Answer, type Route, route } from '../api/route.ts';
import { controlNeed, covers, requireScope } from '../api/scopes.ts';
import { showRun } from '../automations/runs/routes.ts';
import { showDelivery } from '../subscriptions/delivery-routes.ts';
import { changesSince, type StreamCursor, type StreamFrame, type StreamServices, streamStart } from './changes.ts';

/** The delay after which a browser reconnects once a response has ended, in milliseconds. */
const retryMs = 5_000;

/**
 * Live updates as server-sent events. The response ends, and the client reconnects with `Last-Event-ID`, as every `EventSource`
 * does by itself; on one machine the connection stays open instead (`docs/decisions/032-live-stream.md`).
 */
export function streamRoutes(services: StreamServices): Route[] {
  return [
    route({
      tag: 'Events',
      method: 'GET',
      path: '/v1/stream',
      operationId: 'streamChanges',
      summary: 'Follow events, runs and deliveries live, as server-sent events',
      handle: async ({ request, principal }) => {
        const areas = ['events', 'runs', 'deliveries'] as const;
        if (!areas.some((area) => covers(principal.scopes, controlNeed(area, false))))
          requireScope(principal.scopes, controlNeed('events', false));
        const given = cursorOf(request.headers['last-event-id']);
        const page = given
          ? await changesSince(services, principal, given)
          : { frames: [], cursor: await streamStart(services), more: false };
        const { position, stamp } = page.cursor;
        const text = [
          `retry: ${page.more ? 0 : retryMs}\n\n`,
          ...page.frames.map((frame) => frameText(frame, principal, services.clock.now())),
          // Last, so that a client whose connection breaks before it receives this line requests everything again.
          `id: ${position}-${stamp}\n\n`,
        ].join('');
        return new Answer(200, text, { 'content-type': 'text/event-stream', 'cache-control': 'no-store' });
      },
    }),
  ];
}

function frameText(frame: StreamFrame, principal: Principal, now: number): string {
  const body =
    frame.kind === 'event'
      ? frame.body
      : frame.kind === 'run'
        ? showRun(frame.item, principal, now)
        : showDelivery(frame.item);
  return `event: ${frame.kind}\ndata: ${JSON.stringify(body)}\n\n`;
}

/** The cursor in a `Last-Event-ID`; an unknown one starts at the present. */
function cursorOf(id: string | undefined): StreamCursor | undefined {
  const [, position, stamp] = /^(\d{1,15})-(\d{1,15})$/.exec(id ?? '') ?? [];
  return position === undefined ? undefined : { position: Number(position), stamp: Number(stamp) };
}

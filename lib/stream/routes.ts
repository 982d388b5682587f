import type { Principal } from '../api/keys/key-check.ts';
import { showPause } from '../api/pause/routes.ts';
import { Answer, type Route, route } from '../api/route.ts';
import { controlNeed, covers, requireScope } from '../api/scopes.ts';
import { showRun } from '../automations/runs/routes.ts';
import { showDelivery } from '../subscriptions/deliveries/routes.ts';
import { changesSince, type StreamCursor, type StreamedChange, type StreamServices, streamStart } from './changes.ts';

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
      call: 'GET /v1/stream',
      operationId: 'streamChanges',
      summary: 'Follow events, runs, deliveries, pauses and changes of automations live, as server-sent events',
      handle: async ({ request, principal }) => {
        const areas = ['events', 'runs', 'deliveries', 'pause', 'automations'] as const;
        if (!areas.some((area) => covers(principal.scopes, controlNeed(area, false))))
          requireScope(principal.scopes, controlNeed('events', false));
        const given = cursorOf(request.headers['last-event-id']);
        const page = given
          ? await changesSince(services, principal, given)
          : { changes: [], cursor: await streamStart(services), more: false };
        const { position, stamp, pausedSince, automations } = page.cursor;
        const text = [
          `retry: ${page.more ? 0 : retryMs}\n\n`,
          ...page.changes.map((change) => changeText(change, principal, services.clock.now())),
          // Last, so that a client whose connection breaks before it receives this line requests everything again.
          `id: ${position}-${stamp}-${pausedSince}-${automations}\n\n`,
        ].join('');
        return new Answer(200, text, { 'content-type': 'text/event-stream', 'cache-control': 'no-store' });
      },
    }),
  ];
}

function changeText(change: StreamedChange, principal: Principal, now: number): string {
  return `event: ${change.kind}\ndata: ${JSON.stringify(bodyOf(change, principal, now))}\n\n`;
}

function bodyOf(change: StreamedChange, principal: Principal, now: number): object {
  switch (change.kind) {
    case 'event':
      return change.body;
    case 'run':
      return showRun(change.item, principal, now);
    case 'delivery':
      return showDelivery(change.item);
    case 'pause':
      return showPause(change.state);
    case 'automations':
      return { version: change.version };
  }
}

/** The cursor in a `Last-Event-ID`; an unknown one starts at the present. */
function cursorOf(id: string | undefined): StreamCursor | undefined {
  if (!/^\d{1,15}(-\d{1,15}){3}$/.test(id ?? '')) return undefined;
  const [position = 0, stamp = 0, pausedSince = 0, automations = 0] = (id ?? '').split('-').map(Number);
  return { position, stamp, pausedSince, automations };
}

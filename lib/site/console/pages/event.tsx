import { may } from '../api.ts';
import { useLive } from '../live.ts';
import { Empty, Json, Loading, Notice, Page, Section, Time } from '../parts.tsx';
import type { Run, TrunklineEvent } from '../readings.ts';
import { Link } from '../router.tsx';
import { vendorTitle } from '../words.ts';
import { RunRow } from './runs.tsx';

/** How long after an event its runs are looked for, in milliseconds. */
const startsWithinMs = 10 * 60_000;

/** One event: its content, and what it started. */
export function EventPage({ params: [id = ''] }: { params: readonly string[] }) {
  const { data: event, problem, reload } = useLive<TrunklineEvent>(`/v1/events/${id}`, 0);
  const back = { to: '/events', name: 'Events' };
  if (!event) {
    return (
      <Page title="Event" back={back}>
        {problem ? <Notice problem={problem} onRetry={() => void reload()} /> : <Loading rows={3} />}
      </Page>
    );
  }
  return (
    <Page title={event.type} back={back}>
      <dl class="facts">
        <div>
          <dt>Happened</dt>
          <dd>
            <Time iso={event.timestamp} exact /> · <Time iso={event.timestamp} />
          </dd>
        </div>
        <div>
          <dt>Came from</dt>
          <dd>
            {event.vendor === 'trunkline' ? (
              event.connection.startsWith('hook-') ? (
                <Link to={`/hooks/${event.connection}`}>a hook</Link>
              ) : (
                'Trunkline itself'
              )
            ) : (
              <Link to={`/connections/${event.vendor}/${event.connection}`}>
                {vendorTitle(event.vendor)} · {event.connection}
              </Link>
            )}
          </dd>
        </div>
        <div>
          <dt>Id</dt>
          <dd class="mono small">{event.id}</dd>
        </div>
      </dl>
      {may('runs', 'read') && <Started event={event} />}
      <Section title="Content">
        <Json label="Event" value={event} />
      </Section>
    </Page>
  );
}

function Started({ event }: { event: TrunklineEvent }) {
  const at = Date.parse(event.timestamp);
  const iso = (time: number) => new Date(time).toISOString();
  const { data } = useLive<Run[]>(
    `/v1/runs?since=${iso(at - startsWithinMs)}&until=${iso(at + startsWithinMs)}&limit=200`,
    3000,
  );
  const runs = data?.filter(({ eventId }) => eventId === event.id);
  return (
    <Section title="Started" count={runs?.length}>
      {!runs && <Loading rows={1} />}
      {runs?.length === 0 && (
        <Empty title="No run was started by it within ten minutes.">
          <p>An automation must be enabled and wait for this type, connection or hook.</p>
        </Empty>
      )}
      {runs && runs.length > 0 && (
        <ul class="rows">
          {runs.map((run) => (
            <RunRow key={run.id} run={run} />
          ))}
        </ul>
      )}
    </Section>
  );
}

import { may } from '../api.ts';
import { useLive } from '../live.ts';
import { Empty, Json, Page, Section, When } from '../parts.tsx';
import type { Run, TrunklineEvent } from '../readings.ts';
import { Link } from '../router.tsx';
import { Fact, LiveItem, LiveList } from '../rows.tsx';
import { connectionTitle } from '../words.ts';
import { RunRow } from './runs.tsx';

/** How long after an event its runs are looked for, in milliseconds. */
const startsWithinMs = 10 * 60_000;

const back = { to: '/events', name: 'Events' };

/** One event: its content, and what it started. */
export function EventPage({ params: [id = ''] }: { params: readonly string[] }) {
  const event = useLive<TrunklineEvent>(`/v1/events/${id}`, 0);
  return (
    <LiveItem live={event} title="Event" back={back} missing={<p>Events are kept for 30 days.</p>}>
      {(each) => <KnownEvent event={each} />}
    </LiveItem>
  );
}

function KnownEvent({ event }: { event: TrunklineEvent }) {
  return (
    <Page title={event.type} back={back}>
      <dl class="facts">
        <Fact name="Happened">
          <When iso={event.timestamp} />
        </Fact>
        <Fact name="Came from">
          {event.vendor === 'trunkline' ? (
            event.connection.startsWith('hook-') ? (
              <Link to={`/hooks/${event.connection}`}>a hook</Link>
            ) : (
              'Trunkline itself'
            )
          ) : (
            <Link to={`/connections/${event.vendor}/${event.connection}`}>
              {connectionTitle({ vendor: event.vendor, name: event.connection })}
            </Link>
          )}
        </Fact>
        <Fact name="Id" mono>
          {event.id}
        </Fact>
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
  const runs = useLive<Run[]>(
    `/v1/runs?event=${event.id}&since=${iso(at - startsWithinMs)}&until=${iso(at + startsWithinMs)}&limit=200`,
    3000,
  );
  return (
    <Section title="Started" count={runs.data?.length}>
      <LiveList
        live={runs}
        loading={1}
        empty={
          <Empty title="It started no run within ten minutes.">
            <p>An automation must be on and wait for this type, connection or hook.</p>
          </Empty>
        }
      >
        {(run) => <RunRow key={run.id} run={run} />}
      </LiveList>
    </Section>
  );
}

import { useState } from 'preact/hooks';
import { may, mayCall } from '../api.ts';
import { SelectField } from '../fields.tsx';
import { useLive } from '../live.ts';
import { Empty, Loading, Notice, Page, Section, type Tone } from '../parts.tsx';
import { type Place, PositionMap } from '../position-map.tsx';
import type { Choice, Connection } from '../readings.ts';
import { Link, query, setQuery } from '../router.tsx';
import { LiveList, Row } from '../rows.tsx';
import { ago, now } from '../time.ts';
import { count } from '../words.ts';
import { timeIn } from '../zone-time.ts';

interface User {
  id: number;
  strId: string;
  name: string;
  latitude?: number | null;
  longitude?: number | null;
  locationDate?: string;
}

/** Up to which age a position counts as current, and as recent, in milliseconds. */
const currentMs = 15 * 60_000;
const recentMs = 2 * 60 * 60_000;

export function People() {
  const connections = useLive<Connection[]>('/v1/connections?vendor=proptt2', 30_000);
  const known = (connections.data ?? []).filter(({ name }) => mayCall('proptt2', name, 'getUserList'));
  const chosen = known.find(({ name }) => name === query.value.get('connection')) ?? known[0];
  return (
    <Page title="People" lead="Where the radios were last seen, and who is in which channel.">
      <Notice problem={connections.problem} onRetry={() => void connections.reload()} />
      {!connections.data && !connections.problem && <Loading rows={3} />}
      {connections.data && !chosen && (
        <Empty title={connections.data.length === 0 ? 'No radio server is connected.' : 'This key may not read users.'}>
          {connections.data.length === 0 && may('connections', 'write') ? (
            <Link to="/connections?new=" class="button">
              Connect ProPTT2
            </Link>
          ) : (
            <p>
              It needs a scope such as <code>proptt2/*/getUserList</code>.
            </p>
          )}
        </Empty>
      )}
      {known.length > 1 && chosen && (
        <div class="filters">
          <SelectField
            label="Radio server"
            value={chosen.name}
            options={known.map(({ name }) => [name, name])}
            onChange={(connection) => setQuery({ connection })}
          />
        </div>
      )}
      {chosen && <Radios key={chosen.name} connection={chosen} />}
    </Page>
  );
}

function Radios({ connection: { name, settings } }: { connection: Connection }) {
  const users = useLive<{ users?: User[] }>(`/v1/proptt2/${name}/getUserList`, 30_000);
  const zone = typeof settings.timeZone === 'string' ? settings.timeZone : 'UTC';
  // The oldest first: on the map, the newest is drawn on top.
  const people = (users.data?.users ?? [])
    .map((user) => positionOf(user, zone))
    .sort((one, other) => (one.at ?? 0) - (other.at ?? 0));
  const places = people.filter((person) => person.place !== undefined);
  const unknown = people.filter((person) => person.place === undefined);
  const future = places.some(({ at = 0 }) => at - now.value > 5 * 60_000);
  return (
    <>
      <Notice problem={users.problem} onRetry={() => void users.reload()} />
      {!users.data && !users.problem && <Loading rows={4} />}
      {future && (
        <p class="notice bad">
          A position lies in the future, so the time zone of this connection is wrong.{' '}
          <Link to={`/connections/proptt2/${name}`}>Set the time zone</Link>
        </p>
      )}
      {users.data && (
        <Section title="Positions" count={places.length}>
          {places.length === 0 ? (
            <Empty title="No position is known." icon="people">
              <p>Radios send positions when their channel shares locations.</p>
            </Empty>
          ) : (
            <PositionMap places={places.flatMap(({ place }) => (place ? [place] : []))} />
          )}
          <ul class="rows">
            {places.toReversed().map(({ user, tone, at }) => (
              <Row
                key={user.id}
                tone={tone}
                title={user.name}
                text={user.strId}
                side={[
                  at === undefined ? 'time unknown' : ago(new Date(at).toISOString()),
                  `${user.latitude?.toFixed(5)}, ${user.longitude?.toFixed(5)}`,
                ]}
              />
            ))}
          </ul>
        </Section>
      )}
      {unknown.length > 0 && (
        <Section title="Position unknown" count={unknown.length}>
          <p>{unknown.map(({ user }) => user.name).join(', ')}</p>
        </Section>
      )}
      {mayCall('proptt2', name, 'getChannelList') && mayCall('proptt2', name, 'getUsersOfChannel') && (
        <Channels connection={name} />
      )}
    </>
  );
}

interface Person {
  user: User;
  tone: Tone;
  /** Epoch milliseconds. */
  at: number | undefined;
  place: Place | undefined;
}

function positionOf(user: User, zone: string): Person {
  const { latitude, longitude, locationDate } = user;
  const time = locationDate ? timeIn(zone, locationDate) : Number.NaN;
  const at = Number.isNaN(time) ? undefined : time;
  const age = at === undefined ? Number.POSITIVE_INFINITY : now.value - at;
  const tone: Tone = age <= currentMs ? 'good' : age <= recentMs ? 'warn' : 'idle';
  // A radio without a fix reports 0, 0.
  const isKnown = typeof latitude === 'number' && typeof longitude === 'number' && (latitude !== 0 || longitude !== 0);
  return { user, tone, at, place: isKnown ? { name: user.name, latitude, longitude, tone } : undefined };
}

function Channels({ connection }: { connection: string }) {
  const channels = useLive<Choice[]>(`/v1/choices/proptt2/${connection}/channels`, 60_000);
  return (
    <Section title="Channels" count={channels.data?.length}>
      <LiveList live={channels} empty={<Empty title="There is no channel." />}>
        {(channel) => (
          <Row key={channel.id} title={channel.name} text={channel.detail !== undefined && `Channel ${channel.detail}`}>
            <Members connection={connection} channel={channel.id} />
          </Row>
        )}
      </LiveList>
    </Section>
  );
}

/** The members of a channel, read when they are asked for. */
function Members({ connection, channel }: { connection: string; channel: string | number }) {
  const [open, setOpen] = useState(false);
  const { data, problem } = useLive<Choice[]>(
    open ? `/v1/choices/proptt2/${connection}/participants?channelId=${channel}` : undefined,
    60_000,
  );
  return (
    <details class="json" onToggle={(event) => setOpen(event.currentTarget.open)}>
      <summary>Members</summary>
      <Notice problem={problem} />
      {data && (
        <p>
          {data.length === 0
            ? 'Nobody: a message to this channel reaches no radio.'
            : `${count(data.length, 'member')}: ${data.map(({ name }) => name).join(', ')}`}
        </p>
      )}
    </details>
  );
}

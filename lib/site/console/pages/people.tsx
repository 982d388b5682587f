import { useState } from 'preact/hooks';
import { parseTime } from '../../../core/zone-time.ts';
import { may, mayCall } from '../api.ts';
import { Button } from '../button.tsx';
import { FormDialog } from '../dialog.tsx';
import { SelectField, TextField } from '../fields.tsx';
import { useLive } from '../live.ts';
import { Badge, Empty, Loading, Mark, Notice, Page, Section, Time, type Tone } from '../parts.tsx';
import { type Place, PositionMap } from '../position-map.tsx';
import type { Automation, Choice, Connection, Run, WholeRun } from '../readings.ts';
import { Link, query, setQuery } from '../router.tsx';
import { LiveList, Row } from '../rows.tsx';
import { storeTiles, tileProblem, tiles } from '../tiles.ts';
import { ago, now } from '../time.ts';
import { callsOf, count } from '../words.ts';

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
  const [choosing, setChoosing] = useState(false);
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
      {users.data && may('automations', 'read') && may('runs', 'read') && <OnShift connection={name} people={people} />}
      {users.data && (
        <Section
          title="Positions"
          count={places.length}
          actions={
            <Button small onClick={() => setChoosing(true)}>
              {tiles ? 'Change the map' : 'Choose a map'}
            </Button>
          }
        >
          {places.length === 0 ? (
            <Empty title="No position is known." icon="people">
              <p>Radios send positions when their channel shares locations.</p>
            </Empty>
          ) : (
            <>
              <PositionMap places={places.flatMap(({ place }) => (place ? [place] : []))} />
              <p class="muted small legend">
                <Badge tone="good">in the last 15 minutes</Badge> <Badge tone="warn">in the last two hours</Badge>{' '}
                <Badge tone="idle">longer ago</Badge>
              </p>
            </>
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
      {choosing && <TilesDialog onClose={() => setChoosing(false)} />}
    </>
  );
}

/** Asks for the address of map tiles. */
function TilesDialog({ onClose }: { onClose: () => void }) {
  const [url, setUrl] = useState(tiles?.url ?? '');
  const [attribution, setAttribution] = useState(tiles?.attribution ?? '');
  const problem = url === '' ? undefined : tileProblem(url);
  return (
    <FormDialog
      title="The map below the positions"
      submit={url === '' ? 'Use no map' : 'Use this map'}
      disabled={problem !== undefined}
      onClose={onClose}
      onSubmit={async () => storeTiles(url === '' ? undefined : { url, attribution: attribution.trim() })}
    >
      <p>
        Positions are drawn to scale on an empty sheet, or on the tiles of a map server of your choice. This browser
        then asks that server for the area that you view, and nothing else is sent to it.
      </p>
      <TextField
        label="Address of the tiles"
        value={url}
        onChange={(next) => setUrl(next.trim())}
        placeholder="https://tiles.example.com/{z}/{x}/{y}.png"
        wrong={problem && `The address ${problem}.`}
        hint="With {z}, {x} and {y} for zoom level, column and row. Empty shows no map."
      />
      <TextField
        label="Attribution"
        maxLength={200}
        value={attribution}
        onChange={setAttribution}
        hint="The line that the map server asks you to show."
      />
    </FormDialog>
  );
}

/** An entry of a rota, as the step `shift` of the rota recipe gives it. */
interface Shift {
  userId: number;
  channelId: number;
  role?: number;
}

/** How old the last look at the rota may be, in milliseconds: the recipe looks every five minutes. */
const rotaLateMs = 15 * 60_000;
const roles: Readonly<Record<number, string>> = { 20: 'receiver', 90: 'operator' };

/** Who is on shift, by the last run of the automation that keeps the rota of this radio server. */
function OnShift({ connection, people }: { connection: string; people: readonly Person[] }) {
  const automations = useLive<Automation[]>('/v1/automations', 60_000);
  const rota = automations.data?.find(
    ({ do: steps }) =>
      steps.some(({ name }) => name === 'shift') && callsOf(steps).includes(`proptt2/${connection}/linkUserToChannel`),
  );
  const last = useLive<Run[]>(rota && `/v1/runs?automation=${rota.id}&state=succeeded&limit=1`, 30_000);
  const run = useLive<WholeRun>(last.data?.[0] && `/v1/runs/${last.data[0].id}`, 0);
  const channels = useLive<Choice[]>(rota && `/v1/choices/proptt2/${connection}/channels`, 60_000);
  // The form that the recipe gives its step.
  const output = run.data?.steps.find(({ name }) => name === 'shift')?.output as { wanted?: Shift[] } | undefined;
  if (!automations.data && !automations.problem) return null;
  const at = run.data?.createdAt;
  const isLate = at !== undefined && now.value - Date.parse(at) > rotaLateMs;
  const nobody = !rota ? (
    <Empty title="No rota is known." icon="clock">
      <p>With the recipe Rota, people on shift are linked to their channels by a table, and are listed here.</p>
      {may('automations', 'write') && (
        <Link to="/recipes/rota" class="button">
          Install the rota
        </Link>
      )}
    </Empty>
  ) : last.data?.length === 0 ? (
    <Empty title="The rota has not been read yet." icon="clock">
      <Link to={`/automations/${rota.id}`}>{rota.name}</Link>
    </Empty>
  ) : (
    <Empty title="Nobody is on shift." icon="clock" />
  );
  return (
    <Section
      title="On shift"
      count={output?.wanted?.length}
      actions={
        at !== undefined &&
        rota && (
          <Link to={`/automations/${rota.id}`}>
            {rota.name}, read <Time iso={at} />
          </Link>
        )
      }
    >
      {isLate && (
        <p class="notice warn">
          <Mark tone="warn" />
          <span>The rota was last read {ago(at)}, so shifts may have changed since then.</span>
        </p>
      )}
      <LiveList
        live={{ ...run, data: rota && last.data?.[0] ? output && (output.wanted ?? []) : [] }}
        loading={1}
        empty={nobody}
      >
        {({ userId, channelId, role = 0 }) => {
          const person = people.find(({ user }) => user.id === userId);
          const channel = channels.data?.find(({ id }) => Number(id) === channelId);
          return (
            <Row
              key={`${userId} ${channelId}`}
              tone={person?.tone ?? 'idle'}
              title={person?.user.name ?? `User ${userId}`}
              text={[channel?.name ?? `Channel ${channelId}`, roles[role]].filter(Boolean).join(', ')}
              side={[person?.at === undefined ? 'no position' : `seen ${ago(new Date(person.at).toISOString())}`]}
            />
          );
        }}
      </LiveList>
    </Section>
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
  const at = locationDate ? parseTime(locationDate, zone, now.value) : undefined;
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

import { useState } from 'preact/hooks';
import { call, may } from '../api.ts';
import { useLive } from '../live.ts';
import { Empty, Page, When } from '../parts.tsx';
import type { Connection, TrunklineEvent } from '../readings.ts';
import { query, setQuery } from '../router.tsx';
import { LiveList, Row } from '../rows.tsx';
import { connectionTitle } from '../words.ts';

const pageSize = 100;

/** The event log, newest first, with a search within the page. */
export function Events() {
  const type = query.value.get('type') ?? '';
  const connection = query.value.get('connection') ?? '';
  const search = (query.value.get('q') ?? '').toLowerCase();
  const types = useLive<{ id: string }[]>('/v1/choices/event-types', 0);
  const connections = useLive<Connection[]>(may('connections', 'read') ? '/v1/connections' : undefined, 0);
  const [older, setOlder] = useState<{ of: string; events: TrunklineEvent[]; end: boolean }>({
    of: '',
    events: [],
    end: false,
  });
  const filters = new URLSearchParams({
    limit: String(pageSize),
    ...(type && { type }),
    ...(connection && { connection }),
  }).toString();
  const events = useLive<TrunklineEvent[]>(`/v1/events?${filters}`, 3000);
  const { data } = events;
  const kept = older.of === filters ? older : { events: [], end: false };
  const known = new Set(data?.map(({ id }) => id));
  const all = [...(data ?? []), ...kept.events.filter(({ id }) => !known.has(id))];
  const found = search === '' ? all : all.filter((event) => JSON.stringify(event).toLowerCase().includes(search));
  const more = async () => {
    const last = all.at(-1);
    if (!last) return;
    const next = await call<TrunklineEvent[]>('GET', `/v1/events?${filters}&before=${last.id}`);
    setOlder({ of: filters, events: [...kept.events, ...next], end: next.length < pageSize });
  };
  const filtered = type !== '' || connection !== '' || search !== '';
  return (
    <Page
      title="Events"
      lead="What happened at the vendors, at the hooks and in Trunkline itself. Events are kept for 30 days."
    >
      <div class="filters">
        <input
          type="search"
          aria-label="Search"
          placeholder="Search the events shown"
          value={query.value.get('q') ?? ''}
          onInput={(event) => setQuery({ q: event.currentTarget.value })}
        />
        <select aria-label="Type" value={type} onChange={(event) => setQuery({ type: event.currentTarget.value })}>
          <option value="">Every type</option>
          {types.data?.map(({ id }) => (
            <option key={id} value={id}>
              {id}
            </option>
          ))}
        </select>
        <select
          aria-label="Connection"
          value={connection}
          onChange={(event) => setQuery({ connection: event.currentTarget.value })}
        >
          <option value="">Every connection</option>
          {connections.data?.map(({ id, vendor, name }) => (
            <option key={id} value={id}>
              {connectionTitle({ vendor, name })}
            </option>
          ))}
        </select>
      </div>
      <LiveList
        live={{ ...events, data: data && found }}
        loading={6}
        label="Events, newest first"
        empty={
          <Empty title={filtered ? 'No event matches.' : 'Nothing has happened yet.'} icon="events">
            {filtered ? (
              <button
                type="button"
                class="button"
                onClick={() => setQuery({ type: undefined, connection: undefined, q: undefined })}
              >
                Show every event
              </button>
            ) : (
              <p>Post to a hook, write into a room or change a row, and it appears here.</p>
            )}
          </Empty>
        }
      >
        {(event) => (
          <Row
            key={event.id}
            to={`/events/${event.id}`}
            title={event.type}
            mono
            text={gist(event)}
            side={[
              connectionTitle({ vendor: event.vendor, name: event.connection }),
              <When key="at" iso={event.timestamp} />,
            ]}
          />
        )}
      </LiveList>
      {data && data.length === pageSize && !kept.end && (
        <div class="more-row">
          <button type="button" class="button" onClick={() => void more()}>
            Show older events
          </button>
        </div>
      )}
    </Page>
  );
}

/** A one-line summary of an event: as many of its plain values as fit. */
function gist({ data }: TrunklineEvent): string {
  const inner = data.body !== null && typeof data.body === 'object' ? (data.body as Record<string, unknown>) : data;
  const parts = Object.entries(inner).flatMap(([name, value]) =>
    (typeof value === 'string' && value !== '') || typeof value === 'number' || typeof value === 'boolean'
      ? [`${name} ${String(value).slice(0, 80)}`]
      : [],
  );
  return parts.slice(0, 6).join(' · ');
}

import { may } from '../api.ts';
import { Button } from '../button.tsx';
import { useList, useLive } from '../live.ts';
import { Empty, Page, When } from '../parts.tsx';
import type { Connection, Hook, TrunklineEvent } from '../readings.ts';
import { query, setQuery } from '../router.tsx';
import { LiveList, Row } from '../rows.tsx';
import { connectionTitle, gist } from '../words.ts';

/** The event log, newest first, with a search within the page. */
export function Events() {
  const type = query.value.get('type') ?? '';
  const connection = query.value.get('connection') ?? '';
  const search = (query.value.get('q') ?? '').toLowerCase();
  const types = useLive<{ id: string }[]>('/v1/choices/event-types', 0);
  const connections = useLive<Connection[]>(may('connections', 'read') ? '/v1/connections' : undefined, 0);
  const hooks = useLive<Hook[]>(may('hooks', 'read') ? '/v1/hooks' : undefined, 0);
  const filters = new URLSearchParams({ ...(type && { type }), ...(connection && { connection }) });
  const events = useList<TrunklineEvent>(`/v1/events?${filters}`, {
    everyMs: 3000,
    at: ({ timestamp }) => timestamp,
  });
  const found = search
    ? events.data?.filter((event) => JSON.stringify(event).toLowerCase().includes(search))
    : events.data;
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
          {[...new Set([...(types.data ?? []).map(({ id }) => id), ...(type === '' ? [] : [type])])].map((id) => (
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
          {hooks.data?.map(({ id, name }) => (
            <option key={id} value={id}>
              {name}
            </option>
          ))}
          {connection !== '' &&
            ![...(connections.data ?? []), ...(hooks.data ?? [])].some(({ id }) => id === connection) && (
              <option value={connection}>{connection}</option>
            )}
        </select>
      </div>
      <LiveList
        live={{ ...events, data: found }}
        loading={6}
        label="Events, newest first"
        empty={
          <Empty title={filtered ? 'No event matches.' : 'Nothing has happened yet.'} icon="events">
            {filtered ? (
              <Button onClick={() => setQuery({ type: undefined, connection: undefined, q: undefined })}>
                Show every event
              </Button>
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
            side={[sourceName(event, hooks.data ?? []), <When key="at" iso={event.timestamp} />]}
          />
        )}
      </LiveList>
    </Page>
  );
}

/** Where an event came from, by its name. */
function sourceName({ vendor, connection }: TrunklineEvent, hooks: readonly Hook[]): string {
  if (vendor !== 'trunkline') return connectionTitle({ vendor, name: connection });
  return hooks.find(({ id }) => id === connection)?.name ?? 'Trunkline itself';
}

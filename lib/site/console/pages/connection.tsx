import { useEffect, useState } from 'preact/hooks';
import { call, may } from '../api.ts';
import { Findings } from '../findings.tsx';
import { reloadAll, useLive } from '../live.ts';
import { Dialog, Empty, Loading, Mark, Notice, Page, Section, say, Time, useAction } from '../parts.tsx';
import type { Connection, Finding, TrunklineEvent } from '../readings.ts';
import { go, Link } from '../router.tsx';
import {
  type ApiDocument,
  apiDocument,
  bodyOf,
  exampleOf,
  fieldTitle,
  formsOf,
  formWith,
  resolved,
} from '../schema.ts';
import { SchemaForm, type Values } from '../schema-form.tsx';
import { ago, until } from '../time.ts';
import { connectionState, connectionTitle, vendorTitle } from '../words.ts';

/** One connection: its session, how its events are read, its settings, and a check with an explanation. */
export function ConnectionPage({ params: [vendor = '', name = ''] }: { params: readonly string[] }) {
  const id = `${vendor}/${name}`;
  const { data: connection, problem, reload } = useLive<Connection>(`/v1/connections/${id}`, 3000);
  const [editing, setEditing] = useState<'settings' | 'credentials'>();
  const [deleting, setDeleting] = useState(false);
  const [result, setResult] = useState<{ ok: boolean; findings: Finding[] }>();
  const check = useAction();
  const history = useLive<TrunklineEvent[]>(
    may('events', 'read') ? `/v1/events?connection=${encodeURIComponent(id)}&limit=10` : undefined,
    5000,
  );
  const back = { to: '/connections', name: 'Connections' };
  if (!connection) {
    return (
      <Page title={`${vendorTitle(vendor)} · ${name}`} back={back}>
        {problem?.status === 404 ? (
          <Empty title="There is no such connection." icon="connections" />
        ) : problem ? (
          <Notice problem={problem} onRetry={() => void reload()} />
        ) : (
          <Loading rows={4} />
        )}
      </Page>
    );
  }
  const { tone, word, sentence } = connectionState(connection);
  const write = may('connections', 'write');
  const { session } = connection;
  return (
    <Page
      title={connectionTitle(connection)}
      back={back}
      actions={
        write && (
          <>
            <button
              type="button"
              class="button primary"
              disabled={check.busy}
              onClick={() =>
                void check.run(async () => {
                  setResult(await call('POST', `/v1/connections/${id}/check`, {}));
                  reloadAll();
                })
              }
            >
              {check.busy ? 'Checking…' : 'Check it now'}
            </button>
            <button type="button" class="button" onClick={() => setEditing('credentials')}>
              New credentials
            </button>
          </>
        )
      }
    >
      <div class={`verdict ${tone}`}>
        <Mark tone={tone} large />
        <div>
          <p class="verdict-word">{word}</p>
          <p>{sentence}</p>
        </div>
      </div>
      <Notice problem={check.problem} />
      {result && (
        <Section title="Check">
          <Findings {...result} />
        </Section>
      )}
      <Section title="Session">
        <dl class="facts panel">
          <Fact name="Live since" iso={session.liveSince} />
          <Fact name="Last keepalive" iso={session.keptAliveAt} />
          {session.nextKeepAliveAt && (
            <div>
              <dt>Next keepalive</dt>
              <dd>{until(session.nextKeepAliveAt)}</dd>
            </div>
          )}
          {session.expiresAt && (
            <div>
              <dt>Ends without a keepalive</dt>
              <dd>{until(session.expiresAt)}</dd>
            </div>
          )}
          {session.generation !== undefined && (
            <div>
              <dt>Logins so far</dt>
              <dd>{session.generation}</dd>
            </div>
          )}
        </dl>
      </Section>
      <Section title="Reading events">
        {(connection.events ?? []).length === 0 ? (
          <Empty title="No event is read from this connection.">
            <p>
              {connection.settings.pollEvents === false
                ? 'The setting pollEvents switches it off.'
                : 'Reading starts with the next minute.'}
            </p>
          </Empty>
        ) : (
          <ul class="rows">
            {connection.events?.map(({ source, lookedAt, nextLookAt, failures, problem: why }) => (
              <li key={source} class={`row ${failures > 0 ? 'warn' : 'good'}`}>
                <div class="row-in">
                  <Mark tone={failures > 0 ? 'warn' : 'good'} />
                  <span class="row-main">
                    <span class="row-title">{fieldTitle(source)}</span>
                    <span class="row-text">
                      {failures > 0
                        ? `Failed ${failures} ${failures === 1 ? 'time' : 'times'} in a row: ${why ?? ''}`
                        : 'Polled without a fault.'}
                    </span>
                  </span>
                  <span class="row-side">
                    <span>{lookedAt ? ago(lookedAt) : 'not yet'}</span>
                    {nextLookAt && <span class="muted">next {until(nextLookAt)}</span>}
                  </span>
                </div>
              </li>
            ))}
          </ul>
        )}
      </Section>
      <Section
        title="Settings"
        actions={
          write && (
            <button type="button" class="button small" onClick={() => setEditing('settings')}>
              Change
            </button>
          )
        }
      >
        <dl class="facts panel">
          {Object.entries(connection.settings).map(([setting, value]) => (
            <div key={setting}>
              <dt>{fieldTitle(setting)}</dt>
              <dd>{typeof value === 'boolean' ? (value ? 'yes' : 'no') : String(value)}</dd>
            </div>
          ))}
          <div>
            <dt>Stored credentials</dt>
            <dd>{connection.credentials.map(fieldTitle).join(', ') || 'none'}</dd>
          </div>
        </dl>
      </Section>
      {history.data && (
        <Section title="Latest events" actions={<Link to={`/events?connection=${encodeURIComponent(id)}`}>All</Link>}>
          {history.data.length === 0 ? (
            <Empty title="Nothing has happened here yet." />
          ) : (
            <ul class="rows">
              {history.data.map((event) => (
                <li key={event.id} class="row">
                  <Link to={`/events/${event.id}`}>
                    <span class="row-main mono">{event.type}</span>
                    <span class="row-side">
                      <Time iso={event.timestamp} />
                    </span>
                  </Link>
                </li>
              ))}
            </ul>
          )}
        </Section>
      )}
      {write && (
        <p class="danger-row">
          <button type="button" class="button" onClick={() => setDeleting(true)}>
            Delete this connection
          </button>
        </p>
      )}
      {editing && <Edit connection={connection} part={editing} onClose={() => setEditing(undefined)} />}
      {deleting && <Delete connection={connection} onClose={() => setDeleting(false)} />}
    </Page>
  );
}

function Fact({ name, iso }: { name: string; iso: string | undefined }) {
  if (iso === undefined) return null;
  return (
    <div>
      <dt>{name}</dt>
      <dd>
        <Time iso={iso} exact /> · <Time iso={iso} />
      </dd>
    </div>
  );
}

/** Changes the settings, or replaces the credentials, which also unlocks a locked connection. */
function Edit({
  connection,
  part,
  onClose,
}: {
  connection: Connection;
  part: 'settings' | 'credentials';
  onClose: () => void;
}) {
  const [document, setDocument] = useState<ApiDocument>();
  const [value, setValue] = useState<Values>(part === 'settings' ? connection.settings : {});
  const load = useAction();
  const action = useAction();
  useEffect(() => {
    void load.run(async () => setDocument(await apiDocument()));
  }, []);
  const form =
    document && formWith(formsOf(document, bodyOf(document, 'post', '/v1/connections')), 'vendor', connection.vendor);
  const save = () =>
    action.run(async () => {
      const removed = Object.keys(connection.settings).filter((name) => part === 'settings' && !(name in value));
      const change = { ...value, ...Object.fromEntries(removed.map((name) => [name, null])) };
      await call('PATCH', `/v1/connections/${connection.id}`, { [part]: change });
      reloadAll();
      say(part === 'settings' ? 'The settings are changed.' : 'The new credentials are stored.');
      onClose();
    });
  return (
    <Dialog
      title={part === 'settings' ? `Settings of ${connection.name}` : `New credentials for ${connection.name}`}
      onClose={onClose}
    >
      <form
        onSubmit={(event) => {
          event.preventDefault();
          void save();
        }}
      >
        {part === 'credentials' && <p>They replace the stored ones, and a locked connection is tried again.</p>}
        <Notice problem={load.problem} />
        {document && form ? (
          <SchemaForm
            document={document}
            schema={resolved(document, form.properties?.[part])}
            value={value}
            onChange={setValue}
            errors={action.problem?.errors ?? []}
            pointer={`/${part}`}
            usual={Object.keys(exampleOf(document, 'post', '/v1/connections', connection.vendor)[part] ?? {})}
          />
        ) : (
          !load.problem && <Loading />
        )}
        <Notice problem={action.problem} />
        <div class="dialog-actions">
          <button type="button" class="button" onClick={onClose}>
            Cancel
          </button>
          <button type="submit" class="button primary" disabled={action.busy || !form}>
            {action.busy ? 'Saving…' : 'Save'}
          </button>
        </div>
      </form>
    </Dialog>
  );
}

function Delete({ connection, onClose }: { connection: Connection; onClose: () => void }) {
  const [typed, setTyped] = useState('');
  const action = useAction();
  return (
    <Dialog title={`Delete ${connectionTitle(connection)}?`} onClose={onClose}>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          void action.run(async () => {
            await call('DELETE', `/v1/connections/${connection.id}`);
            say(`${connection.name} is deleted.`);
            go('/connections');
            reloadAll();
          });
        }}
      >
        <p>Its credentials and its session go with it. Automations that call it fail from then on.</p>
        <label for="typed">
          Type <code>{connection.name}</code> to confirm
        </label>
        <input id="typed" autocomplete="off" value={typed} onInput={(event) => setTyped(event.currentTarget.value)} />
        <Notice problem={action.problem} />
        <div class="dialog-actions">
          <button type="button" class="button" onClick={onClose}>
            Keep it
          </button>
          <button type="submit" class="button danger" disabled={action.busy || typed !== connection.name}>
            Delete
          </button>
        </div>
      </form>
    </Dialog>
  );
}

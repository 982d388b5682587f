import { useEffect, useState } from 'preact/hooks';
import { call, may } from '../api.ts';
import { Findings } from '../findings.tsx';
import { Icon } from '../icons.tsx';
import { reloadAll, useLive } from '../live.ts';
import { Dialog, Empty, Loading, Mark, Notice, Page, useAction } from '../parts.tsx';
import type { Connection, Finding } from '../readings.ts';
import { go, Link, query, setQuery } from '../router.tsx';
import {
  type ApiDocument,
  apiDocument,
  bodyOf,
  constantsOf,
  exampleOf,
  formsOf,
  formWith,
  resolved,
} from '../schema.ts';
import { SchemaForm, type Values } from '../schema-form.tsx';
import { connectionState, connectionTitle, vendorTitle } from '../words.ts';

/** The accounts at the vendors. */
export function Connections() {
  const { data, problem, reload } = useLive<Connection[]>('/v1/connections?events=true', 10_000);
  const search = (query.value.get('q') ?? '').toLowerCase();
  const shown = data?.filter((each) => connectionTitle(each).toLowerCase().includes(search));
  const write = may('connections', 'write');
  const create = write && (
    <button type="button" class="button primary" onClick={() => setQuery({ new: '1' })}>
      <Icon name="plus" />
      Connect a vendor
    </button>
  );
  return (
    <Page
      title="Connections"
      lead="One account at a radio server, a chat or a table. Credentials are stored apart and never shown again."
      actions={data && data.length > 0 && create}
    >
      {data && data.length > 10 && (
        <div class="filters">
          <input
            type="search"
            aria-label="Search connections"
            placeholder="Search by name"
            value={query.value.get('q') ?? ''}
            onInput={(event) => setQuery({ q: event.currentTarget.value })}
          />
        </div>
      )}
      <Notice problem={problem} onRetry={() => void reload()} />
      {!data && !problem && <Loading rows={4} />}
      {data?.length === 0 && (
        <Empty title="No vendor is connected yet." icon="connections">
          <p>Choose a vendor, enter the account, and let Trunkline check it.</p>
          {create}
        </Empty>
      )}
      {shown && data && data.length > 0 && shown.length === 0 && <Empty title="No connection has such a name." />}
      {shown && shown.length > 0 && (
        <ul class="rows">
          {shown.map((connection) => {
            const { tone, word, sentence } = connectionState(connection);
            return (
              <li key={connection.id} class={`row ${tone}`}>
                <Link to={`/connections/${connection.id}`}>
                  <Mark tone={tone} />
                  <span class="row-main">
                    <span class="row-title">{connectionTitle(connection)}</span>
                    <span class="row-text">{sentence}</span>
                  </span>
                  <span class="row-side">
                    <span class={`word ${tone}`}>{word}</span>
                  </span>
                </Link>
              </li>
            );
          })}
        </ul>
      )}
      {query.value.has('new') && write && <Wizard onClose={() => setQuery({ new: undefined })} />}
    </Page>
  );
}

const blurbs: Readonly<Record<string, string>> = {
  proptt2: 'Push-to-talk radio: channels, SOS, alerts, positions',
  talk: 'Chat and calls on any Nextcloud server',
  timetonic: 'Tables, rows, files and messages',
};

/** The steps from choosing a vendor to a checked connection. */
function Wizard({ onClose }: { onClose: () => void }) {
  const [document, setDocument] = useState<ApiDocument>();
  const [value, setValue] = useState<Values>({});
  const [made, setMade] = useState<Connection>();
  const load = useAction();
  const action = useAction();
  useEffect(() => {
    void load.run(async () => setDocument(await apiDocument()));
  }, []);
  const forms = document ? formsOf(document, bodyOf(document, 'post', '/v1/connections')) : [];
  const vendors = forms.flatMap((form) => constantsOf(form.properties?.vendor)).map(String);
  const vendor = value.vendor === undefined ? undefined : String(value.vendor);
  const form = formWith(forms, 'vendor', vendor);
  if (made) return <FirstCheck connection={made} onClose={onClose} />;
  if (!document || !form || vendor === undefined) {
    return (
      <Dialog title="Connect a vendor" onClose={onClose}>
        <div>
          <Notice problem={load.problem} />
          {!document && !load.problem && <Loading />}
          <ul class="rows">
            {vendors.map((each) => (
              <li key={each} class="row">
                <button type="button" class="row-in" onClick={() => setValue({ vendor: each })}>
                  <span class="row-main">
                    <span class="row-title">{vendorTitle(each)}</span>
                    <span class="row-text">{blurbs[each]}</span>
                  </span>
                  <Icon name="chevron" />
                </button>
              </li>
            ))}
          </ul>
        </div>
      </Dialog>
    );
  }
  const part = (name: 'settings' | 'credentials') => (
    <SchemaForm
      document={document}
      schema={resolved(document, form.properties?.[name])}
      value={(value[name] ?? {}) as Values}
      onChange={(next) => setValue({ ...value, [name]: next })}
      errors={action.problem?.errors ?? []}
      pointer={`/${name}`}
      usual={Object.keys(exampleOf(document, 'post', '/v1/connections', vendor)[name] ?? {})}
    />
  );
  const create = () =>
    action.run(async () => {
      setMade(await call<Connection>('POST', '/v1/connections', { settings: {}, credentials: {}, ...value }));
      reloadAll();
    });
  return (
    <Dialog title={`Connect ${vendorTitle(vendor)}`} onClose={onClose}>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          void create();
        }}
      >
        <div class="field">
          <label for="connection-name">Name</label>
          <input
            id="connection-name"
            required
            pattern="[a-z][a-z0-9\-]{0,39}"
            title="a-z, 0-9 and hyphens, a letter first"
            placeholder="dispatch"
            value={String(value.name ?? '')}
            onInput={(event) => setValue({ ...value, name: event.currentTarget.value })}
          />
          <p class="hint">
            Part of every address of its calls: /v1/{vendor}/{String(value.name ?? 'dispatch')}/…
          </p>
        </div>
        {part('settings')}
        <h3>Credentials</h3>
        {part('credentials')}
        <Notice problem={action.problem} />
        <div class="dialog-actions">
          <button type="button" class="button" onClick={() => setValue({})}>
            Back
          </button>
          <button type="submit" class="button primary" disabled={action.busy}>
            {action.busy ? 'Connecting…' : 'Connect and check'}
          </button>
        </div>
      </form>
    </Dialog>
  );
}

/** Checks what was just created, and explains what works and what does not. */
function FirstCheck({ connection, onClose }: { connection: Connection; onClose: () => void }) {
  const [result, setResult] = useState<{ ok: boolean; findings: Finding[] }>();
  const action = useAction();
  const check = () =>
    action.run(async () => {
      setResult(undefined);
      setResult(await call('POST', `/v1/connections/${connection.id}/check`, {}));
      reloadAll();
    });
  useEffect(() => {
    void check();
  }, []);
  return (
    <Dialog title={connectionTitle(connection)} onClose={onClose}>
      <div>
        {action.busy && (
          <p class="notice busy" role="status">
            <Mark tone="busy" />
            Asking {vendorTitle(connection.vendor)}…
          </p>
        )}
        {result && <Findings {...result} />}
        <Notice problem={action.problem} onRetry={() => void check()} />
        <div class="dialog-actions">
          <button type="button" class="button" disabled={action.busy} onClick={() => void check()}>
            Check again
          </button>
          <button
            type="button"
            class="button primary"
            onClick={() => {
              onClose();
              go(`/connections/${connection.id}`);
            }}
          >
            Show the connection
          </button>
        </div>
      </div>
    </Dialog>
  );
}

import { useEffect, useState } from 'preact/hooks';
import { slugPattern, slugRule } from '../../../core/slug.ts';
import { call, callOnce, may } from '../api.ts';
import { BrowserLogin } from '../browser-login.tsx';
import { Button } from '../button.tsx';
import { CredentialFields, SettingsFields, useAccessWay } from '../connection-form.tsx';
import { Dialog, FormDialog } from '../dialog.tsx';
import { TextField } from '../fields.tsx';
import { Findings } from '../findings.tsx';
import { Icon } from '../icons.tsx';
import { reloadAll, useLive } from '../live.ts';
import { Empty, Loading, Mark, Notice, Page, useAction } from '../parts.tsx';
import type { Connection, Finding } from '../readings.ts';
import { go, query, setQuery } from '../router.tsx';
import { LiveList, Row } from '../rows.tsx';
import { type ApiDocument, bodyOf, constantsOf, formsOf, useApiDocument } from '../schema.ts';
import type { Values } from '../schema-form.tsx';
import { connectionState, connectionTitle, vendorTitle } from '../words.ts';

/** The accounts at the vendors. */
export function Connections() {
  const connections = useLive<Connection[]>('/v1/connections?events=true', 10_000);
  const search = (query.value.get('q') ?? '').toLowerCase();
  const { data } = connections;
  const shown = data?.filter((each) => connectionTitle(each).toLowerCase().includes(search));
  const write = may('connections', 'write');
  const create = write && (
    <Button primary onClick={() => setQuery({ new: '1' })}>
      <Icon name="plus" />
      Connect a vendor
    </Button>
  );
  return (
    <Page
      title="Connections"
      lead="One account at a radio server, a chat or a table. Credentials are stored separately and never shown again."
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
      <LiveList
        live={{ ...connections, data: shown }}
        empty={
          search ? (
            <Empty title="No connection has this name." />
          ) : (
            <Empty title="No vendor is connected yet." icon="connections">
              <p>Choose a vendor, enter the account, and let Trunkline check it.</p>
              {create}
            </Empty>
          )
        }
      >
        {(connection) => {
          const { tone, word, sentence } = connectionState(connection);
          return (
            <Row
              key={connection.id}
              tone={tone}
              to={`/connections/${connection.id}`}
              title={connectionTitle(connection)}
              text={sentence}
              side={[<span class={`word ${tone}`}>{word}</span>]}
            />
          );
        }}
      </LiveList>
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
  const { document, problem } = useApiDocument();
  const [vendor, setVendor] = useState<string>();
  const [made, setMade] = useState<{ vendor: string; name: string }>();
  if (made) return <FirstCheck {...made} onClose={onClose} />;
  if (document && vendor !== undefined) {
    return (
      <VendorForm
        document={document}
        vendor={vendor}
        onBack={() => setVendor(undefined)}
        onMade={(name) => setMade({ vendor, name })}
        onClose={onClose}
      />
    );
  }
  const vendors = document
    ? formsOf(document, bodyOf(document, 'post', '/v1/connections')).flatMap((form) =>
        constantsOf(form.properties?.vendor).map(String),
      )
    : [];
  return (
    <Dialog title="Connect a vendor" onClose={onClose}>
      <div>
        <Notice problem={problem} />
        {!document && !problem && <Loading />}
        <ul class="rows">
          {vendors.map((each) => (
            <li key={each} class="row">
              <button type="button" class="row-in" onClick={() => setVendor(each)}>
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

interface VendorFormProps {
  document: ApiDocument;
  vendor: string;
  onBack: () => void;
  onMade: (name: string) => void;
  onClose: () => void;
}

function VendorForm({ document, vendor, onBack, onMade, onClose }: VendorFormProps) {
  const [name, setName] = useState('');
  const [settings, setSettings] = useState<Values>({});
  const [credentials, setCredentials] = useState<Values>({});
  const [loggingIn, setLoggingIn] = useState(false);
  const [way, setWay] = useAccessWay(vendor);
  const action = useAction();
  if (loggingIn) {
    return (
      <BrowserLogin
        vendor={vendor}
        name={name}
        settings={settings}
        credentials={credentials}
        onDone={() => {
          reloadAll();
          onMade(name);
        }}
        onClose={() => setLoggingIn(false)}
      />
    );
  }
  const shared = { document, vendor, problem: action.problem };
  return (
    <FormDialog
      title={`Connect ${vendorTitle(vendor)}`}
      submit={way?.browser ? 'Log in' : 'Connect and check'}
      busy="Connecting…"
      action={action}
      onClose={onClose}
      onSubmit={async () => {
        if (way?.browser) {
          setLoggingIn(true);
          return;
        }
        await callOnce('/v1/connections', { vendor, name, settings, credentials });
        reloadAll();
        onMade(name);
      }}
    >
      <p>
        <Button small onClick={onBack}>
          Another vendor
        </Button>
      </p>
      <TextField
        label="Name"
        required
        pattern={slugPattern}
        title={slugRule}
        placeholder="dispatch"
        hint={`Part of the address of each call: /v1/${vendor}/${name || 'dispatch'}/…`}
        value={name}
        onChange={setName}
      />
      <SettingsFields {...shared} value={settings} onChange={setSettings} />
      <h3>Access</h3>
      <CredentialFields {...shared} value={credentials} onChange={setCredentials} way={way} onWay={setWay} />
    </FormDialog>
  );
}

/** Checks what was just created, and explains what works and what does not. */
function FirstCheck({ vendor, name, onClose }: { vendor: string; name: string; onClose: () => void }) {
  const [result, setResult] = useState<{ ok: boolean; findings: Finding[] }>();
  const action = useAction();
  const check = () =>
    action.run(async () => {
      setResult(undefined);
      setResult(await call('POST', `/v1/connections/${vendor}/${name}/check`, {}));
      reloadAll();
    });
  useEffect(() => {
    void check();
  }, []);
  return (
    <Dialog title={connectionTitle({ vendor, name })} onClose={onClose}>
      <div>
        {action.busy && (
          <p class="notice busy" role="status">
            <Mark tone="busy" />
            Asking {vendorTitle(vendor)}…
          </p>
        )}
        {result && <Findings {...result} />}
        <Notice problem={action.problem} onRetry={() => void check()} />
        <div class="dialog-actions">
          <Button disabled={action.busy} onClick={() => void check()}>
            Check again
          </Button>
          <Button
            primary
            onClick={() => {
              onClose();
              go(`/connections/${vendor}/${name}`);
            }}
          >
            Show the connection
          </Button>
        </div>
      </div>
    </Dialog>
  );
}

import { useState } from 'preact/hooks';
import { call, may } from '../api.ts';
import { BrowserLogin } from '../browser-login.tsx';
import { Button } from '../button.tsx';
import { CredentialFields, SettingsFields, useAccessWay, waysOf } from '../connection-form.tsx';
import { DeleteDialog, FormDialog } from '../dialog.tsx';
import { Findings } from '../findings.tsx';
import { reloadAll, useLive } from '../live.ts';
import { Empty, Loading, Notice, Page, Section, say, Time, type Tone, useAction, When } from '../parts.tsx';
import type { Connection, EventSourceStatus, Finding, TrunklineEvent, Usage } from '../readings.ts';
import { Link } from '../router.tsx';
import { Fact, LiveItem, LiveList, Row, Verdict } from '../rows.tsx';
import { fieldTitle, useApiDocument } from '../schema.ts';
import type { Values } from '../schema-form.tsx';
import { ago, until } from '../time.ts';
import { Calibration } from '../time-zone.tsx';
import { connectionState, connectionTitle } from '../words.ts';

const back = { to: '/connections', name: 'Connections' };

/** One connection: its session, how its events are read, its settings, and a check with an explanation. */
export function ConnectionPage({ params: [vendor = '', name = ''] }: { params: readonly string[] }) {
  const connection = useLive<Connection>(`/v1/connections/${vendor}/${name}`, 3000);
  return (
    <LiveItem live={connection} title="Connection" back={back} missing={<p>It was deleted, or never existed.</p>}>
      {(each) => <KnownConnection connection={each} />}
    </LiveItem>
  );
}

type Asked = 'settings' | 'credentials' | 'login' | 'delete' | 'timeZone';

function KnownConnection({ connection }: { connection: Connection }) {
  const { id, vendor, name, session, settings } = connection;
  const [asked, setAsked] = useState<Asked>();
  const [result, setResult] = useState<{ ok: boolean; findings: Finding[] }>();
  const check = useAction();
  const events = useLive<TrunklineEvent[]>(
    may('events', 'read') ? `/v1/events?connection=${encodeURIComponent(id)}&limit=10` : undefined,
    5000,
  );
  const usage = useLive<Usage[]>(`/v1/usage?vendor=${vendor}&connection=${name}`, 60_000);
  const [calls] = usage.data ?? [];
  const { tone, word, sentence } = connectionState(connection);
  const write = may('connections', 'write');
  const onClose = () => setAsked(undefined);
  const runCheck = () =>
    check.run(async () => {
      setResult(await call('POST', `/v1/connections/${id}/check`, {}));
      reloadAll();
    });
  return (
    <Page
      title={connectionTitle(connection)}
      back={back}
      actions={
        write && (
          <>
            <Button primary disabled={check.busy} onClick={() => void runCheck()}>
              {check.busy ? 'Checking…' : 'Check it now'}
            </Button>
            {waysOf(vendor).some(({ browser }) => browser) && (
              <Button onClick={() => setAsked('login')}>Log in again</Button>
            )}
            <Button onClick={() => setAsked('credentials')}>New credentials</Button>
          </>
        )
      }
    >
      <Verdict tone={tone} word={word}>
        <p>{sentence}</p>
      </Verdict>
      <Notice problem={check.problem} />
      {result && (
        <Section title="Check">
          <Findings {...result} />
        </Section>
      )}
      <Section title="Session">
        <dl class="facts panel">
          <Fact name="Live since">{session.liveSince && <When iso={session.liveSince} />}</Fact>
          <Fact name="Last keepalive">{session.keptAliveAt && <When iso={session.keptAliveAt} />}</Fact>
          <Fact name="Next keepalive">{session.nextKeepAliveAt && until(session.nextKeepAliveAt)}</Fact>
          <Fact name="Ends without a keepalive">{session.expiresAt && until(session.expiresAt)}</Fact>
          <Fact name="Server version">{session.serverVersion}</Fact>
          <Fact name="Calls this month">
            {calls && (
              <Link to="/usage">
                {calls.calls.toLocaleString()}
                {calls.quota && ` of ${calls.quota.limit.toLocaleString()} (${calls.quota.percent} %)`}
              </Link>
            )}
          </Fact>
          <Fact name="Logins so far">{session.generation?.toString()}</Fact>
        </dl>
        <SessionHistory id={id} />
      </Section>
      <Section title="Reading events">
        <LiveList
          live={{ data: connection.events, problem: undefined, reload: async () => undefined }}
          empty={
            <Empty title="No event is read from this connection.">
              <p>
                {settings.pollEvents === false
                  ? 'The setting pollEvents switches it off.'
                  : 'Reading starts within a minute.'}
              </p>
            </Empty>
          }
        >
          {({ source, state, message, polledAt, nextPollAt }) => (
            <Row
              key={source}
              tone={pollTone[state]}
              title={fieldTitle(source)}
              text={state !== 'polling' && message}
              side={[
                polledAt ? `polled ${ago(polledAt)}` : 'not polled yet',
                nextPollAt && `next ${until(nextPollAt)}`,
              ]}
            />
          )}
        </LiveList>
      </Section>
      <Section
        title="Settings"
        actions={
          write && (
            <span class="actions">
              {vendor === 'proptt2' && (
                <Button small onClick={() => setAsked('timeZone')}>
                  Set the time zone
                </Button>
              )}
              <Button small onClick={() => setAsked('settings')}>
                Change
              </Button>
            </span>
          )
        }
      >
        <dl class="facts panel">
          {Object.entries(settings).map(([setting, value]) => (
            <Fact key={setting} name={fieldTitle(setting)}>
              {typeof value === 'boolean' ? (value ? 'yes' : 'no') : String(value)}
            </Fact>
          ))}
          <Fact name="Stored credentials">{connection.credentials.map(fieldTitle).join(', ') || 'none'}</Fact>
        </dl>
      </Section>
      {may('events', 'read') && (
        <Section title="Latest events" actions={<Link to={`/events?connection=${encodeURIComponent(id)}`}>All</Link>}>
          <LiveList
            live={events}
            loading={1}
            empty={
              <Empty title="Nothing has happened here yet.">
                <p>Events are read once an automation or a subscription wants them.</p>
                <Link to="/automations" class="button">
                  Go to the automations
                </Link>
              </Empty>
            }
          >
            {(event) => (
              <Row
                key={event.id}
                to={`/events/${event.id}`}
                title={event.type}
                mono
                side={[<Time key="at" iso={event.timestamp} />]}
              />
            )}
          </LiveList>
        </Section>
      )}
      {write && (
        <p class="danger-row">
          <Button onClick={() => setAsked('delete')}>Delete this connection</Button>
        </p>
      )}
      {(asked === 'settings' || asked === 'credentials') && (
        <Edit connection={connection} part={asked} onLogin={() => setAsked('login')} onClose={onClose} />
      )}
      {asked === 'login' && (
        <BrowserLogin
          vendor={vendor}
          name={name}
          onClose={onClose}
          onDone={() => {
            onClose();
            reloadAll();
            say('The new access is stored.');
            void runCheck();
          }}
        />
      )}
      {asked === 'timeZone' && <Calibration connection={connection} onClose={onClose} />}
      {asked === 'delete' && (
        <DeleteDialog
          name={connectionTitle(connection)}
          path={`/v1/connections/${id}`}
          to="/connections"
          typed={name}
          onClose={onClose}
        >
          Its credentials and its session are deleted with it.
        </DeleteDialog>
      )}
    </Page>
  );
}

const pollTone: Readonly<Record<EventSourceStatus['state'], Tone>> = {
  waiting: 'busy',
  polling: 'good',
  failing: 'warn',
  resting: 'idle',
  off: 'idle',
};

interface SessionChange {
  at: string;
  kind: 'live' | 'failed' | 'locked';
  generation?: number;
  reason?: string;
}

const changeTone: Readonly<Record<SessionChange['kind'], Tone>> = { live: 'good', failed: 'warn', locked: 'bad' };
const changeWords: Readonly<Record<SessionChange['kind'], string>> = {
  live: 'Logged in',
  failed: 'Keepalive failed',
  locked: 'Locked',
};

/** Logins, failures and locks of the last 30 days with their reasons. */
function SessionHistory({ id }: { id: string }) {
  const [open, setOpen] = useState(false);
  const history = useLive<SessionChange[]>(open ? `/v1/connections/${id}/sessions` : undefined, 10_000);
  return (
    <details class="further" onToggle={(event) => setOpen(event.currentTarget.open)}>
      <summary>Session history</summary>
      {open && (
        <LiveList live={history} loading={2} empty={<Empty title="Nothing was recorded in the last 30 days." />}>
          {({ at, kind, generation, reason }) => (
            <Row
              key={at}
              tone={changeTone[kind]}
              title={`${changeWords[kind]}${kind === 'live' && generation !== undefined ? `, session ${generation}` : ''}`}
              text={reason}
              side={[<Time key="at" iso={at} exact />, <Time key="ago" iso={at} />]}
            />
          )}
        </LiveList>
      )}
    </details>
  );
}

/** Changes the settings, or replaces the credentials, which also unlocks a locked connection. */
function Edit({
  connection,
  part,
  onLogin,
  onClose,
}: {
  connection: Connection;
  part: 'settings' | 'credentials';
  /** Access is to be given in the browser. */
  onLogin: () => void;
  onClose: () => void;
}) {
  const { document, problem } = useApiDocument();
  const [opened] = useState<Values>(part === 'settings' ? connection.settings : {});
  const [value, setValue] = useState(opened);
  const [way, setWay] = useAccessWay(connection.vendor);
  const action = useAction();
  const shared = document && { document, vendor: connection.vendor, value, problem: action.problem };
  return (
    <FormDialog
      title={part === 'settings' ? `Settings of ${connection.name}` : `New credentials for ${connection.name}`}
      submit={part === 'credentials' && way?.browser ? 'Log in' : 'Save'}
      busy="Saving…"
      disabled={!document}
      action={action}
      onClose={onClose}
      onSubmit={async () => {
        if (part === 'credentials' && way?.browser) return onLogin();
        // Only what was changed here: somebody else may have changed the rest meanwhile.
        const names = Object.keys({ ...opened, ...value }).filter(
          (name) => JSON.stringify(opened[name]) !== JSON.stringify(value[name]),
        );
        const change = Object.fromEntries(names.map((name) => [name, value[name] ?? null]));
        await call('PATCH', `/v1/connections/${connection.id}`, { [part]: change });
        reloadAll();
        say(part === 'settings' ? 'The settings are changed.' : 'The new credentials are stored.');
        onClose();
      }}
    >
      {part === 'credentials' && <p>They replace the stored ones, and a locked connection is tried again.</p>}
      <Notice problem={problem} />
      {!document && !problem && <Loading />}
      {shared && part === 'settings' && <SettingsFields {...shared} onChange={setValue} own={connection.id} />}
      {shared && part === 'credentials' && (
        <CredentialFields {...shared} onChange={setValue} way={way} onWay={setWay} />
      )}
    </FormDialog>
  );
}

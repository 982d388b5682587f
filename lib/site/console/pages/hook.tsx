import { useState } from 'preact/hooks';
import { callOnce, may } from '../api.ts';
import { Button } from '../button.tsx';
import { DeleteDialog, FormDialog, RotateDialog } from '../dialog.tsx';
import { TextArea } from '../fields.tsx';
import { reloadAll, useLive } from '../live.ts';
import { Empty, Json, Mark, Page, Section, say, Time, When } from '../parts.tsx';
import type { Automation, Hook, TrunklineEvent } from '../readings.ts';
import { go, Link, query } from '../router.tsx';
import { Fact, LiveItem, LiveList, Row, Verdict } from '../rows.tsx';
import { span } from '../time.ts';
import { capital, gist, hookState, isAlarm, jsonProblem, sampleBody } from '../words.ts';
import { kindWords, MadeHook, type NewHook } from './hooks.tsx';

interface Refusal {
  at: string;
  status: number;
  reason: string;
  body?: string;
}

/** One hook: its messages, rejected posts with the reason, and its URL. */
export function HookPage({ params: [id = ''] }: { params: readonly string[] }) {
  const hook = useLive<Hook>(`/v1/hooks/${id}`, 3000);
  return (
    <LiveItem
      live={hook}
      title="Hook"
      back={{ to: '/hooks', name: 'Hooks' }}
      missing={<p>It was deleted, or the address is wrong.</p>}
    >
      {(each) => <KnownHook hook={each} />}
    </LiveItem>
  );
}

function KnownHook({ hook }: { hook: Hook }) {
  const { id } = hook;
  const readsEvents = may('events', 'read');
  const events = useLive<TrunklineEvent[]>(readsEvents ? `/v1/events?connection=${id}&limit=50` : undefined, 3000);
  const refusals = useLive<Refusal[]>(`/v1/hooks/${id}/refusals`, 3000);
  const automations = useLive<Automation[]>(may('automations', 'read') ? '/v1/automations' : undefined, 0);
  const [asked, setAsked] = useState<'rotate' | 'delete' | 'test' | undefined>(
    query.value.has('test') ? 'test' : undefined,
  );
  const [made, setMade] = useState<NewHook>();
  const using = automations.data?.filter(({ when }) => [when].flat().some(({ hook: each }) => each === id)) ?? [];
  const { tone, word, sentence } = hookState(hook);
  const onClose = () => setAsked(undefined);
  return (
    <Page
      title={hook.name}
      back={{ to: '/hooks', name: 'Hooks' }}
      actions={
        may('hooks', 'write') && (
          <>
            {hook.verify.connection === undefined && (
              <Button primary onClick={() => setAsked('test')}>
                Send a test
              </Button>
            )}
            <Button onClick={() => setAsked('rotate')}>New address</Button>
            <Button onClick={() => setAsked('delete')}>Delete</Button>
          </>
        )
      }
    >
      <Verdict tone={tone} word={word}>
        <p>{sentence}</p>
        {tone === 'warn' && word === 'Refused' && (
          <p>The sender has to change what it sends: the refused posts below show that with the reasons.</p>
        )}
        {!hook.lastReceivedAt && tone === 'idle' && (
          <p>Paste the address into the sender. If the address is lost, create a new one.</p>
        )}
        {hook.lastProblem && <p>{hook.lastProblem}</p>}
      </Verdict>
      <dl class="facts">
        <Fact name="Received">{String(hook.received)}</Fact>
        <Fact name="Repeated">{String(hook.repeated)}</Fact>
        <Fact name="Refused">{String(hook.refused)}</Fact>
        <Fact name="Verification">
          {kindWords(hook.verify.kind)}
          {hook.verify.connection && ` (${hook.verify.connection})`}
        </Fact>
        <Fact name="Silence alarm">
          {hook.silentAfterSeconds === undefined ? 'off' : `after ${span(hook.silentAfterSeconds * 1000)}`}
        </Fact>
        <Fact name="Starts">
          {using.length === 0 ? (
            <>
              no automation yet: <Link to="/recipes">install a recipe</Link> or{' '}
              <Link to="/automations/new">write one</Link>
            </>
          ) : (
            using.map(({ id: automation, name }, at) => (
              <span key={automation}>
                {at > 0 && ', '}
                <Link to={`/automations/${automation}`}>{name}</Link>
              </span>
            ))
          )}
        </Fact>
        <Fact name="Id" mono>
          {hook.id}
        </Fact>
      </dl>
      {refusals.data && refusals.data.length > 0 && (
        <Section title="Refused posts" count={refusals.data.length}>
          <ul class="rows">
            {refusals.data.map((refusal) => (
              <Row
                key={refusal.at}
                tone="warn"
                title={capital(refusal.reason)}
                side={[<Time key="at" iso={refusal.at} exact />, `answered ${refusal.status}`]}
              >
                {refusal.body !== undefined && <Json label="Body" value={refusal.body} open={false} />}
              </Row>
            ))}
          </ul>
          <p class="muted">These are at most the last 20, kept for 30 days.</p>
        </Section>
      )}
      <Section title="Recent posts" count={events.data?.length}>
        {readsEvents ? (
          <LiveList
            live={events}
            loading={2}
            empty={
              <Empty title="No post is in the log." icon="hooks">
                <p>Send a test, or let the sender post. Posts are kept for 30 days.</p>
              </Empty>
            }
          >
            {(event) => (
              <Row key={event.id} title={<When iso={event.timestamp} />} text={gist(event)} to={`/events/${event.id}`}>
                <Json label="Body" value={event.data.body ?? event.data} open={(events.data?.length ?? 0) < 4} />
              </Row>
            )}
          </LiveList>
        ) : (
          <p class="muted">
            The posts are in the event log, which this key may not read. It needs <code>trunkline/events/read</code>.
          </p>
        )}
      </Section>
      {asked === 'test' && automations.data && <TestDialog hook={hook} using={using} onClose={onClose} />}
      {asked === 'rotate' && (
        <RotateDialog<NewHook>
          title={`A new address for ${hook.name}`}
          submit="Create a new address"
          label="The old address keeps working for"
          path={`/v1/hooks/${id}/rotate`}
          body={{ what: 'url' }}
          warning="Alarms that still go to the old address are refused until the sender has the new one."
          onClose={onClose}
          onMade={(next) => {
            onClose();
            setMade(next);
          }}
        />
      )}
      {asked === 'delete' && (
        <DeleteDialog name={hook.name} path={`/v1/hooks/${id}`} to="/hooks" onClose={onClose}>
          Its address stops working everywhere within ten seconds and cannot be restored.
        </DeleteDialog>
      )}
      {made && <MadeHook hook={made} onClose={() => setMade(undefined)} />}
    </Page>
  );
}

/** Stores a message as if the sender had posted it; what it starts is real. */
function TestDialog({ hook, using, onClose }: { hook: Hook; using: readonly Automation[]; onClose: () => void }) {
  const last = hook.lastBody !== undefined && jsonProblem(hook.lastBody) === undefined ? hook.lastBody : undefined;
  const [text, setText] = useState(() =>
    JSON.stringify(last === undefined ? sampleBody(using) : JSON.parse(last), null, 2),
  );
  const wrong = jsonProblem(text);
  const enabled = using.filter((each) => each.enabled);
  const sounds = enabled.some((each) => each.do.some((step) => isAlarm(step.call)) || each.alarm === true);
  return (
    <FormDialog
      title={`Send a test to ${hook.name}`}
      submit="Send"
      busy="Sending…"
      danger={sounds}
      disabled={wrong !== undefined}
      wide
      onClose={onClose}
      onSubmit={async (isShown) => {
        const { eventId } = await callOnce<{ eventId: string }>(`/v1/hooks/${hook.id}/test`, {
          body: JSON.parse(text),
        });
        reloadAll();
        say('The test was received.');
        if (may('events', 'read') && isShown()) go(`/events/${eventId}`);
        onClose();
      }}
    >
      <TextArea label="Body" rows={10} value={text} onChange={setText} wrong={wrong} />
      <div class={`notice ${sounds ? 'bad' : 'warn'}`}>
        <Mark tone={sounds ? 'bad' : 'warn'} />
        <p>
          {enabled.length === 0
            ? 'No automation that is switched on starts with this hook.'
            : `This starts ${enabled.map(({ name }) => name).join(', ')} for real${sounds ? ', sirens and alerts included' : ''}. To send nothing, rehearse the automation instead.`}
        </p>
      </div>
    </FormDialog>
  );
}

import { useEffect, useState } from 'preact/hooks';
import { call, may, type Problem } from '../api.ts';
import { JsonEditor } from '../json-editor.tsx';
import { reloadAll, useLive } from '../live.ts';
import { Dialog, Empty, Json, Loading, Mark, Notice, Page, Section, say, useAction } from '../parts.tsx';
import type { Automation, Hook, Run, TrunklineEvent } from '../readings.ts';
import { go, Link } from '../router.tsx';
import { until } from '../time.ts';
import { isAlarm } from '../words.ts';
import { Switch, triggerWords } from './automations.tsx';
import { RunRow } from './runs.tsx';

/** Fields that the API adds and that are not part of a definition. */
const readOnly = ['id', 'scopes', 'creator', 'nextRunAt', 'lastFired', 'lastRun', 'createdAt', 'updatedAt'];
const noErrors: Problem['errors'] = [];

const template = {
  name: 'Alarm panel to radio',
  when: { hook: 'hook-…' },
  if: "{% event.data.body.state = 'open' %}",
  do: [{ name: 'siren', call: 'proptt2/demo/sendSosToChannel', input: { channelId: 1 } }],
};

/** One automation, or with the id `new` the editor for a new one. */
export function AutomationPage({ params: [id = ''] }: { params: readonly string[] }) {
  return id === 'new' ? <NewAutomation /> : <KnownAutomation id={id} />;
}

const back = { to: '/automations', name: 'Automations' };

function NewAutomation() {
  const hooks = useLive<Hook[]>(may('hooks', 'read') ? '/v1/hooks' : undefined, 0);
  const [first] = hooks.data ?? [];
  if (!hooks.data && !hooks.problem && may('hooks', 'read')) return <Loading />;
  const definition = { ...template, when: { hook: first?.id ?? 'hook-…' } };
  return (
    <Page
      title="A new automation"
      back={back}
      lead="Change the example into what you need. What is wrong is marked when you save."
    >
      <Definition
        text={JSON.stringify(definition, null, 2)}
        save={async (value) => {
          const made = await call<Automation>('POST', '/v1/automations', value);
          say(`${made.name} is on.`);
          reloadAll();
          go(`/automations/${made.id}`);
        }}
      />
    </Page>
  );
}

function KnownAutomation({ id }: { id: string }) {
  const { data: automation, problem, reload } = useLive<Automation>(`/v1/automations/${id}`, 5000);
  const hooks = useLive<Hook[]>(may('hooks', 'read') ? '/v1/hooks' : undefined, 0);
  const runs = useLive<Run[]>(may('runs', 'read') ? `/v1/runs?automation=${id}&limit=100` : undefined, 5000);
  const [editing, setEditing] = useState(false);
  const [deleting, setDeleting] = useState(false);
  if (!automation) {
    return (
      <Page title="Automation" back={back}>
        {problem?.status === 404 ? (
          <Empty title="There is no such automation." icon="automations" />
        ) : problem ? (
          <Notice problem={problem} onRetry={() => void reload()} />
        ) : (
          <Loading rows={4} />
        )}
      </Page>
    );
  }
  const write = may('automations', 'write');
  const tone = automation.enabled ? 'good' : 'idle';
  const meant = runs.data?.filter(({ state }) => state !== 'skipped').slice(0, 8);
  const definition = Object.fromEntries(Object.entries(automation).filter(([name]) => !readOnly.includes(name)));
  return (
    <Page
      title={automation.name}
      back={back}
      lead={`${triggerWords(automation, hooks.data ?? [])}.`}
      actions={
        write && (
          <>
            <Switch automation={automation} />
            <button type="button" class="button" onClick={() => setEditing(!editing)}>
              {editing ? 'Close the editor' : 'Edit'}
            </button>
          </>
        )
      }
    >
      <div class={`verdict ${tone}`}>
        <Mark tone={tone} large />
        <div>
          <p class="verdict-word">{automation.enabled ? 'On' : 'Off: it starts no runs'}</p>
          {automation.nextRunAt && automation.enabled && <p>Next run {until(automation.nextRunAt)}.</p>}
        </div>
      </div>
      {editing ? (
        <Section title="Definition">
          <Definition
            text={JSON.stringify(definition, null, 2)}
            save={async (value) => {
              await call('PUT', `/v1/automations/${automation.id}`, value);
              say(`${automation.name} is changed.`);
              reloadAll();
              setEditing(false);
            }}
          />
        </Section>
      ) : (
        <Section title="Steps" count={automation.do.length}>
          {automation.if && (
            <p class="condition">
              Only if <code>{automation.if}</code>
            </p>
          )}
          <ol class="rows">
            {automation.do.map((step, at) => (
              <li key={step.name ?? at} class="row">
                <div class="row-in stacked">
                  <p>
                    <strong>{step.name ?? `Step ${at + 1}`}</strong>{' '}
                    <span class="mono muted">
                      {step.call ?? (step.waitFor ? 'waits for an event' : step.wait ? 'waits' : 'sets a value')}
                    </span>{' '}
                    {isAlarm(step.call) && <span class="word bad">sounds or shows an alarm</span>}
                  </p>
                  <Json label="As written" value={step} open={false} />
                </div>
              </li>
            ))}
          </ol>
        </Section>
      )}
      <Rehearsal automation={automation} />
      <Section title="Latest runs" actions={<Link to={`/runs?automation=${id}`}>All</Link>}>
        {meant?.length === 0 && <Empty title="It has not run yet." />}
        {meant && meant.length > 0 && (
          <ul class="rows">
            {meant.map((run) => (
              <RunRow key={run.id} run={run} />
            ))}
          </ul>
        )}
      </Section>
      {write && (
        <p class="danger-row">
          <button type="button" class="button" onClick={() => setDeleting(true)}>
            Delete this automation
          </button>
        </p>
      )}
      {deleting && <Delete automation={automation} onClose={() => setDeleting(false)} />}
    </Page>
  );
}

/** The definition as JSON, with the API's errors marked in place. */
function Definition({ text, save }: { text: string; save: (value: unknown) => Promise<void> }) {
  const [edited, setEdited] = useState(text);
  const [unreadable, setUnreadable] = useState<string>();
  const action = useAction();
  const submit = () => {
    let value: unknown;
    try {
      value = JSON.parse(edited);
      setUnreadable(undefined);
    } catch (error) {
      setUnreadable(error instanceof Error ? error.message : 'This is not JSON.');
      return;
    }
    void action.run(() => save(value));
  };
  return (
    <div class="panel">
      <JsonEditor label="Definition" value={text} onChange={setEdited} errors={action.problem?.errors ?? noErrors} />
      {unreadable && <p class="wrong">{unreadable}</p>}
      <Notice problem={action.problem} />
      <div class="dialog-actions">
        <a class="button" href="/docs#/Automations" target="_blank" rel="noreferrer">
          Reference
        </a>
        <button type="button" class="button primary" disabled={action.busy} onClick={submit}>
          {action.busy ? 'Saving…' : 'Save'}
        </button>
      </div>
    </div>
  );
}

interface Rehearsed {
  runs: boolean;
  reason?: string;
  problem?: string;
  steps: {
    name: string;
    index: number;
    call?: string;
    state: string;
    reason?: string;
    problem?: string;
    input?: unknown;
    afterSeconds: number;
  }[];
}

/** What the automation would do with an event, without sending anything. */
function Rehearsal({ automation }: { automation: Automation }) {
  const { hook, event: type } = [automation.when].flat()[0] ?? {};
  const source = hook !== undefined ? `connection=${hook}` : type !== undefined ? `type=${type}` : undefined;
  const eventsPath = source !== undefined && may('events', 'read') ? `/v1/events?${source}&limit=20` : undefined;
  const { data: events, problem } = useLive<TrunklineEvent[]>(eventsPath, 0);
  const [chosen, setChosen] = useState<string>();
  const [text, setText] = useState<string>();
  const [result, setResult] = useState<Rehearsed>();
  const action = useAction();
  const event = events?.find(({ id }) => id === chosen) ?? events?.[0];
  const sample =
    text ?? JSON.stringify(event ?? { type: type ?? 'trunkline.hook.received', data: { body: {} } }, null, 2);
  useEffect(() => setResult(undefined), [automation.updatedAt]);
  const rehearse = () =>
    action.run(async () => {
      setResult(await call<Rehearsed>('POST', `/v1/automations/${automation.id}/test`, { event: JSON.parse(sample) }));
    });
  if (eventsPath !== undefined && !events && !problem) {
    return (
      <Section title="Rehearse">
        <Loading rows={1} />
      </Section>
    );
  }
  return (
    <Section title="Rehearse">
      <form
        class="panel"
        onSubmit={(submitted) => {
          submitted.preventDefault();
          void rehearse();
        }}
      >
        <p class="muted">Shows the calls that an event would lead to. Nothing is sent.</p>
        {events && events.length > 0 && (
          <div class="field">
            <label for="past">With a past event</label>
            <select
              id="past"
              value={event?.id}
              onChange={(changed) => {
                setChosen(changed.currentTarget.value);
                setText(undefined);
              }}
            >
              {events.map(({ id, timestamp, type: name }) => (
                <option key={id} value={id}>
                  {new Date(timestamp).toLocaleString()} · {name}
                </option>
              ))}
            </select>
          </div>
        )}
        <details class="further" open={!events || events.length === 0}>
          <summary>The event, to be edited</summary>
          <label for="sample">Event</label>
          <textarea
            id="sample"
            rows={10}
            spellcheck={false}
            value={sample}
            onInput={(changed) => setText(changed.currentTarget.value)}
          />
        </details>
        <Notice problem={action.problem} />
        <button type="submit" class="button" disabled={action.busy}>
          {action.busy ? 'Rehearsing…' : 'Rehearse'}
        </button>
        {result && <Outcome result={result} />}
      </form>
    </Section>
  );
}

function Outcome({ result }: { result: Rehearsed }) {
  return (
    <div role="status" class="outcome">
      <p class={`word ${result.runs ? 'good' : 'idle'}`}>
        {result.runs ? 'It would run.' : `It would not run. ${result.reason ?? ''}`}
      </p>
      {result.problem && <p class="wrong">{result.problem}</p>}
      <ol class="rows">
        {result.steps.map(({ name, index, call: made, state, reason, problem, input, afterSeconds }) => (
          <li key={`${name} ${index}`} class={`row ${problem ? 'bad' : ''}`}>
            <div class="row-in stacked">
              <p>
                <strong>{name}</strong> <span class="mono muted">{made}</span>{' '}
                {afterSeconds > 0 && <span class="muted">after {afterSeconds} s</span>}{' '}
                {state === 'skipped' && <span class="muted">is left out. {reason}</span>}
              </p>
              {problem && <p class="wrong">{problem}</p>}
              {input !== undefined && made?.includes('/') && (
                <Json label="Would send" value={input} open={result.runs} />
              )}
            </div>
          </li>
        ))}
      </ol>
    </div>
  );
}

function Delete({ automation, onClose }: { automation: Automation; onClose: () => void }) {
  const action = useAction();
  return (
    <Dialog title={`Delete ${automation.name}?`} onClose={onClose}>
      <div>
        <p>
          It starts no more runs. What it has run stays in the list for 30 days. To stop it for a while, switch it off
          instead.
        </p>
        <Notice problem={action.problem} />
        <div class="dialog-actions">
          <button type="button" class="button" onClick={onClose}>
            Keep it
          </button>
          <button
            type="button"
            class="button danger"
            disabled={action.busy}
            onClick={() =>
              void action.run(async () => {
                await call('DELETE', `/v1/automations/${automation.id}`);
                say(`${automation.name} is deleted.`);
                go('/automations');
                reloadAll();
              })
            }
          >
            Delete
          </button>
        </div>
      </div>
    </Dialog>
  );
}

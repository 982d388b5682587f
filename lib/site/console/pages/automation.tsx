import { useState } from 'preact/hooks';
import { call, callOnce, may, Problem } from '../api.ts';
import { Button } from '../button.tsx';
import { ChangeHistory, definitionOf } from '../change-history.tsx';
import { callsOver, definitionSchema } from '../definition-schema.ts';
import { DeleteDialog } from '../dialog.tsx';
import { Form } from '../form.tsx';
import { JsonEditor } from '../json-editor.tsx';
import { reloadAll, useLive } from '../live.ts';
import { Empty, Json, Loading, Page, Section, say } from '../parts.tsx';
import type { Automation, Choice, Connection, Hook, Run } from '../readings.ts';
import { go, Link } from '../router.tsx';
import { LiveItem, LiveList, Row, Verdict } from '../rows.tsx';
import { useApiDocument } from '../schema.ts';
import { ago, until } from '../time.ts';
import { TryOut } from '../try-out.tsx';
import { isAlarm, jsonProblem, runWords } from '../words.ts';
import { automationTone, Switch, triggerWords } from './automations.tsx';
import { RunRow } from './runs.tsx';

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
      lead="Change the example into what you need. What is wrong is marked as you write."
    >
      <Definition
        text={JSON.stringify(definition, null, 2)}
        save={async (value, isShown) => {
          const made = await callOnce<Automation>('/v1/automations', value);
          say(`${made.name} is on.`);
          reloadAll();
          if (isShown()) go(`/automations/${made.id}`);
        }}
      />
    </Page>
  );
}

function KnownAutomation({ id }: { id: string }) {
  const automation = useLive<Automation>(`/v1/automations/${id}`, 5000);
  return (
    <LiveItem live={automation} title="Automation" back={back} missing={<p>It was deleted, or never existed.</p>}>
      {(each) => <ShownAutomation automation={each} />}
    </LiveItem>
  );
}

function ShownAutomation({ automation }: { automation: Automation }) {
  const { id, name, enabled, lastRun, nextRunAt } = automation;
  const hooks = useLive<Hook[]>(may('hooks', 'read') ? '/v1/hooks' : undefined, 0);
  const runs = useLive<Run[]>(may('runs', 'read') ? `/v1/runs?automation=${id}&limit=100` : undefined, 5000);
  const [opened, setOpened] = useState<Automation>();
  const [deleting, setDeleting] = useState(false);
  const write = may('automations', 'write');
  const shown = runs.data?.filter(({ state }) => state !== 'skipped').slice(0, 8);
  const isSkipping = (runs.data?.length ?? 0) > 0;
  const save = async (value: unknown) => {
    await call('PUT', `/v1/automations/${id}`, value);
    say(`${name} is changed.`);
    reloadAll();
    setOpened(undefined);
  };
  /** Does not overwrite what was changed while the editor was open, such as a switch, unless it is told to. */
  const saveEdited = async (value: unknown) => {
    const current = await call<Automation>('GET', `/v1/automations/${id}`);
    if (current.updatedAt !== opened?.updatedAt) {
      setOpened(current);
      throw new Problem(
        409,
        'conflict',
        `${name} was changed while you were editing it: see “Changes” below. Nothing was saved. Save again to overwrite that change, or close the editor to keep it.`,
      );
    }
    await save(value);
  };
  return (
    <Page
      title={name}
      back={back}
      lead={`${triggerWords(automation, hooks.data ?? [])}.`}
      actions={
        write && (
          <>
            <Switch automation={automation} />
            <Button onClick={() => setOpened(opened ? undefined : automation)}>
              {opened ? 'Close the editor' : 'Edit'}
            </Button>
          </>
        )
      }
    >
      <Verdict
        tone={automationTone(automation)}
        word={enabled ? (automationTone(automation) === 'bad' ? 'On, but failing' : 'On') : 'Off'}
      >
        <p>
          {enabled ? '' : 'It starts no runs. '}
          {lastRun?.createdAt ? (
            <Link to={`/runs/${lastRun.id}`}>
              Last run {ago(lastRun.createdAt)}: {runWords[lastRun.state].toLowerCase()}.
            </Link>
          ) : (
            'No run of it has ended yet.'
          )}
          {nextRunAt && enabled && ` Next run ${until(nextRunAt)}.`}
        </p>
      </Verdict>
      {opened ? (
        <Section title="Definition">
          <Definition text={JSON.stringify(definitionOf(opened), null, 2)} save={saveEdited} />
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
              <Row
                key={step.name ?? at}
                title={
                  <>
                    {step.name ?? `Step ${at + 1}`} <span class="mono muted">{stepKind(step)}</span>
                  </>
                }
                side={[isAlarm(step.call) && <span class="word bad">raises an alarm</span>]}
              >
                <Json label="Definition" value={step} open={false} />
              </Row>
            ))}
          </ol>
        </Section>
      )}
      <TryOut automation={automation} />
      {may('runs', 'read') && (
        <Section title="Latest runs" actions={<Link to={`/runs?automation=${id}`}>All</Link>}>
          <LiveList
            live={{ ...runs, data: shown }}
            loading={2}
            empty={
              <Empty title={isSkipping ? 'In none of its newest runs was the condition met.' : 'It has not run yet.'} />
            }
          >
            {(run) => <RunRow key={run.id} run={run} />}
          </LiveList>
        </Section>
      )}
      <ChangeHistory automation={automation} restore={write ? save : undefined} />
      {write && (
        <p class="danger-row">
          <Button onClick={() => setDeleting(true)}>Delete this automation</Button>
        </p>
      )}
      {deleting && (
        <DeleteDialog name={name} path={`/v1/automations/${id}`} to="/automations" onClose={() => setDeleting(false)}>
          It starts no more runs. Its runs stay listed for 30 days. To stop it for a while, switch it off instead.
        </DeleteDialog>
      )}
    </Page>
  );
}

/** What a step does, in a word. */
function stepKind(step: Automation['do'][number]): string {
  const words: Readonly<Record<string, string>> = {
    waitFor: 'waits for an event',
    wait: 'waits',
    set: 'sets a value',
    remember: 'remembers a value',
    start: 'starts an automation',
    forEach: 'repeats steps for each item',
    repeat: 'repeats steps',
    parallel: 'runs branches in parallel',
  };
  return step.call ?? Object.entries(words).find(([kind]) => kind in step)?.[1] ?? '';
}

/** The definition as JSON. The editor suggests what may be written, and marks what the API would refuse. */
function Definition({ text, save }: { text: string; save: (value: unknown, isShown: () => boolean) => Promise<void> }) {
  const [edited, setEdited] = useState(text);
  const { document } = useApiDocument();
  const connections = useLive<Connection[]>(may('connections', 'read') ? '/v1/connections' : undefined, 0);
  const hooks = useLive<Hook[]>(may('hooks', 'read') ? '/v1/hooks' : undefined, 0);
  const types = useLive<Choice[]>(may('events', 'read') ? '/v1/choices/event-types' : undefined, 0);
  const help = document
    ? definitionSchema(document, {
        call: callsOver(document, connections.data ?? []),
        hook: (hooks.data ?? []).map(({ id, name }) => ({ label: id, detail: name })),
        event: (types.data ?? []).map(({ id, detail }) => ({ label: String(id), info: detail })),
      })
    : { names: () => [], values: () => [] };
  return (
    <div class="panel">
      <Form
        submit="Save"
        busy="Saving…"
        beside={
          <a class="button" href="/docs#/Automations" target="_blank" rel="noreferrer">
            Reference
          </a>
        }
        disabled={jsonProblem(edited) !== undefined}
        onSubmit={(isShown) => save(JSON.parse(edited), isShown)}
      >
        <JsonEditor label="Definition" value={text} onChange={setEdited} help={{ ...help, check: refusals }} />
      </Form>
    </div>
  );
}

/** What the API would refuse of a definition, by JSON pointer: a rehearsal checks it as if it were saved. */
async function refusals(automation: unknown): Promise<Problem['errors']> {
  try {
    await call('POST', '/v1/automations/test', { automation });
    return [];
  } catch (error) {
    if (!(error instanceof Problem) || (error.status !== 400 && error.status !== 422)) return [];
    const errors = error.errors.length > 0 ? error.errors : [{ pointer: '', message: error.message }];
    return errors.map(({ pointer, message }) => ({ pointer: pointer.replace(/^\/automation(?=\/|$)/, ''), message }));
  }
}

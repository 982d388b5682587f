import { useEffect, useRef, useState } from 'preact/hooks';
import { call, callOnce, may } from './api.ts';
import { Button } from './button.tsx';
import { CheckField, Chips, SelectField, TextArea } from './fields.tsx';
import { Form } from './form.tsx';
import { Icon } from './icons.tsx';
import { reloadAll, useLive } from './live.ts';
import { Json, Loading, Mark, Notice, Progress, Section, say, useAction, When } from './parts.tsx';
import type { Automation, Connection, RunState, RunStep, TrunklineEvent } from './readings.ts';
import { go, Link } from './router.tsx';
import { Row } from './rows.tsx';
import { daysAgo, moment } from './time.ts';
import { callsOf, count, isAlarm, jsonProblem, runWords, stepTone, stepWords, vendorTitle } from './words.ts';

interface RehearsedStep {
  name: string;
  index: number;
  call?: string;
  state: RunStep['state'];
  reason?: string;
  problem?: string;
  input?: unknown;
  output?: unknown;
  performed?: boolean;
  unknown?: string[];
  saw?: Record<string, unknown>;
  afterSeconds: number;
}

interface RehearsedRun {
  runs: boolean;
  state: RunState;
  reason?: string;
  dedupeKey?: string;
  saw?: Record<string, unknown>;
  automation: string;
  steps: RehearsedStep[];
}

interface Rehearsed extends RehearsedRun {
  complete: boolean;
  problem?: string;
  undo: { call: string; input: unknown }[];
  started: RehearsedRun[];
}

const sampleId = 'sample';

const ways = [
  ['rehearsal', 'Rehearsal'],
  ['backtest', 'Backtest'],
  ['drill', 'Drill'],
] as const;

/** Three ways to see what an automation does. None of them reaches a real radio, room or table. */
export function TryOut({ automation }: { automation: Automation }) {
  const [way, setWay] = useState<(typeof ways)[number][0]>('rehearsal');
  const canDrill = may('connections', 'read') && may('automations', 'write');
  return (
    <Section title="Try it out">
      <div class="panel">
        <Chips
          label="How to try it out"
          value={way}
          options={ways.filter(([id]) => canDrill || id !== 'drill')}
          onChange={setWay}
        />
        {way === 'rehearsal' && <Rehearsal automation={automation} />}
        {way === 'backtest' && <Backtest automation={automation} />}
        {way === 'drill' && <Drill automation={automation} />}
      </div>
    </Section>
  );
}

/** A past event of the kind that starts the automation, or a sample that is written by hand. */
function useTrialEvent(automation: Automation) {
  const { hook, event: type } = [automation.when].flat()[0] ?? {};
  const source = hook !== undefined ? `connection=${hook}` : type !== undefined ? `type=${type}` : undefined;
  const eventsPath = source !== undefined && may('events', 'read') ? `/v1/events?${source}&limit=20` : undefined;
  const { data: events = [], problem } = useLive<TrunklineEvent[]>(eventsPath, 0);
  const loading = eventsPath !== undefined && events.length === 0 && !problem;
  const [chosen, setChosen] = useState<string>();
  const [text, setText] = useState<string>();
  const past = chosen === sampleId ? undefined : (events.find(({ id }) => id === chosen) ?? events[0]);
  const sample = text ?? JSON.stringify(sampleOf(past ?? events[0], type), null, 2);
  const wrong = past ? undefined : jsonProblem(sample);
  const fields = (
    <>
      <SelectField
        label="Event"
        value={past?.id ?? sampleId}
        options={[
          ...events.map(
            ({ id, timestamp, type: name }) => [id, `${new Date(timestamp).toLocaleString()} · ${name}`] as const,
          ),
          [sampleId, 'A sample that you write'],
        ]}
        onChange={(id) => {
          // The sample starts as a copy of the event that was chosen before.
          if (id === sampleId) setText(JSON.stringify(sampleOf(past, type), null, 2));
          setChosen(id);
        }}
      />
      {loading && <Loading rows={1} />}
      {!past && <TextArea label="Sample" rows={10} value={sample} onChange={setText} wrong={wrong} />}
    </>
  );
  return { fields, wrong, body: () => (past ? { eventId: past.id } : { event: JSON.parse(sample) }) };
}

/** The part of an event that a sample gives; the rest is filled in. */
function sampleOf(event: TrunklineEvent | undefined, type: string | undefined): object {
  return event
    ? { type: event.type, data: event.data }
    : { type: type ?? 'trunkline.hook.received', data: { body: {} } };
}

/** What the automation would do with an event, without sending anything. */
function Rehearsal({ automation }: { automation: Automation }) {
  const event = useTrialEvent(automation);
  const [reads, setReads] = useState(false);
  const [result, setResult] = useState<Rehearsed>();
  useEffect(() => setResult(undefined), [automation.updatedAt]);
  return (
    <>
      <Form
        submit="Rehearse it"
        busy="Rehearsing…"
        quiet
        disabled={event.wrong !== undefined}
        onSubmit={async () => {
          const body = { ...event.body(), reads };
          setResult(await call<Rehearsed>('POST', `/v1/automations/${automation.id}/test`, body));
        }}
      >
        <p class="muted">Shows the run that an event would start. Nothing is sent.</p>
        {event.fields}
        <CheckField checked={reads} onChange={setReads}>
          Really read from the vendors{' '}
          <span class="muted">so that steps see channels, users and rows. Nothing is written.</span>
        </CheckField>
      </Form>
      {result && <Outcome result={result} />}
    </>
  );
}

const loopback = /^(localhost|127(\.\d{1,3}){3}|\[::1\])$/;

/** Whether a connection leads to a simulated vendor: one whose every address is on the machine of Trunkline. */
function isSimulated({ settings }: Connection): boolean {
  const addresses = Object.values(settings).filter((value) => typeof value === 'string' && /^\w+:\/\//.test(value));
  return addresses.length > 0 && addresses.every((address) => loopback.test(new URL(String(address)).hostname));
}

/** A real run in which simulated vendors stand in for every account. */
function Drill({ automation }: { automation: Automation }) {
  const event = useTrialEvent(automation);
  const connections = useLive<Connection[]>('/v1/connections', 0);
  const [chosen, setChosen] = useState<Record<string, string>>({});
  const simulated = (connections.data ?? []).filter(isSimulated);
  const accountIds = new Set(callsOf(automation.do).map((made) => made.split('/').slice(0, 2).join('/')));
  const accounts = [...accountIds].map((account) => {
    const [vendor = ''] = account.split('/');
    const names = simulated.filter((each) => each.vendor === vendor).map(({ name }) => name);
    const standIn = chosen[account] ?? (names.includes('demo') ? 'demo' : names[0]);
    return { account, vendor, names, standIn };
  });
  const lacking = new Set(accounts.filter(({ standIn }) => standIn === undefined).map(({ vendor }) => vendor));
  return (
    <Form
      submit="Start the drill"
      busy="Starting…"
      quiet
      disabled={event.wrong !== undefined || !connections.data || lacking.size > 0}
      onSubmit={async (isShown) => {
        const { id } = await callOnce<{ id: string }>(`/v1/automations/${automation.id}/drill`, {
          ...event.body(),
          connections: Object.fromEntries(accounts.map(({ account, standIn }) => [account, standIn])),
        });
        say('The drill has started.');
        if (isShown()) go(`/runs/${id}`);
        reloadAll();
      }}
    >
      <p class="muted">
        Carries out every step, at simulated vendors on the machine that Trunkline runs on. No real siren sounds, and a
        failure is not reported.
      </p>
      {event.fields}
      {accounts.map(
        ({ account, vendor, names, standIn }) =>
          standIn !== undefined && (
            <SelectField
              key={account}
              label={`In place of ${account}`}
              value={standIn}
              options={names.map((name) => [name, `${vendor}/${name}, simulated`])}
              onChange={(name) => setChosen({ ...chosen, [account]: name })}
            />
          ),
      )}
      <Notice problem={connections.problem} />
      {connections.data && lacking.size > 0 && (
        <p class="notice warn">
          <Mark tone="warn" />
          <span>
            No connection leads to a simulated {[...lacking].map(vendorTitle).join(' or ')}. Start the simulated vendors
            with <code>npm run sandbox</code> on the machine of Trunkline, and{' '}
            <Link to="/connections?new=1">connect</Link> them. On AWS, drills are not available.
          </span>
        </p>
      )}
    </Form>
  );
}

function Outcome({ result }: { result: Rehearsed }) {
  return (
    <div role="status" class="outcome">
      <RunOutcome run={result} />
      {result.problem && <p class="wrong">{result.problem}</p>}
      {!result.complete && <p class="wrong">The rehearsal reached its limits before the run ended.</p>}
      {result.started.map((run, at) => (
        <div key={at}>
          <h3>Would start {run.automation}</h3>
          <RunOutcome run={run} />
        </div>
      ))}
      {result.undo.length > 0 && <Json label="Undo would call" value={result.undo} open={false} />}
    </div>
  );
}

function RunOutcome({ run }: { run: RehearsedRun }) {
  return (
    <>
      <p class={`word ${run.runs ? 'good' : 'idle'}`}>
        {run.runs ? 'It would run.' : `It would not run. ${run.reason ?? ''}`}
      </p>
      {run.dedupeKey !== undefined && (
        <p class="muted">
          Deduplication key: <code>{run.dedupeKey}</code>
        </p>
      )}
      {run.saw && <Json label="What the condition saw" value={run.saw} />}
      {run.steps.length > 0 && (
        <ol class="rows">
          {run.steps.map((step) => (
            <Row
              key={`${step.name} ${step.index}`}
              tone={step.problem ? 'bad' : stepTone[step.state]}
              title={
                <>
                  {step.name}
                  {step.index > 0 && <span class="muted"> · item {step.index + 1}</span>}{' '}
                  <span class="mono muted">{step.call}</span>
                </>
              }
              text={[
                step.problem && <span class="wrong">{step.problem}</span>,
                step.reason,
                step.unknown &&
                  `Reads what ${step.unknown.join(', ')} would answer, which is not known. Read from the vendors to know it.`,
              ]}
              side={[
                step.performed ? 'was really read' : step.state === 'skipped' ? stepWords.skipped : undefined,
                step.afterSeconds > 0 && `after ${step.afterSeconds} s`,
              ]}
            >
              {step.saw && <Json label="What the condition saw" value={step.saw} open={false} />}
              {step.input !== undefined && <Json label={step.performed ? 'Sent' : 'Would send'} value={step.input} />}
              {step.output !== undefined && <Json label="Answer" value={step.output} open={false} />}
            </Row>
          ))}
        </ol>
      )}
    </>
  );
}

interface Backtested {
  since: string;
  until: string;
  events: number;
  next?: string;
  summary: { runs: Partial<Record<RunState, number>>; calls: Record<string, number> };
  runs: (RehearsedRun & { startedAt: string })[];
}

/** How many past events one page of a backtest takes, and how many pages are read at a press. */
const backtestPage = 100;
const maxPages = 20;

/** The runs that the events of the last days would have started with the definition as it is now. */
function Backtest({ automation }: { automation: Automation }) {
  const [days, setDays] = useState(3);
  const [pages, setPages] = useState<Backtested[]>([]);
  const action = useAction();
  const stopped = useRef<AbortController>(undefined);
  const stop = () => stopped.current?.abort();
  useEffect(() => {
    setPages([]);
    return stop;
  }, [automation.updatedAt, days]);
  const last = pages.at(-1);
  const backtest = async () => {
    const stopping = new AbortController();
    stopped.current = stopping;
    const known = last?.next === undefined ? [] : [...pages];
    for (let read = 0; read < maxPages; read++) {
      const before = known.at(-1);
      const page = await call<Backtested>('POST', `/v1/automations/${automation.id}/backtest`, {
        since: before?.since ?? daysAgo(days),
        limit: backtestPage,
        ...(before?.next !== undefined && { after: before.next, until: before.until }),
      });
      if (stopping.signal.aborted) return;
      known.push(page);
      setPages([...known]);
      if (page.next === undefined) return;
    }
  };
  const runs = pages.flatMap((page) => page.runs);
  const shown = runs.filter(({ runs: began }) => began);
  return (
    <>
      <Form
        submit={last?.next === undefined ? 'Backtest it' : 'Continue with later events'}
        busy="Backtesting…"
        quiet
        disabled={last !== undefined && last.next === undefined}
        action={action}
        beside={action.busy && <Button onClick={stop}>Stop</Button>}
        onSubmit={backtest}
      >
        <p class="muted">
          Shows the runs that past events and schedules would have started with this definition. Nothing is sent or
          read.
        </p>
        <SelectField
          label="Since"
          value={days}
          onChange={setDays}
          options={[
            [1, 'yesterday'],
            [3, 'three days ago'],
            [7, 'a week ago'],
            [30, '30 days ago'],
          ]}
        />
      </Form>
      {last && (
        <div role="status" class="outcome">
          <p class="word">
            {count(
              pages.reduce((sum, { events }) => sum + events, 0),
              'event',
            )}
            , {count(shown.length, 'run')}
            {runs.length > shown.length && `, ${runs.length - shown.length} skipped or duplicate`}
            {last.next !== undefined && '; there are more events'}.
          </p>
          {last.next !== undefined && <BacktestProgress last={last} />}
          <CallCounts pages={pages} />
          {shown.map((run, at) => (
            <BacktestedRun key={at} run={run} />
          ))}
        </div>
      )}
    </>
  );
}

/** How far into its time a backtest is. */
function BacktestProgress({ last: { since, until, runs } }: { last: Backtested }) {
  const at = runs.at(-1)?.startedAt ?? since;
  const [begin, end] = [Date.parse(since), Date.parse(until)];
  const done = Math.min(Date.parse(at), end) - begin;
  return <Progress done={done} total={end - begin} words={`Up to ${moment(at)}`} />;
}

function BacktestedRun({ run }: { run: Backtested['runs'][number] }) {
  const [open, setOpen] = useState(false);
  return (
    <details class="group good" onToggle={(event) => setOpen(event.currentTarget.open)}>
      <summary>
        <span class="row-main">
          <span class="row-title">
            <When iso={run.startedAt} />
          </span>
          <span class="row-text">
            {run.automation}: {runWords[run.state].toLowerCase()}, {count(run.steps.length, 'step')}
          </span>
        </span>
        <Icon name="chevron" class="turn" />
      </summary>
      <div class="group-body">{open && <RunOutcome run={run} />}</div>
    </details>
  );
}

/** How often each operation would have been called. */
function CallCounts({ pages }: { pages: readonly Backtested[] }) {
  const sums = new Map<string, number>();
  for (const { summary } of pages) {
    for (const [made, number] of Object.entries(summary.calls)) sums.set(made, (sums.get(made) ?? 0) + number);
  }
  return (
    <ul class="rows">
      {[...sums].map(([made, number]) => (
        <Row
          key={made}
          title={made}
          mono
          side={[<span class={isAlarm(made) ? 'word bad' : ''}>{count(number, 'time')}</span>]}
        />
      ))}
    </ul>
  );
}

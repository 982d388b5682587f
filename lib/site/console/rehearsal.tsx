import { useEffect, useState } from 'preact/hooks';
import { call, may } from './api.ts';
import { CheckField, SelectField, TextArea } from './fields.tsx';
import { Icon } from './icons.tsx';
import { useLive } from './live.ts';
import { Json, Loading, Notice, Section, useAction, When } from './parts.tsx';
import type { Automation, RunState, RunStep, TrunklineEvent } from './readings.ts';
import { Row } from './rows.tsx';
import { daysAgo } from './time.ts';
import { count, isAlarm, jsonProblem, runWords, stepTone, stepWords } from './words.ts';

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

/** What the automation would do with an event, without sending anything. */
export function Rehearsal({ automation }: { automation: Automation }) {
  const { hook, event: type } = [automation.when].flat()[0] ?? {};
  const source = hook !== undefined ? `connection=${hook}` : type !== undefined ? `type=${type}` : undefined;
  const eventsPath = source !== undefined && may('events', 'read') ? `/v1/events?${source}&limit=20` : undefined;
  const { data: events = [], problem } = useLive<TrunklineEvent[]>(eventsPath, 0);
  const loading = eventsPath !== undefined && events.length === 0 && !problem;
  const [chosen, setChosen] = useState<string>();
  const [text, setText] = useState<string>();
  const [reads, setReads] = useState(false);
  const [result, setResult] = useState<Rehearsed>();
  const action = useAction();
  const past = chosen === sampleId ? undefined : (events.find(({ id }) => id === chosen) ?? events[0]);
  const sample = text ?? JSON.stringify(sampleOf(past ?? events[0], type), null, 2);
  const wrong = past ? undefined : jsonProblem(sample);
  useEffect(() => setResult(undefined), [automation.updatedAt]);
  const rehearse = () =>
    action.run(async () => {
      const what = past ? { eventId: past.id } : { event: JSON.parse(sample) };
      setResult(await call<Rehearsed>('POST', `/v1/automations/${automation.id}/test`, { ...what, reads }));
    });
  return (
    <Section title="Rehearse">
      <form
        class="panel"
        onSubmit={(submitted) => {
          submitted.preventDefault();
          void rehearse();
        }}
      >
        <p class="muted">Shows the run that an event would start. Nothing is sent.</p>
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
        <CheckField checked={reads} onChange={setReads}>
          Really read from the vendors{' '}
          <span class="muted">so that steps see channels, users and rows. Nothing is written.</span>
        </CheckField>
        <Notice problem={action.problem} />
        <div class="dialog-actions">
          <button type="submit" class="button" disabled={action.busy || wrong !== undefined}>
            {action.busy ? 'Rehearsing…' : 'Rehearse'}
          </button>
        </div>
        {result && <Outcome result={result} />}
      </form>
    </Section>
  );
}

/** The part of an event that a sample gives; the rest is filled in. */
function sampleOf(event: TrunklineEvent | undefined, type: string | undefined): object {
  return event
    ? { type: event.type, data: event.data }
    : { type: type ?? 'trunkline.hook.received', data: { body: {} } };
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

/** How many past events one page of a backtest takes. */
const backtestPage = 100;

/** The runs that the events of the last days would have started with the definition as it is now. */
export function Backtest({ automation }: { automation: Automation }) {
  const [days, setDays] = useState(3);
  const [pages, setPages] = useState<Backtested[]>([]);
  const action = useAction();
  useEffect(() => setPages([]), [automation.updatedAt, days]);
  const last = pages.at(-1);
  const backtest = () =>
    action.run(async () => {
      const page = await call<Backtested>('POST', `/v1/automations/${automation.id}/backtest`, {
        since: last?.since ?? daysAgo(days),
        limit: backtestPage,
        ...(last?.next !== undefined && { after: last.next, until: last.until }),
      });
      setPages(last?.next === undefined ? [page] : [...pages, page]);
    });
  const runs = pages.flatMap((page) => page.runs);
  const shown = runs.filter(({ runs: began }) => began);
  return (
    <Section title="Backtest">
      <form
        class="panel"
        onSubmit={(submitted) => {
          submitted.preventDefault();
          void backtest();
        }}
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
        <Notice problem={action.problem} />
        <div class="dialog-actions">
          <button
            type="submit"
            class="button"
            disabled={action.busy || (last !== undefined && last.next === undefined)}
          >
            {action.busy ? 'Backtesting…' : last?.next === undefined ? 'Backtest' : 'Continue with later events'}
          </button>
        </div>
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
            <CallCounts pages={pages} />
            {shown.map((run, at) => (
              <details key={at} class="group good">
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
                <div class="group-body">
                  <RunOutcome run={run} />
                </div>
              </details>
            ))}
          </div>
        )}
      </form>
    </Section>
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

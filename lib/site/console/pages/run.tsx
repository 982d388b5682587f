import { useState } from 'preact/hooks';
import { call, may } from '../api.ts';
import { Icon } from '../icons.tsx';
import { reloadAll, useLive } from '../live.ts';
import { Badge, Dialog, Empty, Json, Loading, Mark, Notice, Page, Section, say, Time, useAction } from '../parts.tsx';
import type { RunStep, TrunklineEvent, WholeRun } from '../readings.ts';
import { go, Link } from '../router.tsx';
import { now, span } from '../time.ts';
import { duration, isAlarm, isSiren, runIn, runTone, runWords, stepTone, stepWords } from '../words.ts';

/** One run: why it started, what each step sent and received, and replay. */
export function RunPage({ params: [id = ''] }: { params: readonly string[] }) {
  const { data: run, problem, reload } = useLive<WholeRun>(`/v1/runs/${id}`, 2000);
  const [replaying, setReplaying] = useState(false);
  const cancel = useAction();
  if (problem && !run) {
    return (
      <Page title="Run" back={{ to: '/runs', name: 'Runs' }}>
        {problem.status === 404 ? (
          <Empty title="There is no such run." icon="runs">
            <p>Runs are kept for 30 days.</p>
          </Empty>
        ) : (
          <Notice problem={problem} onRetry={() => void reload()} />
        )}
      </Page>
    );
  }
  if (!run) return <Loading rows={4} />;
  const tone = runTone[run.state];
  const other = run.state === 'suppressed' || run.state === 'skipped' ? runIn(run.reason) : undefined;
  const write = may('runs', 'write');
  const failed = run.steps.find(({ error }) => error);
  const reason = run.reason ?? (failed && `Step ${failed.name}: ${failed.error?.message}`);
  return (
    <Page
      title={run.name}
      back={{ to: '/runs', name: 'Runs' }}
      actions={
        write && (
          <>
            {run.state === 'running' && (
              <button
                type="button"
                class="button"
                disabled={cancel.busy}
                onClick={() =>
                  void cancel.run(async () => {
                    await call('POST', `/v1/runs/${run.id}/cancel`, {});
                    reloadAll();
                    say('The run stops before its next step.');
                  })
                }
              >
                <Icon name="close" />
                Cancel the run
              </button>
            )}
            {run.state !== 'running' && (
              <button type="button" class="button primary" onClick={() => setReplaying(true)}>
                <Icon name="replay" />
                Replay
              </button>
            )}
          </>
        )
      }
    >
      <Notice problem={cancel.problem} />
      <div class={`verdict ${tone}`}>
        <Mark tone={tone} large />
        <div>
          <p class="verdict-word">{runWords[run.state]}</p>
          {reason && <p>{reason}</p>}
          {other && (
            <p>
              <Link to={`/runs/${other}`}>Show the earlier run</Link>
            </p>
          )}
          {run.replayOf && (
            <p>
              A replay of <Link to={`/runs/${run.replayOf}`}>an earlier run</Link>.
            </p>
          )}
        </div>
      </div>
      <dl class="facts">
        <div>
          <dt>Started</dt>
          <dd>
            <Time iso={run.createdAt} exact /> · <Time iso={run.createdAt} />
          </dd>
        </div>
        <div>
          <dt>{run.endedAt ? 'Took' : 'Running for'}</dt>
          <dd>{duration(run, now.value)}</dd>
        </div>
        {run.eventId && (
          <div>
            <dt>Started by</dt>
            <dd>
              <Link to={`/events/${run.eventId}`}>an event</Link>
            </dd>
          </div>
        )}
        <Response run={run} />
        {run.dedupeKey && (
          <div>
            <dt>Duplicates have the key</dt>
            <dd class="mono">{run.dedupeKey}</dd>
          </div>
        )}
        <div>
          <dt>Id</dt>
          <dd class="mono small">{run.id}</dd>
        </div>
      </dl>
      <Section title="Steps" count={run.steps.length}>
        {run.steps.length === 0 ? (
          <Empty title="No step was begun.">
            <p>
              {run.state === 'skipped'
                ? 'The condition of the automation did not hold for this event.'
                : run.state === 'suppressed'
                  ? 'An earlier run with the same key does the work.'
                  : 'The run ended before its first step.'}
            </p>
          </Empty>
        ) : (
          <ol class="steps">
            {run.steps.map((step) => (
              <Step key={`${step.name} ${step.index} ${step.startedAt}`} step={step} run={run} />
            ))}
          </ol>
        )}
      </Section>
      {replaying && <ReplayDialog run={run} onClose={() => setReplaying(false)} />}
    </Page>
  );
}

/** How long it took from the post to the siren, and to its acknowledgement. */
function Response({ run }: { run: WholeRun }) {
  const siren = run.steps.find((step) => isSiren(step.call) && step.state === 'succeeded');
  if (!siren?.endedAt) return null;
  const acknowledged = run.steps.find(
    ({ call: made, state, output, startedAt }) =>
      made === undefined &&
      state === 'succeeded' &&
      output !== null &&
      output !== undefined &&
      startedAt > siren.startedAt,
  );
  const after = (iso: string) => span(Date.parse(iso) - Date.parse(run.createdAt));
  return (
    <>
      <div>
        <dt>Siren after</dt>
        <dd>{after(siren.endedAt)}</dd>
      </div>
      {acknowledged?.endedAt && (
        <div>
          <dt>Acknowledged after</dt>
          <dd>{after(acknowledged.endedAt)}</dd>
        </div>
      )}
    </>
  );
}

function Step({ step, run }: { step: RunStep; run: WholeRun }) {
  const tone = stepTone[step.state] ?? 'idle';
  const offset = Date.parse(step.startedAt) - Date.parse(run.createdAt);
  const took = step.endedAt === undefined ? undefined : Date.parse(step.endedAt) - Date.parse(step.startedAt);
  return (
    <li class={`step ${tone}`}>
      <Mark tone={tone} />
      <div class="step-card">
        <div class="step-head">
          <h3>
            {step.name}
            {step.index > 0 && <span class="muted"> · item {step.index + 1}</span>}
          </h3>
          <span class="call mono">{step.call ?? 'wait'}</span>
          <span class={`word ${tone}`}>{stepWords[step.state] ?? step.state}</span>
          {step.kept && <Badge tone="same">taken from the earlier run</Badge>}
          <span class="when">
            +{span(offset)}
            {took !== undefined && ` · took ${span(took)}`}
            {step.attempts > 1 && ` · ${step.attempts} attempts`}
          </span>
        </div>
        <div class="step-body">
          {step.error && (
            <p class="step-error">
              {step.error.message} <span class="muted mono">{step.error.code}</span>
              {step.nextAttemptAt && (
                <>
                  {' '}
                  Next attempt <Time iso={step.nextAttemptAt} exact />.
                </>
              )}
            </p>
          )}
          {step.state === 'unknown' && (
            <p class="step-error">
              The answer was lost: the vendor may have done this or not. Look there before you replay it.
            </p>
          )}
          {step.input !== undefined && <Json label="Sent" value={step.input} open={isOpen(step)} />}
          {step.output !== undefined && step.output !== null && (
            <Json label="Answer" value={step.output} open={isOpen(step) && JSON.stringify(step.output).length < 600} />
          )}
        </div>
      </div>
    </li>
  );
}

const isOpen = ({ state }: RunStep) => state === 'failed' || state === 'unknown';

function ReplayDialog({ run, onClose }: { run: WholeRun; onClose: () => void }) {
  const [what, setWhat] = useState<'failed' | 'all' | 'edited'>(run.state === 'succeeded' ? 'all' : 'failed');
  const [sure, setSure] = useState(false);
  const [text, setText] = useState<string>();
  const { data: event } = useLive<TrunklineEvent>(
    run.eventId && may('events', 'read') ? `/v1/events/${run.eventId}` : undefined,
    0,
  );
  const action = useAction();
  const edited = text ?? (event ? JSON.stringify(event, null, 2) : '');
  const unreadable = what === 'edited' ? jsonProblem(edited) : undefined;
  const sounded = run.steps.some((step) => isAlarm(step.call) && step.state === 'succeeded');
  const repeats = what !== 'failed' && sounded;
  const replay = () =>
    action.run(async () => {
      const body = what === 'all' ? { all: true } : what === 'edited' ? { all: true, event: JSON.parse(edited) } : {};
      const { id } = await call<{ id: string }>('POST', `/v1/runs/${run.id}/replay`, body);
      onClose();
      say('The replay has started.');
      go(`/runs/${id}`);
    });
  return (
    <Dialog title="Replay this run" onClose={onClose} wide={what === 'edited'}>
      <form
        onSubmit={(submitted) => {
          submitted.preventDefault();
          void replay();
        }}
      >
        <fieldset>
          <legend>What is done again</legend>
          <Choice id="failed" now={what} choose={setWhat} title="Only what failed">
            Steps that were done are taken from this run and sent to nobody again.
          </Choice>
          <Choice id="all" now={what} choose={setWhat} title="Everything">
            Every step, as if the event had come again.
          </Choice>
          {event && (
            <Choice id="edited" now={what} choose={setWhat} title="Everything, with an edited event">
              Change the event below first.
            </Choice>
          )}
        </fieldset>
        {what === 'edited' && (
          <div class="field">
            <label for="event">Event</label>
            <textarea
              id="event"
              rows={16}
              spellcheck={false}
              value={edited}
              aria-invalid={unreadable !== undefined}
              aria-describedby="event-wrong"
              onInput={(changed) => setText(changed.currentTarget.value)}
            />
            <p id="event-wrong" class="wrong">
              {unreadable}
            </p>
          </div>
        )}
        {repeats && (
          <div class="notice bad">
            <Mark tone="bad" />
            <label class="check">
              <input type="checkbox" checked={sure} onChange={(changed) => setSure(changed.currentTarget.checked)} />
              <span>
                This <strong>sounds the siren again</strong> or shows the alarm again, though it was done already. I
                mean it.
              </span>
            </label>
          </div>
        )}
        <Notice problem={action.problem} />
        <div class="dialog-actions">
          <button type="button" class="button" onClick={onClose}>
            Not now
          </button>
          <button
            type="submit"
            class={`button ${repeats ? 'danger' : 'primary'}`}
            disabled={action.busy || (repeats && !sure) || unreadable !== undefined}
          >
            {action.busy ? 'Starting…' : 'Replay'}
          </button>
        </div>
      </form>
    </Dialog>
  );
}

interface ChoiceProps<T extends string> {
  id: T;
  now: T;
  choose: (id: T) => void;
  title: string;
  children: string;
}

function Choice({ id, now: chosen, choose, title, children }: ChoiceProps<'failed' | 'all' | 'edited'>) {
  return (
    <label class="check choice">
      <input type="radio" name="what" checked={chosen === id} onChange={() => choose(id)} />
      <span>
        <strong>{title}</strong>
        <span class="muted"> {children}</span>
      </span>
    </label>
  );
}

function jsonProblem(text: string): string | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return value !== null && typeof value === 'object' && !Array.isArray(value)
      ? undefined
      : 'The event must be an object.';
  } catch (error) {
    return error instanceof Error ? error.message : 'This is not JSON.';
  }
}

import { useState } from 'preact/hooks';
import { call, callOnce, may } from '../api.ts';
import { Button } from '../button.tsx';
import { FormDialog } from '../dialog.tsx';
import { CheckField, TextArea } from '../fields.tsx';
import { Icon } from '../icons.tsx';
import { reloadAll, useLive } from '../live.ts';
import { Badge, Empty, Json, Mark, Notice, Page, Progress, Section, say, Time, useAction, When } from '../parts.tsx';
import type { Alarm, RunStep, TrunklineEvent, WholeRun } from '../readings.ts';
import { go, Link } from '../router.tsx';
import { Fact, LiveItem, Verdict } from '../rows.tsx';
import { now, span } from '../time.ts';
import {
  alarmSentence,
  connectionTitle,
  duration,
  isAlarm,
  jsonProblem,
  runIdIn,
  runTone,
  runWords,
  stepTone,
  stepWords,
} from '../words.ts';

const back = { to: '/runs', name: 'Runs' };

/** One run: why it started, what each step sent and received, and replay. */
export function RunPage({ params: [id = ''] }: { params: readonly string[] }) {
  const run = useLive<WholeRun>(`/v1/runs/${id}`, 2000);
  return (
    <LiveItem live={run} title="Run" back={back} missing={<p>Runs are kept for 30 days.</p>}>
      {(each) => <KnownRun run={each} />}
    </LiveItem>
  );
}

function KnownRun({ run }: { run: WholeRun }) {
  const [asked, setAsked] = useState<'replay' | 'undo'>();
  const cancel = useAction();
  const tone = runTone[run.state];
  const earlier =
    run.state === 'suppressed' || run.state === 'skipped' ? runIdIn.exec(run.reason ?? '')?.[0] : undefined;
  const failed = run.steps.find(({ error }) => error);
  const reason =
    run.waiting ??
    run.reason?.replace(runIdIn, 'an earlier run') ??
    (failed && `Step ${failed.name}: ${failed.error?.message}`);
  const onClose = () => setAsked(undefined);
  return (
    <Page
      title={run.name}
      back={back}
      actions={
        may('runs', 'write') && (
          <>
            {run.state === 'running' && (
              <Button
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
              </Button>
            )}
            {run.state !== 'running' && run.undoOf === undefined && (
              <Button primary onClick={() => setAsked('replay')}>
                <Icon name="replay" />
                Replay
              </Button>
            )}
            {run.undoable && <Button onClick={() => setAsked('undo')}>Undo</Button>}
          </>
        )
      }
    >
      <Notice problem={cancel.problem} />
      <Verdict tone={tone} word={`${run.drill ? 'Drill: ' : ''}${runWords[run.state]}`}>
        {run.drill && <p>Simulated vendors stood in for every account. Nothing reached a real one.</p>}
        <AlarmAnswer run={run} />
        {reason && <p>{reason}</p>}
        {run.progress && (
          <Progress
            {...run.progress}
            words={`${run.progress.done.toLocaleString()} of ${run.progress.total.toLocaleString()} done`}
          />
        )}
        {earlier && (
          <p>
            <Link to={`/runs/${earlier}`}>Show the earlier run</Link>
          </p>
        )}
        {run.replayedBy && (
          <p>
            It was replayed: <Link to={`/runs/${run.replayedBy}`}>show the replay</Link>.
          </p>
        )}
        {run.replayOf && (
          <p>
            A replay of <Link to={`/runs/${run.replayOf}`}>an earlier run</Link>.
          </p>
        )}
        {run.undoOf && (
          <p>
            Takes back what <Link to={`/runs/${run.undoOf}`}>an earlier run</Link> did.
          </p>
        )}
      </Verdict>
      <dl class="facts">
        <Fact name="Started">
          <When iso={run.createdAt} />
        </Fact>
        <Fact name={run.endedAt ? 'Took' : 'Running for'}>{duration(run, now.value)}</Fact>
        <Fact name="Automation">
          {run.automationId && <Link to={`/automations/${run.automationId}`}>{run.name}</Link>}
        </Fact>
        <Fact name="Started by">{run.eventId && <Link to={`/events/${run.eventId}`}>an event</Link>}</Fact>
        <Fact name="Deduplication key" mono>
          {run.dedupeKey}
        </Fact>
        <Fact name="Id" mono wide>
          {run.id}
        </Fact>
      </dl>
      <Section title="Steps" count={run.steps.length}>
        {run.steps.length === 0 ? (
          <Empty title={run.state === 'running' ? 'No step has started yet.' : 'No step was started.'}>
            <p>
              {run.state === 'running'
                ? 'It waits for an earlier run where its automation has the mode queue, or until sending is resumed. Otherwise it starts within seconds.'
                : run.state === 'skipped'
                  ? 'The condition of the automation was not met by this event.'
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
      {asked === 'replay' && <ReplayDialog run={run} onClose={onClose} />}
      {asked === 'undo' && <UndoDialog run={run} onClose={onClose} />}
    </Page>
  );
}

/** Did the siren sound, and after how long? */
function AlarmAnswer({ run }: { run: WholeRun }) {
  const raises = run.steps.some((step) => isAlarm(step.call) && step.state !== 'skipped');
  const { data } = useLive<Alarm[]>(raises ? `/v1/alarms?run=${run.id}` : undefined, 5000);
  const [alarm] = data ?? [];
  return alarm ? <p class="verdict-answer">{alarmSentence(alarm)}</p> : null;
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
              The response was lost, so the vendor may have carried this out. Check there before you replay it.
            </p>
          )}
          <NextStep step={step} run={run} />
          {step.input !== undefined && <Json label="Sent" value={step.input} open={isOpen(step)} />}
          {step.output !== undefined && step.output !== null && (
            <Json label="Answer" value={step.output} open={isOpen(step) && JSON.stringify(step.output).length < 600} />
          )}
        </div>
      </div>
    </li>
  );
}

/** Where the cause of a failed step may be mended. */
function NextStep({
  step: { state, call: made = '' },
  run: { automationId, replayedBy, drill },
}: {
  step: RunStep;
  run: WholeRun;
}) {
  const [vendor = '', name = ''] = made.split('/');
  const places = [
    name !== '' && vendor !== 'trunkline' && may('connections', 'read') && (
      <Link to={`/connections/${vendor}/${name}`}>check {connectionTitle({ vendor, name })}</Link>
    ),
    automationId && may('automations', 'read') && (
      <Link to={`/automations/${automationId}`}>change the automation</Link>
    ),
  ].filter(Boolean);
  if (state !== 'failed' || replayedBy !== undefined || drill || places.length === 0) return null;
  return (
    <p class="muted">
      To fix it, {places[0]}
      {places[1] && <> or {places[1]}</>}. Then replay what failed.
    </p>
  );
}

const isOpen = ({ state }: RunStep) => state === 'failed' || state === 'unknown';

type Extent = 'failed' | 'all' | 'edited' | 'outputs';

function ReplayDialog({ run, onClose }: { run: WholeRun; onClose: () => void }) {
  const [extent, setExtent] = useState<Extent>(run.state === 'succeeded' ? 'all' : 'failed');
  const [sure, setSure] = useState(false);
  const [texts, setTexts] = useState<Partial<Record<Extent, string>>>({});
  const { data: event } = useLive<TrunklineEvent>(
    run.eventId && may('events', 'read') ? `/v1/events/${run.eventId}` : undefined,
    0,
  );
  const undone = run.steps.filter(({ state }) => state === 'failed' || state === 'unknown');
  const presets: Partial<Record<Extent, string>> = {
    edited: event ? JSON.stringify(event, null, 2) : '',
    outputs: JSON.stringify(Object.fromEntries(undone.map(({ name }) => [name, {}])), null, 2),
  };
  const text = texts[extent] ?? presets[extent];
  const wrong = text === undefined ? undefined : objectProblem(text);
  const given = extent === 'outputs' && wrong === undefined && text !== undefined ? JSON.parse(text) : {};
  // What is repeated although it was done, or may have been, by an earlier replay too.
  const sounds = run.steps.some(
    ({ call: made, name, state }) =>
      isAlarm(made) &&
      !Object.hasOwn(given, name) &&
      (state === 'unknown' ||
        (state === 'failed' && run.replayedBy !== undefined) ||
        (state === 'succeeded' && extent !== 'failed' && extent !== 'outputs')),
  );
  const bodies: Readonly<Record<Extent, () => object>> = {
    failed: () => ({}),
    all: () => ({ all: true }),
    edited: () => ({ all: true, event: JSON.parse(text ?? '') }),
    outputs: () => ({ outputs: given }),
  };
  const choice = (id: Extent, title: string, words: string) => (
    <label class="check choice">
      <input
        type="radio"
        name="extent"
        checked={extent === id}
        onChange={() => {
          setExtent(id);
          setSure(false);
        }}
      />
      <span>
        <strong>{title}</strong>
        <span class="muted"> {words}</span>
      </span>
    </label>
  );
  return (
    <FormDialog
      title="Replay this run"
      submit="Replay"
      busy="Starting…"
      danger={sounds}
      disabled={(sounds && !sure) || wrong !== undefined}
      wide={text !== undefined}
      onClose={onClose}
      onSubmit={async (isShown) => {
        const { id } = await callOnce<{ id: string }>(`/v1/runs/${run.id}/replay`, bodies[extent]());
        say('The replay has started.');
        if (isShown()) go(`/runs/${id}`);
        onClose();
      }}
    >
      <fieldset>
        <legend>What to repeat</legend>
        {choice('failed', 'Only what failed', 'Steps that succeeded keep their results and send nothing again.')}
        {choice('all', 'Everything', 'Every step, as if the event had come again.')}
        {event && choice('edited', 'Everything, with an edited event', 'Change the event below first.')}
        {undone.length > 0 &&
          choice(
            'outputs',
            'What failed, except steps you did by hand',
            'Steps that you list with their results are not carried out.',
          )}
      </fieldset>
      {text !== undefined && (
        <TextArea
          label={extent === 'edited' ? 'Event' : 'Results by step'}
          rows={extent === 'edited' ? 16 : 6}
          value={text}
          wrong={wrong}
          hint={extent === 'outputs' ? 'Remove the steps that should be carried out.' : undefined}
          onChange={(next) => setTexts({ ...texts, [extent]: next })}
        />
      )}
      {sounds && (
        <div class="notice bad">
          <Mark tone="bad" />
          <CheckField checked={sure} onChange={setSure}>
            This <strong>sounds the siren again</strong>, or shows the alarm again. I want that.
          </CheckField>
        </div>
      )}
    </FormDialog>
  );
}

function UndoDialog({ run, onClose }: { run: WholeRun; onClose: () => void }) {
  return (
    <FormDialog
      title="Undo this run?"
      submit="Undo"
      busy="Starting…"
      danger
      onClose={onClose}
      onSubmit={async (isShown) => {
        const { id } = await callOnce<{ id: string }>(`/v1/runs/${run.id}/undo`, {});
        say('The undo has started.');
        if (isShown()) go(`/runs/${id}`);
        onClose();
      }}
    >
      <p>
        Each step that succeeded and declares how it is undone is taken back, newest first. Messages and sirens cannot
        be taken back. A second undo of the same run does nothing.
      </p>
    </FormDialog>
  );
}

function objectProblem(text: string): string | undefined {
  const problem = jsonProblem(text);
  if (problem !== undefined) return problem;
  const value: unknown = JSON.parse(text);
  return value !== null && typeof value === 'object' && !Array.isArray(value) ? undefined : 'It must be an object.';
}

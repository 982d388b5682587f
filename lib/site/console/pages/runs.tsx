import { useRef, useState } from 'preact/hooks';
import { call, callOnce, may } from '../api.ts';
import { Button } from '../button.tsx';
import { Dialog } from '../dialog.tsx';
import { Chips } from '../fields.tsx';
import { Icon } from '../icons.tsx';
import { reloadAll, useList, useLive } from '../live.ts';
import { Empty, Loading, Mark, Notice, Page, Progress, say, When } from '../parts.tsx';
import type { Alarm, Automation, Run, RunState } from '../readings.ts';
import { Link, query, setQuery } from '../router.tsx';
import { Fact, LiveList, Row } from '../rows.tsx';
import { daysAgo, now, span } from '../time.ts';
import { alarmSentence, alarmTone, causeOf, count, duration, runIdIn, runTone, runWords } from '../words.ts';

type Show = 'all' | 'failures' | 'alarms' | RunState;
const shows: readonly (readonly [show: Show, name: string])[] = [
  ['all', 'All'],
  ['failures', 'Failures'],
  ['alarms', 'Alarms'],
  ['running', 'Running'],
  ['succeeded', 'Done'],
  ['suppressed', 'Duplicates'],
  ['skipped', 'Condition not met'],
];
/** How many failures of each kind are grouped. */
const maxFailures = 200;

/** Runs, newest first, and failures by cause. */
export function Runs() {
  const show = shows.find(([id]) => id === query.value.get('show'))?.[0] ?? 'all';
  const automation = query.value.get('automation') ?? '';
  const automations = useLive<Automation[]>(may('automations', 'read') ? '/v1/automations' : undefined, 0);
  return (
    <Page title="Runs" lead="Each run is one execution of an automation, or one long call. Open it for its steps.">
      <div class="filters">
        <Chips
          label="Which runs"
          value={show}
          options={shows}
          onChange={(id) => setQuery({ show: id === 'all' ? undefined : id, cause: undefined })}
        />
        {automations.data && automations.data.length > 0 && show !== 'alarms' && (
          <select
            aria-label="Automation"
            value={automation}
            onChange={(event) => setQuery({ automation: event.currentTarget.value })}
          >
            <option value="">Every automation</option>
            {automations.data.map(({ id, name }) => (
              <option key={id} value={id}>
                {name}
              </option>
            ))}
            <option value="calls">Single calls</option>
            {automation !== '' && automation !== 'calls' && automations.data.every(({ id }) => id !== automation) && (
              <option value={automation}>A deleted automation</option>
            )}
          </select>
        )}
      </div>
      {show === 'failures' ? (
        <Failures automation={automation} />
      ) : show === 'alarms' ? (
        <Alarms />
      ) : (
        <List key={`${show} ${automation}`} state={show === 'all' ? undefined : show} automation={automation} />
      )}
    </Page>
  );
}

const listPath = (filters: Record<string, string | undefined>) => {
  const search = new URLSearchParams();
  for (const [name, value] of Object.entries(filters)) if (value) search.set(name, value);
  return `/v1/runs?${search}`;
};

function List({ state, automation }: { state: RunState | undefined; automation: string }) {
  const runs = useList<Run>(listPath({ state, automation }), { everyMs: 3000, at: ({ createdAt }) => createdAt });
  // Every automation of a hook evaluates each post. Skipped runs would hide the others.
  const shown = state === undefined ? runs.data?.filter((run) => run.state !== 'skipped') : runs.data;
  const filtered = state !== undefined || automation !== '';
  return (
    <LiveList
      live={{ ...runs, data: shown }}
      loading={6}
      label="Runs, newest first"
      empty={
        runs.data && runs.data.length > 0 ? (
          <Empty title="In none of the newest runs was the condition met." icon="runs">
            <Button onClick={() => setQuery({ show: 'skipped' })}>Show them</Button>
          </Empty>
        ) : filtered ? (
          <Empty title="No run matches these filters." icon="runs">
            <Button onClick={() => setQuery({ show: undefined, automation: undefined })}>Show every run</Button>
          </Empty>
        ) : (
          <Empty title="Nothing has run yet." icon="runs">
            <p>A run starts when an automation’s hook is posted to, its event happens, or its schedule is due.</p>
            <Link to="/hooks" class="button">
              Go to the hooks
            </Link>
          </Empty>
        )
      }
    >
      {(run) => <RunRow key={run.id} run={run} />}
    </LiveList>
  );
}

interface RunProps {
  run: Run;
  /** Omits the reason, where it stands above the list. */
  brief?: boolean;
}

export function RunRow({ run, brief }: RunProps) {
  const tone = runTone[run.state];
  return (
    <Row
      tone={tone}
      to={`/runs/${run.id}`}
      title={run.name}
      text={[
        run.waiting,
        !brief && run.reason?.replace(runIdIn, 'an earlier run'),
        run.replayOf && 'Replay of an earlier run',
        run.undoOf && 'Undo of an earlier run',
      ]}
      side={[
        <>
          <span class={`word ${tone}`}>{runWords[run.state]}</span>{' '}
          {run.state !== 'skipped' && run.state !== 'suppressed' && (
            <span class="muted">{run.endedAt ? duration(run, 0) : `for ${duration(run, now.value)}`}</span>
          )}
        </>,
        <When key="at" iso={run.createdAt} />,
      ]}
    />
  );
}

/** The alarms of the last runs with their response times: from the post to the alarm, and to its acknowledgement. */
function Alarms() {
  const alarms = useLive<Alarm[]>('/v1/alarms?limit=50', 5000);
  const times = (alarms.data ?? []).flatMap(({ raisedAt, postedAt }) =>
    raisedAt === undefined ? [] : [Date.parse(raisedAt) - Date.parse(postedAt)],
  );
  times.sort((one, other) => one - other);
  const [median, slowest] = [times[Math.floor(times.length / 2)], times.at(-1)];
  return (
    <>
      {median !== undefined && slowest !== undefined && (
        <dl class="facts alarm-times">
          <Fact name="Alarms raised">
            {times.length} of {alarms.data?.length}
          </Fact>
          <Fact name="Post to alarm, median">{span(median)}</Fact>
          <Fact name="Post to alarm, slowest">{span(slowest)}</Fact>
        </dl>
      )}
      <LiveList
        live={alarms}
        empty={
          <Empty title="No alarm was raised in the last 30 days." icon="siren">
            <p>A run that sounds a siren or shows an alert appears here with its response times.</p>
          </Empty>
        }
      >
        {(alarm) => {
          const { runId, name, state, postedAt } = alarm;
          return (
            <Row
              key={runId}
              tone={alarmTone[state]}
              to={`/runs/${runId}`}
              title={name}
              text={alarmSentence(alarm)}
              side={[
                <span class={`word ${alarmTone[state]}`}>{alarmWords[state]}</span>,
                <When key="at" iso={postedAt} />,
              ]}
            />
          );
        }}
      </LiveList>
    </>
  );
}

const alarmWords: Readonly<Record<Alarm['state'], string>> = {
  raised: 'Raised',
  raising: 'In progress',
  unknown: 'Unknown',
  failed: 'Failed',
};

interface Group {
  cause: string;
  runs: Run[];
}

/** A week's failures by cause, to be replayed together once the cause is fixed. */
function Failures({ automation }: { automation: string }) {
  const [since] = useState(() => daysAgo(7));
  const [replayed, setReplayed] = useState<Group>();
  const filters = { automation, since, limit: String(maxFailures) };
  const failed = useLive<Run[]>(listPath({ ...filters, state: 'failed' }), 5000);
  const partial = useLive<Run[]>(listPath({ ...filters, state: 'partial' }), 5000);
  const problem = failed.problem ?? partial.problem;
  const notice = <Notice problem={problem} onRetry={reloadAll} />;
  if (!failed.data || !partial.data) return problem ? notice : <Loading rows={4} />;
  const all = [...failed.data, ...partial.data];
  const open = all
    .filter(({ replayedBy, drill }) => replayedBy === undefined && !drill)
    .sort((one, other) => (one.createdAt < other.createdAt ? 1 : -1));
  const groups = [...Map.groupBy(open, causeOf)]
    .map(([cause, runs]) => ({ cause, runs }))
    .sort((one, other) => other.runs.length - one.runs.length);
  const full = failed.data.length === maxFailures || partial.data.length === maxFailures;
  return (
    <>
      {notice}
      {full && (
        <p class="muted">
          There are more failures than {maxFailures} of a kind; these are the newest of the last seven days.
        </p>
      )}
      {groups.length === 0 && (
        <Empty title="No run has failed in the last seven days." icon="good">
          <p>A run that fails, or does only part of its work, appears here with its cause.</p>
        </Empty>
      )}
      {groups.map((group) => (
        <FailureGroup
          key={group.cause}
          group={group}
          open={query.value.get('cause') === group.cause || groups.length === 1}
          onReplay={() => setReplayed(group)}
        />
      ))}
      {replayed && <ReplayMany group={replayed} onClose={() => setReplayed(undefined)} />}
    </>
  );
}

function FailureGroup({ group, open, onReplay }: { group: Group; open: boolean; onReplay: () => void }) {
  const { cause, runs } = group;
  const failed = runs.some(({ state }) => state === 'failed');
  // Where the cause may be mended; of many, somebody opens the run first.
  const automations = [...new Map(runs.map(({ automationId, name }) => [automationId, name]))]
    .filter(([id]) => id !== undefined)
    .slice(0, 3);
  return (
    <details class={`group ${failed ? 'bad' : 'warn'}`} open={open}>
      <summary>
        <Mark tone={failed ? 'bad' : 'warn'} />
        <span class="row-main">
          <span class="row-title">{cause}</span>
          <span class="row-text">
            {count(runs.length, 'run')} of {[...new Set(runs.map(({ name }) => name))].join(', ')}
          </span>
        </span>
        <Icon name="chevron" class="turn" />
      </summary>
      <div class="group-body">
        <div class="actions">
          {may('runs', 'write') && (
            <Button onClick={onReplay}>
              <Icon name="replay" />
              {runs.length === 1 ? 'Replay it' : `Replay all ${runs.length}`}
            </Button>
          )}
          {may('automations', 'read') &&
            automations.map(([id, name]) => (
              <Link key={id} to={`/automations/${id}`} class="button">
                Open {name}
              </Link>
            ))}
        </div>
        <ul class="rows">
          {runs.map((run) => (
            <RunRow key={run.id} run={run} brief />
          ))}
        </ul>
      </div>
    </details>
  );
}

/** Replays the failed steps of many runs, one after another, oldest first. */
function ReplayMany({ group, onClose }: { group: Group; onClose: () => void }) {
  const [done, setDone] = useState(0);
  const [refused, setRefused] = useState<string[]>([]);
  const [state, setState] = useState<'asked' | 'running' | 'over'>('asked');
  const total = group.runs.length;
  const stopped = useRef(false);
  const close = () => {
    stopped.current = true;
    onClose();
  };
  const start = async () => {
    setState('running');
    let started = 0;
    for (const run of group.runs.toReversed()) {
      if (stopped.current) break;
      try {
        const { replayedBy } = await call<Run>('GET', `/v1/runs/${run.id}`);
        if (replayedBy !== undefined) throw new Error('it was replayed by somebody else meanwhile.');
        await callOnce(`/v1/runs/${run.id}/replay`, {});
        started++;
      } catch (error) {
        const why = error instanceof Error ? error.message : String(error);
        setRefused((before) => [...before, `${run.name}: ${why}`]);
      }
      setDone((before) => before + 1);
    }
    reloadAll();
    setState('over');
    say(`${count(started, 'run')} replayed.`);
  };
  return (
    <Dialog
      title={state === 'asked' ? `Replay ${count(total, 'run')}?` : `Replay of ${count(total, 'run')}`}
      onClose={close}
    >
      <div>
        {state === 'asked' ? (
          <>
            <p>
              Each run repeats only the steps that failed, oldest run first. Make sure that the cause is fixed:{' '}
              <em>{group.cause}</em>
            </p>
            <p class="notice warn">
              <Mark tone="warn" />
              <span>A siren or message that failed is sent now, however old its alarm is.</span>
            </p>
            <div class="dialog-actions">
              <Button onClick={onClose}>Not now</Button>
              <Button primary onClick={() => void start()}>
                Replay
              </Button>
            </div>
          </>
        ) : (
          <>
            <Progress
              done={done}
              total={total}
              words={`${state === 'over' && done < total ? 'Stopped: ' : ''}${done} of ${total} done`}
            />
            {refused.map((each) => (
              <p key={each} class="notice bad">
                <Mark tone="bad" />
                <span>{each}</span>
              </p>
            ))}
            <div class="dialog-actions">
              {state === 'over' ? (
                <Button primary onClick={close}>
                  Close
                </Button>
              ) : (
                <Button
                  onClick={() => {
                    stopped.current = true;
                  }}
                >
                  Stop
                </Button>
              )}
            </div>
          </>
        )}
      </div>
    </Dialog>
  );
}

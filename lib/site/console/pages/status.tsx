import { useState } from 'preact/hooks';
import { clockDifferenceMs, may } from '../api.ts';
import { Button } from '../button.tsx';
import { Icon } from '../icons.tsx';
import { type Live, reloadAll, useLive } from '../live.ts';
import { Empty, Mark, Page, Section, Time, type Tone } from '../parts.tsx';
import type { Alarm, Automation, Connection, Hook, Run, RunState, Usage } from '../readings.ts';
import { Link } from '../router.tsx';
import { LiveList, Row } from '../rows.tsx';
import { ago, daysAgo, moment, now, span } from '../time.ts';
import {
  alarmSentence,
  alarmTone,
  capital,
  causeOf,
  connectionState,
  connectionTitle,
  count,
  hookState,
  isSiren,
  quotaState,
  runTone,
} from '../words.ts';

/** By how much the clocks of this computer and of Trunkline may differ, in milliseconds. */
const clockToleranceMs = 5_000;

/** The first question at two in the morning: is it working? Each part reads for itself, so that news redraws no more than it must. */
export function Status() {
  const [since] = useState(() => daysAgo(1));
  const readsRuns = may('runs', 'read');
  return (
    <Page title="Status">
      <Headline since={since} />
      {readsRuns && <LatestAlarm />}
      {readsRuns && <Failures since={since} />}
      {may('connections', 'read') && <Connections />}
      {may('hooks', 'read') && <Hooks />}
      <SelfChecks />
    </Page>
  );
}

function Connections() {
  const { connections, states } = useConnections();
  return (
    <Section title="Connections" count={connections.data?.length} actions={<Link to="/connections">All</Link>}>
      <LiveList
        live={{
          ...connections,
          data: connections.data && states.toSorted((one, other) => weight(one.tone) - weight(other.tone)),
        }}
        empty={
          <Empty title="No vendor is connected yet." icon="connections">
            <p>Connect a radio server, a chat or a table, and its state appears here.</p>
            <Link to="/connections?new=" class="button primary">
              Connect a vendor
            </Link>
          </Empty>
        }
      >
        {({ connection, tone, word, sentence: words }) => (
          <Row
            key={connection.id}
            tone={tone}
            to={`/connections/${connection.id}`}
            title={connectionTitle(connection)}
            text={words}
            side={[<span class={`word ${tone}`}>{word}</span>, lastPoll(connection)]}
          />
        )}
      </LiveList>
    </Section>
  );
}

function Hooks() {
  const hooks = useLive<Hook[]>('/v1/hooks', 10_000);
  return (
    <Section title="Hooks" count={hooks.data?.length} actions={<Link to="/hooks">All</Link>}>
      <LiveList
        live={hooks}
        loading={2}
        empty={
          <Empty title="Nobody can post to Trunkline yet." icon="hooks">
            <p>A hook is an address that an alarm panel, a form or another service posts to.</p>
            <Link to="/hooks?new=" class="button primary">
              Create a hook
            </Link>
          </Empty>
        }
      >
        {(hook) => {
          const { tone, sentence: words } = hookState(hook);
          return (
            <Row
              key={hook.id}
              tone={tone}
              to={`/hooks/${hook.id}`}
              title={hook.name}
              text={words}
              side={[`${hook.received} received`, hook.refused > 0 && `${hook.refused} refused`]}
            />
          );
        }}
      </LiveList>
    </Section>
  );
}

/** The connections with their states, which their quotas may make worse. */
function useConnections() {
  const readable = may('connections', 'read');
  const connections = useLive<Connection[]>(readable ? '/v1/connections?events=true' : undefined, 5000);
  const usage = useLive<Usage[]>(readable ? '/v1/usage?limit=1000' : undefined, 60_000);
  const quotas = new Map(
    usage.data?.flatMap((each) => (each.quota ? [[`${each.vendor}/${each.connection}`, each]] : [])),
  );
  const states = connections.data?.map((each) => withQuota(each, quotas.get(each.id))) ?? [];
  return { connections, usage, states };
}

/** The failures that nobody has dealt with yet. */
function useFailures(since: string) {
  const path = (state: RunState) =>
    may('runs', 'read') ? `/v1/runs?state=${state}&limit=200&since=${since}` : undefined;
  const failed = useLive<Run[]>(path('failed'), 5000);
  const partial = useLive<Run[]>(path('partial'), 5000);
  const failures = [...(failed.data ?? []), ...(partial.data ?? [])];
  const open = failures.filter(({ replayedBy, drill }) => replayedBy === undefined && !drill);
  return { failed, partial, open };
}

/** The newest alarm. */
const useAlarms = () => useLive<Alarm[]>(may('runs', 'read') ? '/v1/alarms?limit=1' : undefined, 5000);

const useHealth = () => useLive<Health>('/health', 10_000);

/** The state of a connection, or that of its quota where that is worse. */
function withQuota(connection: Connection, usage: Usage | undefined) {
  const state = connectionState(connection);
  if (!usage) return { connection, ...state };
  const { tone, sentence } = quotaState(usage);
  const isWorse = weight(tone) < weight(state.tone);
  return {
    connection,
    ...state,
    ...(isWorse && { tone, word: tone === 'bad' ? 'Quota used up' : 'Quota low' }),
    sentence: `${state.sentence} ${sentence}`,
  };
}

/** When the events of a connection were last polled. */
function lastPoll({ events = [] }: Connection): string | undefined {
  const last = events
    .map(({ polledAt }) => polledAt)
    .filter((at) => at !== undefined)
    .toSorted()
    .at(-1);
  return last && `polled ${ago(last)}`;
}

/** Trunkline's own checks of the last minute and the difference between the clocks. */
function SelfChecks() {
  const { data: health } = useHealth();
  if (!health?.checks) return null;
  const failed = health.checks.filter(({ ok }) => !ok);
  const lag = clockDifferenceMs.value;
  const isOff = lag !== undefined && Math.abs(lag) > clockToleranceMs;
  return (
    <Section title="Trunkline itself">
      <details class="group good" open={failed.length > 0 || isOff}>
        <summary>
          <Mark tone={failed.length > 0 ? 'bad' : isOff ? 'warn' : 'good'} />
          <span class="row-main">
            <span class="row-title">
              {failed.length > 0 ? `${count(failed.length, 'check')} failed` : 'All checks passed'}
              {health.checkedAt && `, ${ago(health.checkedAt)}`}
            </span>
            <span class="row-text">
              {lag === undefined
                ? ''
                : isOff
                  ? `The clock of this computer is ${span(Math.abs(lag))} ${lag > 0 ? 'ahead of' : 'behind'} Trunkline’s, so the ages on this page are wrong.`
                  : 'The clocks of Trunkline and this computer agree.'}
            </span>
          </span>
          <Icon name="chevron" class="turn" />
        </summary>
        <div class="group-body">
          <ul class="rows">
            {health.checks.map(({ name, ok, message }) => (
              <Row key={name} tone={ok ? 'good' : 'bad'} title={capital(name)} text={message} />
            ))}
          </ul>
        </div>
      </details>
    </Section>
  );
}

/** Trunkline's own health: the checks of the last minute. */
interface Health {
  status: string;
  checkedAt?: string;
  checks?: { name: string; ok: boolean; message: string }[];
}

const weight = (tone: Tone) => ['bad', 'warn', 'busy', 'idle', 'good', 'same'].indexOf(tone);

/** Says of an alarm of which an attempt has failed how long people have waited for it. */
function lateAlarm(alarm: Alarm | undefined): string | undefined {
  if (alarm?.state !== 'raising' || alarm.reason === undefined) return undefined;
  const what = isSiren(alarm.call) ? 'siren has not sounded' : 'alert is not shown';
  return `The ${what} yet, ${span(Math.max(0, now.value - Date.parse(alarm.postedAt)))} after the post`;
}

/** What matters most, in one sentence. It waits until all that it speaks of is known. */
function Headline({ since }: { since: string }) {
  const { connections, usage, states } = useConnections();
  const { failed, partial, open } = useFailures(since);
  const alarms = useAlarms();
  const health = useHealth();
  const [readsConnections, readsRuns] = [may('connections', 'read'), may('runs', 'read')];
  const live: Live<unknown>[] = [
    ...(readsConnections ? [connections, usage] : []),
    ...(readsRuns ? [failed, partial, alarms] : []),
    health,
  ];
  const problem = live.find((each) => each.problem)?.problem?.message;
  if (problem === undefined && live.some(({ data }) => data === undefined)) {
    return (
      <div class="headline idle">
        <Mark tone="busy" large />
        <p>Looking…</p>
      </div>
    );
  }
  const unhealthy = (health.data?.checks ?? []).filter(({ ok }) => !ok);
  const troubled = states.filter(({ tone }) => tone === 'bad' || tone === 'warn');
  const late = lateAlarm(alarms.data?.[0]);
  const parts = [
    ...(late === undefined ? [] : [late]),
    ...(problem === undefined ? [] : [problem]),
    ...unhealthy.map(({ name, message }) => `${name}: ${message}`),
    ...(troubled.length > 0
      ? [`${count(troubled.length, 'connection')} ${troubled.length === 1 ? 'needs' : 'need'} you`]
      : []),
    ...(open.length > 0 ? [`${count(open.length, 'run')} failed in the last 24 hours`] : []),
  ];
  const bad =
    late !== undefined ||
    problem !== undefined ||
    unhealthy.length > 0 ||
    states.some(({ tone }) => tone === 'bad') ||
    open.some(({ state }) => state === 'failed');
  const idle = connections.data?.length === 0;
  const asides = [
    readsConnections && 'Every connection answers.',
    readsRuns && 'No run has failed in the last 24 hours.',
  ].filter((each) => each !== false);
  const tone: Tone = bad ? 'bad' : parts.length > 0 ? 'warn' : idle ? 'idle' : 'good';
  const [first, ...rest] = parts;
  return (
    <div class={`headline ${tone}`} role="status">
      <Mark tone={tone} large />
      <div>
        <p>{first === undefined ? (idle ? 'Nothing is connected yet' : 'Everything works') : capital(first)}</p>
        {rest.map((each) => (
          <p key={each} class="more">
            {capital(each)}
          </p>
        ))}
        {first === undefined && !idle && (
          <p class="aside">{asides.length > 0 ? asides.join(' ') : 'Trunkline’s own checks passed.'}</p>
        )}
      </div>
      {problem !== undefined && <Button onClick={reloadAll}>Try again</Button>}
    </div>
  );
}

/** Failures of the last day by cause, largest group first. */
function Failures({ since }: { since: string }) {
  const { open: runs } = useFailures(since);
  if (runs.length === 0) return null;
  const groups = [...Map.groupBy(runs, causeOf)].sort(([, one], [, other]) => other.length - one.length).slice(0, 4);
  return (
    <Section
      title="Failures, last 24 hours"
      count={runs.length}
      actions={<Link to="/runs?show=failures">All failures</Link>}
    >
      <ul class="rows">
        {groups.map(([cause, group]) => {
          const [newest] = group;
          const only = group.length === 1 ? newest : undefined;
          const tone = newest ? runTone[newest.state] : 'bad';
          return (
            <Row
              key={cause}
              tone={tone}
              to={only ? `/runs/${only.id}` : `/runs?show=failures&cause=${encodeURIComponent(cause)}`}
              title={cause}
              text={[...new Set(group.map(({ name }) => name))].slice(0, 3).join(', ')}
              side={[
                <span class={`word ${tone}`}>{count(group.length, 'run')}</span>,
                <Time key="at" iso={newest?.createdAt} />,
              ]}
            />
          );
        })}
      </ul>
    </Section>
  );
}

/** How long it took from the post to the radio, and to the acknowledgement. */
function took({ postedAt, raisedAt = postedAt, acknowledgedAt }: Alarm): string {
  const since = (iso: string) => span(Date.parse(iso) - Date.parse(postedAt));
  const answer = acknowledgedAt === undefined ? '' : `, and ${since(acknowledgedAt)} until it was acknowledged`;
  return `It took ${since(raisedAt)} to the radio${answer}.`;
}

/** What to do for a first alarm: a test of a hook whose automation raises one. */
function NoAlarm() {
  const { data } = useLive<Automation[]>(may('automations', 'read') ? '/v1/automations' : undefined, 10_000);
  const alarming = data?.find(({ enabled, alarm, when }) => enabled && alarm && hookOf(when) !== undefined);
  const hook = alarming && hookOf(alarming.when);
  if (hook === undefined || !may('hooks', 'write')) return null;
  return (
    <section class="alarm idle" aria-label="Latest alarm">
      <Icon name="siren" />
      <div>
        <p class="alarm-title">No alarm has been raised yet</p>
        <p>“{alarming?.name}” raises one when its hook is posted to.</p>
      </div>
      <Link to={`/hooks/${hook}?test=`} class="button primary">
        Send a test alarm
      </Link>
    </section>
  );
}

const hookOf = (when: Automation['when']): string | undefined => [when].flat().find(({ hook }) => hook)?.hook;

/** Did the siren sound? The newest alarm, and how long it took. */
function LatestAlarm() {
  const { data } = useAlarms();
  const [alarm] = data ?? [];
  if (!data) return null;
  if (!alarm) return <NoAlarm />;
  const { call, name, runId, state, postedAt } = alarm;
  const [what, done, undone] = isSiren(call)
    ? ['siren', 'sounded', 'did not sound']
    : ['alert', 'was shown', 'was not shown'];
  const words: Readonly<Record<Alarm['state'], string>> = {
    raised: `The ${what} ${done}`,
    raising: `A ${what} is being sent`,
    unknown: `It is not known whether the ${what} ${done}`,
    failed: `The ${what} ${undone}`,
  };
  return (
    <section class={`alarm ${alarmTone[state]}`} aria-label="Latest alarm">
      <Icon name="siren" />
      <div>
        <p class="alarm-title">
          {words[state]}
          {state === 'raising'
            ? `, for ${span(now.value - Date.parse(postedAt))} so far`
            : ` ${ago(alarm.raisedAt ?? postedAt)}`}
        </p>
        <p>
          {name}, posted at {moment(postedAt)}. {state === 'raised' ? took(alarm) : alarmSentence(alarm)}
        </p>
      </div>
      <div class="actions">
        <Link to="/runs?show=alarms" class="button small">
          All alarms
        </Link>
        <Link to={`/runs/${runId}`} class="button small">
          Show the run
        </Link>
      </div>
    </section>
  );
}

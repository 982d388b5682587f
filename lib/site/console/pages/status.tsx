import { useState } from 'preact/hooks';
import { clockDifferenceMs, may } from '../api.ts';
import { Icon } from '../icons.tsx';
import { useLive } from '../live.ts';
import { Empty, Mark, Page, Section, Time, type Tone } from '../parts.tsx';
import type { Alarm, Automation, Connection, Hook, Run, Usage } from '../readings.ts';
import { Link } from '../router.tsx';
import { LiveList, Row } from '../rows.tsx';
import { ago, daysAgo, moment, span } from '../time.ts';
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

/** The first question at two in the morning: is it working? */
export function Status() {
  const connections = useLive<Connection[]>(
    may('connections', 'read') ? '/v1/connections?events=true' : undefined,
    5000,
  );
  const [since] = useState(() => daysAgo(1));
  const readsRuns = may('runs', 'read');
  const failed = useLive<Run[]>(readsRuns ? `/v1/runs?state=failed&limit=200&since=${since}` : undefined, 5000);
  const partial = useLive<Run[]>(readsRuns ? `/v1/runs?state=partial&limit=200&since=${since}` : undefined, 5000);
  const hooks = useLive<Hook[]>(may('hooks', 'read') ? '/v1/hooks' : undefined, 10_000);
  const health = useLive<Health>('/health', 10_000);

  const usage = useLive<Usage[]>(may('connections', 'read') ? '/v1/usage?limit=1000' : undefined, 60_000);
  const quotas = new Map(
    usage.data?.flatMap((each) => (each.quota ? [[`${each.vendor}/${each.connection}`, each]] : [])),
  );

  const states = connections.data?.map((each) => withQuota(each, quotas.get(each.id))) ?? [];
  const troubled = states.filter(({ tone }) => tone === 'bad' || tone === 'warn');
  const failures = [...(failed.data ?? []), ...(partial.data ?? [])];
  const open = failures.filter(({ replayedBy, drill }) => replayedBy === undefined && !drill);
  const unhealthy = (health.data?.checks ?? []).filter(({ ok }) => !ok);
  const waiting =
    (connections.problem ?? failed.problem) === undefined && (may('connections', 'read') ? !connections.data : false);

  return (
    <Page title="Status">
      <Headline
        loading={waiting}
        problem={connections.problem?.message ?? health.problem?.message}
        parts={[
          ...unhealthy.map(({ name, message }) => `${name}: ${message}`),
          ...(troubled.length > 0
            ? [`${count(troubled.length, 'connection')} ${troubled.length === 1 ? 'needs' : 'need'} you`]
            : []),
          ...(open.length > 0 ? [`${count(open.length, 'run')} failed in the last 24 hours`] : []),
        ]}
        bad={
          unhealthy.length > 0 ||
          states.some(({ tone }) => tone === 'bad') ||
          open.some(({ state }) => state === 'failed')
        }
        idle={connections.data?.length === 0}
      />
      {readsRuns && <LatestAlarm />}
      {open.length > 0 && <Failures runs={open} />}
      {may('connections', 'read') && (
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
      )}
      {may('hooks', 'read') && (
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
      )}
      <SelfChecks health={health.data} />
    </Page>
  );
}

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
function SelfChecks({ health }: { health: Health | undefined }) {
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

function Headline({
  loading,
  problem,
  parts,
  bad,
  idle,
}: {
  loading: boolean;
  problem: string | undefined;
  parts: string[];
  bad: boolean;
  idle: boolean;
}) {
  if (loading) {
    return (
      <div class="headline idle">
        <Mark tone="busy" large />
        <p>Looking…</p>
      </div>
    );
  }
  const tone: Tone = problem !== undefined ? 'bad' : parts.length > 0 ? (bad ? 'bad' : 'warn') : idle ? 'idle' : 'good';
  const [first, ...rest] = problem === undefined ? parts : [problem];
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
          <p class="aside">Every connection answers and no run has failed in the last 24 hours.</p>
        )}
      </div>
    </div>
  );
}

/** Failures of the last day by cause, largest group first. */
function Failures({ runs }: { runs: readonly Run[] }) {
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
  const { data } = useLive<Alarm[]>('/v1/alarms?limit=1', 5000);
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
          {words[state]} {ago(alarm.raisedAt ?? postedAt)}
        </p>
        <p>
          {name}, posted at {moment(postedAt)}.{' '}
          {state === 'raised' ? took(alarm) : state !== 'raising' && alarmSentence(alarm)}
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

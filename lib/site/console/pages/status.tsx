import { useEffect, useState } from 'preact/hooks';
import { call, may } from '../api.ts';
import { Icon } from '../icons.tsx';
import { useLive } from '../live.ts';
import { Empty, Loading, Mark, Notice, Page, Section, Time, type Tone } from '../parts.tsx';
import type { Connection, Hook, Run, WholeRun } from '../readings.ts';
import { Link } from '../router.tsx';
import { ago, daysAgo, moment, now, span } from '../time.ts';
import { causeOf, connectionState, connectionTitle, isSiren, runTone } from '../words.ts';

/** How long a previously busy hook may receive nothing before it is shown as silent, in milliseconds. */
const silentMs = 24 * 60 * 60 * 1000;
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

  const states = connections.data?.map((each) => ({ connection: each, ...connectionState(each) })) ?? [];
  const troubled = states.filter(({ tone }) => tone === 'bad' || tone === 'warn');
  const failures = [...(failed.data ?? []), ...(partial.data ?? [])];
  const open = failures.filter((run) => !isAnswered(run, failures));
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
          <Notice problem={connections.problem} onRetry={() => void connections.reload()} />
          {!connections.data && !connections.problem && <Loading />}
          {connections.data?.length === 0 && (
            <Empty title="No vendor is connected yet." icon="connections">
              <p>Connect a radio server, a chat or a table, and its state appears here.</p>
              <Link to="/connections?new=" class="button primary">
                Connect a vendor
              </Link>
            </Empty>
          )}
          {states.length > 0 && (
            <ul class="rows">
              {[...states]
                .sort((one, other) => weight(one.tone) - weight(other.tone))
                .map(({ connection }) => (
                  <ConnectionRow key={connection.id} connection={connection} />
                ))}
            </ul>
          )}
        </Section>
      )}
      {may('hooks', 'read') && (
        <Section title="Hooks" count={hooks.data?.length} actions={<Link to="/hooks">All</Link>}>
          <Notice problem={hooks.problem} onRetry={() => void hooks.reload()} />
          {!hooks.data && !hooks.problem && <Loading rows={2} />}
          {hooks.data?.length === 0 && (
            <Empty title="Nobody can post to Trunkline yet." icon="hooks">
              <p>A hook is an address that an alarm panel, a form or another service posts to.</p>
              <Link to="/hooks?new=" class="button primary">
                Create a hook
              </Link>
            </Empty>
          )}
          {hooks.data && hooks.data.length > 0 && (
            <ul class="rows">
              {hooks.data.map((hook) => (
                <HookRow key={hook.id} hook={hook} />
              ))}
            </ul>
          )}
        </Section>
      )}
    </Page>
  );
}

/** Trunkline's own health: the checks of the last minute. */
interface Health {
  status: string;
  checks?: { name: string; ok: boolean; message: string }[];
}

const count = (number: number, what: string) => `${number} ${what}${number === 1 ? '' : 's'}`;
const weight = (tone: Tone) => ['bad', 'warn', 'busy', 'idle', 'good', 'same'].indexOf(tone);

/** True if a later replay of the same run also failed: then the replay is the open failure. */
const isAnswered = (run: Run, all: readonly Run[]) => all.some(({ replayOf }) => replayOf === run.id);

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
        <p>{first === undefined ? (idle ? 'Nothing is connected yet' : 'Everything works') : sentence(first)}</p>
        {rest.map((each) => (
          <p key={each} class="more">
            {sentence(each)}
          </p>
        ))}
        {first === undefined && !idle && (
          <p class="muted">Every connection answers and no run has failed in the last 24 hours.</p>
        )}
      </div>
    </div>
  );
}

const sentence = (text: string) => text.charAt(0).toUpperCase() + text.slice(1);

function ConnectionRow({ connection }: { connection: Connection }) {
  const { tone, word, sentence: words } = connectionState(connection);
  const polled = (connection.events ?? []).map(({ lookedAt }) => lookedAt).filter((at) => at !== undefined);
  const last = polled.toSorted().at(-1);
  return (
    <li class={`row ${tone}`}>
      <Link to={`/connections/${connection.id}`}>
        <Mark tone={tone} />
        <span class="row-main">
          <span class="row-title">{connectionTitle(connection)}</span>
          <span class="row-text">{words}</span>
        </span>
        <span class="row-side">
          <span class={`word ${tone}`}>{word}</span>
          {last && <span class="muted">polled {ago(last)}</span>}
        </span>
      </Link>
    </li>
  );
}

function HookRow({ hook }: { hook: Hook }) {
  const quiet = hook.lastReceivedAt !== undefined && now.value - Date.parse(hook.lastReceivedAt) > silentMs;
  const refusedLast =
    hook.lastRefusal !== undefined && (hook.lastReceivedAt === undefined || hook.lastRefusal.at > hook.lastReceivedAt);
  const tone: Tone = refusedLast ? 'warn' : hook.lastReceivedAt === undefined ? 'idle' : quiet ? 'warn' : 'good';
  return (
    <li class={`row ${tone}`}>
      <Link to={`/hooks/${hook.id}`}>
        <Mark tone={tone} />
        <span class="row-main">
          <span class="row-title">{hook.name}</span>
          <span class="row-text">
            {refusedLast
              ? `The last post was refused ${ago(hook.lastRefusal?.at ?? '')}: ${hook.lastRefusal?.reason}`
              : hook.lastReceivedAt === undefined
                ? 'Nothing has come in yet.'
                : `Last post ${ago(hook.lastReceivedAt)}${quiet ? ', silent since then' : ''}.`}
          </span>
        </span>
        <span class="row-side">
          <span>{hook.received} received</span>
          {hook.refused > 0 && <span class="muted">{hook.refused} refused</span>}
        </span>
      </Link>
    </li>
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
            <li key={cause} class={`row ${tone}`}>
              <Link to={only ? `/runs/${only.id}` : `/runs?show=failures&cause=${encodeURIComponent(cause)}`}>
                <Mark tone={tone} />
                <span class="row-main">
                  <span class="row-title">{cause}</span>
                  <span class="row-text">{[...new Set(group.map(({ name }) => name))].slice(0, 3).join(', ')}</span>
                </span>
                <span class="row-side">
                  <span class={`word ${tone}`}>{count(group.length, 'run')}</span>
                  <Time iso={newest?.createdAt} />
                </span>
              </Link>
            </li>
          );
        })}
      </ul>
    </Section>
  );
}

/** How many runs are searched for the last one that sounded a siren. */
const alarmRuns = 12;

/** Did the siren sound? The newest run that called for one, and how long it took. */
function LatestAlarm() {
  const { data: runs } = useLive<Run[]>('/v1/runs?limit=30', 5000);
  const [alarm, setAlarm] = useState<WholeRun>();
  const candidates = (runs ?? [])
    .filter(({ state }) => state !== 'skipped' && state !== 'suppressed')
    .slice(0, alarmRuns)
    .map(({ id, state }) => `${id} ${state}`)
    .join();
  useEffect(() => {
    let wanted = true;
    const look = async () => {
      for (const candidate of candidates.split(',').filter(Boolean)) {
        const run = await call<WholeRun>('GET', `/v1/runs/${candidate.split(' ')[0]}`).catch(() => undefined);
        if (!wanted) return;
        if (run?.steps.some((step) => isSiren(step.call) && step.state !== 'skipped')) {
          setAlarm(run);
          return;
        }
      }
    };
    void look();
    return () => {
      wanted = false;
    };
  }, [candidates]);
  if (!alarm) return null;
  const sirens = alarm.steps.filter((step) => isSiren(step.call) && step.state !== 'skipped');
  const siren = sirens.find(({ state }) => state === 'succeeded') ?? sirens.at(-1);
  if (!siren) return null;
  const acknowledged = alarm.steps.find(
    (step) =>
      step.call === undefined &&
      step.state === 'succeeded' &&
      step.output !== null &&
      step.output !== undefined &&
      step.startedAt > siren.startedAt,
  );
  const sounded = siren.state === 'succeeded';
  const tone: Tone = sounded ? 'good' : siren.state === 'running' ? 'busy' : siren.state === 'unknown' ? 'warn' : 'bad';
  const took = siren.endedAt === undefined ? undefined : Date.parse(siren.endedAt) - Date.parse(alarm.createdAt);
  return (
    <section class={`alarm ${tone}`} aria-label="Latest alarm">
      <Icon name="siren" />
      <div>
        <p class="alarm-title">
          {sounded
            ? `The siren sounded ${ago(siren.endedAt ?? siren.startedAt)}`
            : siren.state === 'running'
              ? 'A siren is being sounded'
              : siren.state === 'unknown'
                ? 'Nobody knows whether the siren sounded'
                : 'The siren did not sound'}
        </p>
        <p>
          {alarm.name}, posted at {moment(alarm.createdAt)}
          {took !== undefined && sounded && <>; on the radio after {span(took)}</>}
          {acknowledged?.endedAt && (
            <>; acknowledged after {span(Date.parse(acknowledged.endedAt) - Date.parse(alarm.createdAt))}</>
          )}
          {!sounded && siren.error && <>: {siren.error.message}</>}.
        </p>
      </div>
      <Link to={`/runs/${alarm.id}`} class="button small">
        Show the run
      </Link>
    </section>
  );
}

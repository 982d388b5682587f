import { call, may } from '../api.ts';
import { Icon } from '../icons.tsx';
import { reloadAll, useLive } from '../live.ts';
import { Empty, Loading, Mark, Notice, Page, say, type Tone, useAction } from '../parts.tsx';
import type { Automation, Hook, Trigger } from '../readings.ts';
import { Link } from '../router.tsx';
import { ago, until } from '../time.ts';
import { runTone, runWords } from '../words.ts';

/** The list of automations. */
export function Automations() {
  const { data, problem, reload } = useLive<Automation[]>('/v1/automations', 5000);
  const hooks = useLive<Hook[]>(may('hooks', 'read') ? '/v1/hooks' : undefined, 0);
  const create = may('automations', 'write') && (
    <Link to="/automations/new" class="button primary">
      <Icon name="plus" />
      Write an automation
    </Link>
  );
  return (
    <Page
      title="Automations"
      lead="When a hook is posted to, an event happens or a time comes: do these steps."
      actions={data && data.length > 0 && create}
    >
      <Notice problem={problem} onRetry={() => void reload()} />
      {!data && !problem && <Loading rows={4} />}
      {data?.length === 0 && (
        <Empty title="Nothing happens by itself yet." icon="automations">
          <p>An automation sounds a siren, writes a chat line or fills a row when a hook is posted to.</p>
          {create}
        </Empty>
      )}
      {data && data.length > 0 && (
        <ul class="rows">
          {data.map((automation) => (
            <AutomationRow key={automation.id} automation={automation} hooks={hooks.data ?? []} />
          ))}
        </ul>
      )}
    </Page>
  );
}

function automationTone({ enabled, lastRun }: Automation): Tone {
  return !enabled ? 'idle' : lastRun ? runTone[lastRun.state] : 'good';
}

function AutomationRow({ automation, hooks }: { automation: Automation; hooks: readonly Hook[] }) {
  const { id, name, enabled, lastRun, nextRunAt } = automation;
  const tone = automationTone(automation);
  return (
    <li class={`row ${tone}`}>
      <div class="row-in">
        <Mark tone={tone} />
        <span class="row-main">
          <Link to={`/automations/${id}`} class="row-title">
            {name}
          </Link>
          <span class="row-text">
            {triggerWords(automation, hooks)}
            {nextRunAt && enabled && `, next ${until(nextRunAt)}`}. {automation.do.length}{' '}
            {automation.do.length === 1 ? 'step' : 'steps'}.
          </span>
        </span>
        <span class="row-side">
          {lastRun ? (
            <Link to={`/runs/${lastRun.id}`}>
              {runWords[lastRun.state]} {lastRun.createdAt && ago(lastRun.createdAt)}
            </Link>
          ) : (
            <span class="muted">has not run yet</span>
          )}
        </span>
        <Switch automation={automation} />
      </div>
    </li>
  );
}

/** Turns an automation on or off immediately. */
export function Switch({ automation: { id, name, enabled } }: { automation: Automation }) {
  const action = useAction();
  const toggle = () =>
    action.run(async () => {
      await call('PATCH', `/v1/automations/${id}`, { enabled: !enabled });
      reloadAll();
      say(enabled ? `${name} is off: it starts no more runs.` : `${name} is on.`);
    });
  return (
    <span class="switch-place">
      <button
        type="button"
        role="switch"
        aria-checked={enabled}
        aria-label={`${name} is ${enabled ? 'on' : 'off'}`}
        class="switch"
        disabled={action.busy || !may('automations', 'write')}
        onClick={() => void toggle()}
      >
        <span />
      </button>
      {action.problem && <span class="wrong">{action.problem.message}</span>}
    </span>
  );
}

/** What triggers an automation, in words. */
export function triggerWords({ when }: Automation, hooks: readonly Hook[]): string {
  return [when]
    .flat()
    .map((each) => wordsOf(each, hooks))
    .join('; ');
}

function wordsOf(when: Trigger, hooks: readonly Hook[]): string {
  if (when.hook !== undefined) {
    return `When “${hooks.find(({ id }) => id === when.hook)?.name ?? when.hook}” is posted to`;
  }
  if (when.event !== undefined) {
    return `When ${when.event} happens${when.connection === undefined ? '' : ` at ${when.connection}`}`;
  }
  const { cron, everySeconds, at, timeZone } = (when.schedule ?? {}) as Record<string, string | number | undefined>;
  if (cron !== undefined) return `At ${cron}${timeZone === undefined ? '' : ` (${timeZone})`}`;
  if (everySeconds !== undefined) return `Every ${everySeconds} seconds`;
  return at === undefined ? 'By a trigger that this page does not know' : `Once, at ${at}`;
}

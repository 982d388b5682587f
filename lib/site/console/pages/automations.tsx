import { useState } from 'preact/hooks';
import { call, may } from '../api.ts';
import { FormDialog } from '../dialog.tsx';
import { CheckField } from '../fields.tsx';
import { Icon } from '../icons.tsx';
import { reloadAll, useLive } from '../live.ts';
import { Empty, Page, say, type Tone, useAction } from '../parts.tsx';
import type { Automation, Hook, Run, Trigger } from '../readings.ts';
import { Link } from '../router.tsx';
import { LiveList, Row } from '../rows.tsx';
import { ago, until } from '../time.ts';
import { count, runTone, runWords } from '../words.ts';

/** The list of automations. */
export function Automations() {
  const automations = useLive<Automation[]>('/v1/automations', 5000);
  const hooks = useLive<Hook[]>(may('hooks', 'read') ? '/v1/hooks' : undefined, 0);
  const schedules = automations.data?.some(isScheduled) && (
    <Link to="/schedules" class="button">
      Schedules
    </Link>
  );
  const create = may('automations', 'write') && (
    <>
      <Link to="/recipes" class="button primary">
        <Icon name="plus" />
        Install a recipe
      </Link>
      <Link to="/automations/new" class="button">
        Write an automation
      </Link>
    </>
  );
  return (
    <Page
      title="Automations"
      lead="When a hook is posted to, an event happens or a time comes, an automation carries out its steps."
      actions={
        automations.data &&
        automations.data.length > 0 && (
          <>
            {schedules}
            {create}
          </>
        )
      }
    >
      <LiveList
        live={automations}
        empty={
          <Empty title="There is no automation yet." icon="automations">
            <p>
              An automation sounds a siren, writes a chat message or fills a row when a hook is posted to. A recipe is a
              finished one with a form.
            </p>
            <div class="actions">{create}</div>
          </Empty>
        }
      >
        {(automation) => {
          const { id, name, enabled, lastRun, nextRunAt } = automation;
          return (
            <Row
              key={id}
              tone={automationTone(automation)}
              to={`/automations/${id}`}
              title={name}
              text={`${triggerWords(automation, hooks.data ?? [])}${nextRunAt && enabled ? `, next ${until(nextRunAt)}` : ''}. ${count(automation.do.length, 'step')}.`}
              side={[
                lastRun ? (
                  <Link to={`/runs/${lastRun.id}`}>
                    {runWords[lastRun.state]} {lastRun.createdAt && ago(lastRun.createdAt)}
                  </Link>
                ) : (
                  <span class="muted">no run has ended yet</span>
                ),
              ]}
              actions={<Switch automation={automation} />}
            />
          );
        }}
      </LiveList>
    </Page>
  );
}

/** Whether a schedule starts it. */
export const isScheduled = ({ when }: Automation): boolean =>
  [when].flat().some(({ schedule }) => schedule !== undefined);

/** Bad where the last run failed, good where it had nothing to do; idle if the automation is off. */
export function automationTone({ enabled, lastRun }: Automation): Tone {
  if (!enabled) return 'idle';
  const tone = lastRun ? runTone[lastRun.state] : 'good';
  return tone === 'idle' || tone === 'same' ? 'good' : tone;
}

/** Turns an automation on, or off. Where runs of it are in progress, it asks what becomes of them. */
export function Switch({ automation: { id, name, enabled } }: { automation: Automation }) {
  const [running, setRunning] = useState(0);
  const action = useAction();
  const toggle = () =>
    action.run(async () => {
      const mayEnd = enabled && may('runs', 'read') && may('runs', 'write');
      const inProgress = mayEnd ? await call<Run[]>('GET', `/v1/runs?automation=${id}&state=running&limit=200`) : [];
      if (inProgress.length > 0) setRunning(inProgress.length);
      else await change({ enabled: !enabled });
    });
  const change = async (to: { enabled: boolean; endRuns?: boolean }) => {
    const { endedRuns } = await call<{ endedRuns?: number }>('PATCH', `/v1/automations/${id}`, to);
    setRunning(0);
    reloadAll();
    const ended = endedRuns === undefined ? '' : ` ${count(endedRuns, 'run')} cancelled.`;
    say(to.enabled ? `${name} is on.` : `${name} is off: it starts no more runs.${ended}`);
  };
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
      {running > 0 && <SwitchOff name={name} running={running} change={change} onClose={() => setRunning(0)} />}
    </span>
  );
}

interface SwitchOffProps {
  name: string;
  running: number;
  change: (to: { enabled: false; endRuns: boolean }) => Promise<void>;
  onClose: () => void;
}

function SwitchOff({ name, running, change, onClose }: SwitchOffProps) {
  const [endRuns, setEndRuns] = useState(false);
  return (
    <FormDialog
      title={`Switch off ${name}?`}
      submit={endRuns ? 'Switch off and cancel' : 'Switch off'}
      busy="Switching off…"
      cancel="Leave it on"
      danger={endRuns}
      onClose={onClose}
      onSubmit={() => change({ enabled: false, endRuns })}
    >
      <p>
        It starts no more runs. {count(running, 'run')} {running === 1 ? 'is' : 'are'} in progress.
      </p>
      <CheckField checked={endRuns} onChange={setEndRuns}>
        Also cancel {running === 1 ? 'it' : 'them'}{' '}
        <span class="muted">Waits end at once, and no further step starts. What was already sent stays sent.</span>
      </CheckField>
    </FormDialog>
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

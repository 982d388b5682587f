import { may } from '../api.ts';
import { useLive } from '../live.ts';
import { Empty, Page, Time, type Tone } from '../parts.tsx';
import type { Automation } from '../readings.ts';
import { Link } from '../router.tsx';
import { LiveList, Row } from '../rows.tsx';
import { ago, now, span, until } from '../time.ts';
import { runTone, runWords } from '../words.ts';
import { isScheduled, Switch, triggerWords } from './automations.tsx';

/** How late a schedule may fire before it is shown as missed, in milliseconds: the clock ticks once a minute. */
const missedMs = 2 * 60_000;

/** The automations that a schedule starts: when next, when last, and what was missed. */
export function Schedules() {
  const automations = useLive<Automation[]>('/v1/automations', 5000);
  const scheduled = automations.data
    ?.filter(isScheduled)
    .toSorted((one, other) => (one.nextRunAt ?? '~').localeCompare(other.nextRunAt ?? '~'));
  return (
    <Page
      title="Schedules"
      back={{ to: '/automations', name: 'Automations' }}
      lead="The automations that start by the clock, the next one first."
    >
      <LiveList
        live={{ ...automations, data: scheduled }}
        empty={
          <Empty title="No automation has a schedule." icon="automations">
            <p>An automation with a schedule starts by the wall clock of a time zone, at a rate, or once.</p>
            {may('automations', 'write') && (
              <Link to="/automations/new" class="button">
                Write an automation
              </Link>
            )}
          </Empty>
        }
      >
        {(automation) => {
          const { id, name, lastRun } = automation;
          const { tone, next } = nextOf(automation);
          return (
            <Row
              key={id}
              tone={tone}
              to={`/automations/${id}`}
              title={name}
              text={[
                triggerWords(automation, []),
                lastRun?.createdAt && `Last run ${ago(lastRun.createdAt)}: ${runWords[lastRun.state].toLowerCase()}.`,
              ]}
              side={[next, automation.nextRunAt && <Time key="at" iso={automation.nextRunAt} exact />]}
              actions={<Switch automation={automation} />}
            />
          );
        }}
      </LiveList>
    </Page>
  );
}

function nextOf({ enabled, nextRunAt, lastRun }: Automation): { tone: Tone; next: string } {
  if (!enabled) return { tone: 'idle', next: 'off' };
  if (nextRunAt === undefined) return { tone: 'idle', next: 'will not run again' };
  const lateMs = now.value - Date.parse(nextRunAt);
  if (lateMs > missedMs) return { tone: 'bad', next: `missed ${span(lateMs)} ago` };
  return { tone: lastRun ? runTone[lastRun.state] : 'good', next: until(nextRunAt) };
}

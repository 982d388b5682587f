import { useState } from 'preact/hooks';
import { call, may } from '../api.ts';
import { Icon } from '../icons.tsx';
import { reloadAll, useLive } from '../live.ts';
import {
  Dialog,
  Empty,
  Json,
  Loading,
  Mark,
  Notice,
  Page,
  Section,
  say,
  Time,
  type Tone,
  useAction,
} from '../parts.tsx';
import type { Automation, Hook, TrunklineEvent } from '../readings.ts';
import { go, Link } from '../router.tsx';
import { ago } from '../time.ts';
import { kindWords, MadeHook, type NewHook } from './hooks.tsx';

/** One hook: its messages, rejected posts with the reason, and its URL. */
export function HookPage({ params: [id = ''] }: { params: readonly string[] }) {
  const { data: hook, problem, reload } = useLive<Hook>(`/v1/hooks/${id}`, 3000);
  const readsEvents = may('events', 'read');
  const { data: events } = useLive<TrunklineEvent[]>(
    readsEvents ? `/v1/events?connection=${id}&limit=50` : undefined,
    3000,
  );
  const automations = useLive<Automation[]>(may('automations', 'read') ? '/v1/automations' : undefined, 0);
  const [rotating, setRotating] = useState(false);
  const [deleting, setDeleting] = useState(false);
  const [made, setMade] = useState<NewHook>();
  const back = { to: '/hooks', name: 'Hooks' };
  if (!hook) {
    return (
      <Page title="Hook" back={back}>
        {problem ? <Notice problem={problem} onRetry={() => void reload()} /> : <Loading rows={4} />}
      </Page>
    );
  }
  const using = automations.data?.filter(({ when }) => [when].flat().some(({ hook: each }) => each === id)) ?? [];
  const refusedLast = hook.lastRefusal !== undefined && hook.lastRefusal.at > (hook.lastReceivedAt ?? '');
  const tone: Tone = refusedLast ? 'warn' : hook.lastReceivedAt ? 'good' : 'idle';
  return (
    <Page
      title={hook.name}
      back={back}
      actions={
        may('hooks', 'write') && (
          <>
            <button type="button" class="button" onClick={() => setRotating(true)}>
              New address
            </button>
            <button type="button" class="button" onClick={() => setDeleting(true)}>
              Delete
            </button>
          </>
        )
      }
    >
      <div class={`verdict ${tone}`}>
        <Mark tone={tone} large />
        <div>
          <p class="verdict-word">
            {refusedLast
              ? `The last post was refused ${ago(hook.lastRefusal?.at ?? '')}`
              : hook.lastReceivedAt
                ? `Last post ${ago(hook.lastReceivedAt)}`
                : 'Nothing has come in yet'}
          </p>
          {refusedLast && (
            <p>
              Answered {hook.lastRefusal?.status}: {hook.lastRefusal?.reason}
            </p>
          )}
          {!hook.lastReceivedAt && !refusedLast && (
            <p>Paste the address into the sender and let it send. If the address is lost, make a new one.</p>
          )}
          {hook.lastProblem && <p>{hook.lastProblem}</p>}
        </div>
      </div>
      <dl class="facts">
        <div>
          <dt>Received</dt>
          <dd>{hook.received}</dd>
        </div>
        <div>
          <dt>Repeated</dt>
          <dd>{hook.repeated}</dd>
        </div>
        <div>
          <dt>Refused</dt>
          <dd>{hook.refused}</dd>
        </div>
        <div>
          <dt>Verification</dt>
          <dd>
            {kindWords(hook.verify.kind)}
            {hook.verify.connection && ` (${hook.verify.connection})`}
          </dd>
        </div>
        <div>
          <dt>Starts</dt>
          <dd>
            {using.length === 0
              ? 'no automation yet'
              : using.map(({ id: automation, name }, at) => (
                  <>
                    {at > 0 && ', '}
                    <Link to={`/automations/${automation}`}>{name}</Link>
                  </>
                ))}
          </dd>
        </div>
        <div>
          <dt>Id</dt>
          <dd class="mono small">{hook.id}</dd>
        </div>
      </dl>
      {hook.lastRefusal && (
        <Section title="Last refusal">
          <div class="notice warn">
            <Mark tone="warn" />
            <div>
              <p>
                <Time iso={hook.lastRefusal.at} exact /> answered {hook.lastRefusal.status}: {hook.lastRefusal.reason}
              </p>
              {hook.lastBody && refusedLast && <Json label="Body" value={hook.lastBody} open={false} />}
            </div>
          </div>
        </Section>
      )}
      <Section title="Recent posts" count={events?.length}>
        {!readsEvents && (
          <p class="muted">
            The posts are in the event log, which this key may not read. It needs <code>trunkline/events/read</code>.
          </p>
        )}
        {events?.length === 0 && (
          <Empty title="No post is in the log." icon="hooks">
            <p>Posts are kept for 30 days.</p>
          </Empty>
        )}
        {events && events.length > 0 && (
          <ul class="rows">
            {events.map((event) => (
              <li key={event.id} class="row">
                <div class="row-in stacked">
                  <p>
                    <Link to={`/events/${event.id}`}>
                      <Time iso={event.timestamp} exact /> · <Time iso={event.timestamp} />
                    </Link>
                  </p>
                  <Json label="Body" value={event.data.body ?? event.data} open={events.length < 4} />
                </div>
              </li>
            ))}
          </ul>
        )}
      </Section>
      {rotating && (
        <RotateDialog
          hook={hook}
          onClose={() => setRotating(false)}
          onMade={(next) => {
            setRotating(false);
            setMade(next);
          }}
        />
      )}
      {deleting && <DeleteDialog hook={hook} using={using} onClose={() => setDeleting(false)} />}
      {made && <MadeHook hook={made} onClose={() => setMade(undefined)} />}
    </Page>
  );
}

function RotateDialog({ hook, onClose, onMade }: { hook: Hook; onClose: () => void; onMade: (hook: NewHook) => void }) {
  const [overlap, setOverlap] = useState(86_400);
  const action = useAction();
  return (
    <Dialog title={`A new address for ${hook.name}`} onClose={onClose}>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          void action.run(async () => {
            onMade(
              await call<NewHook>('POST', `/v1/hooks/${hook.id}/rotate`, { what: 'url', overlapSeconds: overlap }),
            );
            reloadAll();
          });
        }}
      >
        <div class="field">
          <label for="overlap">The old address works for another</label>
          <select id="overlap" value={overlap} onChange={(event) => setOverlap(Number(event.currentTarget.value))}>
            <option value={86_400}>day</option>
            <option value={604_800}>week</option>
            <option value={3600}>hour</option>
            <option value={0}>0 seconds: it is dead at once</option>
          </select>
        </div>
        {overlap === 0 && (
          <p class="notice warn">
            <Mark tone="warn" />
            <span>Alarms that still go to the old address are refused until the sender has the new one.</span>
          </p>
        )}
        <Notice problem={action.problem} />
        <div class="dialog-actions">
          <button type="button" class="button" onClick={onClose}>
            Cancel
          </button>
          <button type="submit" class="button primary" disabled={action.busy}>
            Make a new address
          </button>
        </div>
      </form>
    </Dialog>
  );
}

function DeleteDialog({ hook, using, onClose }: { hook: Hook; using: readonly Automation[]; onClose: () => void }) {
  const action = useAction();
  return (
    <Dialog title={`Delete ${hook.name}?`} onClose={onClose}>
      <div>
        <p>Its address is dead everywhere within ten seconds, and cannot be brought back.</p>
        {using.length > 0 && (
          <p class="notice warn">
            <Mark tone="warn" />
            <span>{using.map(({ name }) => name).join(', ')} would never start again.</span>
          </p>
        )}
        <Notice problem={action.problem} />
        <div class="dialog-actions">
          <button type="button" class="button" onClick={onClose}>
            Keep it
          </button>
          <button
            type="button"
            class="button danger"
            disabled={action.busy}
            onClick={() =>
              void action.run(async () => {
                await call('DELETE', `/v1/hooks/${hook.id}`);
                reloadAll();
                say(`${hook.name} is deleted.`);
                go('/hooks');
              })
            }
          >
            <Icon name="close" />
            Delete
          </button>
        </div>
      </div>
    </Dialog>
  );
}

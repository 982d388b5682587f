import { useState } from 'preact/hooks';
import { call, may } from '../api.ts';
import { Icon } from '../icons.tsx';
import { reloadAll, useLive } from '../live.ts';
import {
  CopyField,
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
import { Link, query, setQuery } from '../router.tsx';
import { span } from '../time.ts';

interface Subscription {
  id: string;
  url: string;
  types: string[];
  connection?: string;
  description?: string;
  state: 'active' | 'paused' | 'disabled';
  reason?: string;
  createdAt: string;
}

interface Delivery {
  id: string;
  subscriptionId: string;
  eventId: string;
  eventType: string;
  state: 'pending' | 'retrying' | 'delivered' | 'given_up' | 'cancelled';
  reason?: string;
  attempts: { number: number; at: string; ms: number; status?: number; [more: string]: unknown }[];
  nextAttemptAt?: string;
  createdAt: string;
}

const stateTone: Readonly<Record<Subscription['state'], Tone>> = { active: 'good', paused: 'idle', disabled: 'bad' };
const stateWords: Readonly<Record<Subscription['state'], string>> = {
  active: 'On',
  paused: 'Paused',
  disabled: 'Disabled',
};
const deliveryTone: Readonly<Record<Delivery['state'], Tone>> = {
  pending: 'busy',
  retrying: 'warn',
  delivered: 'good',
  given_up: 'bad',
  cancelled: 'idle',
};
const deliveryWords: Readonly<Record<Delivery['state'], string>> = {
  pending: 'On its way',
  retrying: 'Trying again',
  delivered: 'Delivered',
  given_up: 'Given up',
  cancelled: 'Cancelled',
};

/** Who is told of events, and what became of each delivery. */
export function Subscriptions() {
  const { data, problem, reload } = useLive<Subscription[]>('/v1/subscriptions', 5000);
  const [replaying, setReplaying] = useState<Subscription>();
  const [rotating, setRotating] = useState<Subscription>();
  const create = may('subscriptions', 'write') && (
    <button type="button" class="button primary" onClick={() => setQuery({ new: '1' })}>
      <Icon name="plus" />
      Subscribe a target
    </button>
  );
  return (
    <Page
      title="Subscriptions"
      lead="Addresses that events are posted to, signed, with ten attempts over three days."
      actions={data && data.length > 0 && create}
    >
      <Notice problem={problem} onRetry={() => void reload()} />
      {!data && !problem && <Loading rows={2} />}
      {data?.length === 0 && (
        <Empty title="Nobody is told of events." icon="deliveries">
          <p>A subscription posts each event of some types to an address of yours.</p>
          {create}
        </Empty>
      )}
      {data && data.length > 0 && (
        <ul class="rows">
          {data.map((subscription) => (
            <SubscriptionRow
              key={subscription.id}
              subscription={subscription}
              onReplay={() => setReplaying(subscription)}
              onRotate={() => setRotating(subscription)}
            />
          ))}
        </ul>
      )}
      {may('deliveries', 'read') && data && data.length > 0 && <Deliveries />}
      {query.value.has('new') && <Create onClose={() => setQuery({ new: undefined })} />}
      {replaying && <ReplayRange subscription={replaying} onClose={() => setReplaying(undefined)} />}
      {rotating && <Rotate subscription={rotating} onClose={() => setRotating(undefined)} />}
    </Page>
  );
}

interface RowProps {
  subscription: Subscription;
  onReplay: () => void;
  onRotate: () => void;
}

function SubscriptionRow({ subscription, onReplay, onRotate }: RowProps) {
  const { id, url, types, connection, description, state, reason } = subscription;
  const tone = stateTone[state];
  const action = useAction();
  const toggle = () =>
    action.run(async () => {
      await call('PATCH', `/v1/subscriptions/${id}`, { enabled: state !== 'active' });
      reloadAll();
      say(state === 'active' ? 'The subscription is paused.' : 'The subscription is on again.');
    });
  return (
    <li class={`row ${tone}`}>
      <div class="row-in">
        <Mark tone={tone} />
        <span class="row-main">
          <span class="row-title">{description ?? url}</span>
          <span class="row-text">
            {types.join(', ')}
            {connection !== undefined && ` of ${connection}`} → {url}
          </span>
          {reason && <span class="row-text">{reason}</span>}
          <Notice problem={action.problem} />
        </span>
        <span class="row-side">
          <span class={`word ${tone}`}>{stateWords[state]}</span>
        </span>
        {may('subscriptions', 'write') && (
          <span class="actions">
            <button type="button" class="button small" disabled={action.busy} onClick={() => void toggle()}>
              {state === 'active' ? 'Pause' : 'Switch on'}
            </button>
            <button type="button" class="button small" onClick={onRotate}>
              New secret
            </button>
            {may('deliveries', 'write') && state === 'active' && (
              <button type="button" class="button small" onClick={onReplay}>
                Replay
              </button>
            )}
          </span>
        )}
      </div>
    </li>
  );
}

const pageSize = 100;

function Deliveries() {
  const state = query.value.get('state') ?? '';
  const { data, problem, reload } = useLive<Delivery[]>(
    `/v1/deliveries?limit=${pageSize}${state && `&state=${state}`}`,
    4000,
  );
  return (
    <Section title="Deliveries" count={data?.length}>
      <fieldset class="chips filters" aria-label="Which deliveries">
        {['', ...Object.keys(deliveryWords)].map((each) => (
          <button
            key={each}
            type="button"
            class="chip"
            aria-pressed={state === each}
            onClick={() => setQuery({ state: each })}
          >
            {each === '' ? 'All' : deliveryWords[each as Delivery['state']]}
          </button>
        ))}
      </fieldset>
      {problem && !data && <Notice problem={problem} onRetry={() => void reload()} />}
      {!data && !problem && <Loading rows={3} />}
      {data?.length === 0 && <Empty title={state ? 'No delivery is in this state.' : 'Nothing was delivered yet.'} />}
      {data && data.length > 0 && (
        <ul class="rows">
          {data.map((delivery) => (
            <DeliveryRow key={delivery.id} delivery={delivery} />
          ))}
        </ul>
      )}
      {data?.length === pageSize && <p class="muted">These are the newest {pageSize}.</p>}
    </Section>
  );
}

function DeliveryRow({ delivery }: { delivery: Delivery }) {
  const { id, eventId, eventType, state, reason, attempts, nextAttemptAt, createdAt } = delivery;
  const tone = deliveryTone[state];
  const action = useAction();
  const last = attempts.at(-1);
  return (
    <li class={`row ${tone}`}>
      <div class="row-in">
        <Mark tone={tone} />
        <span class="row-main">
          <Link to={`/events/${eventId}`} class="row-title mono">
            {eventType}
          </Link>
          <span class="row-text">
            {attempts.length} {attempts.length === 1 ? 'attempt' : 'attempts'}
            {last &&
              `, the last ${last.status === undefined ? 'without an answer' : `answered ${last.status}`} after ${span(last.ms)}`}
            {nextAttemptAt && (
              <>
                , next <Time iso={nextAttemptAt} exact />
              </>
            )}
            {reason && `: ${reason}`}
          </span>
          {attempts.length > 0 && <Json label="Attempts" value={attempts} open={false} />}
          <Notice problem={action.problem} />
        </span>
        <span class="row-side">
          <span class={`word ${tone}`}>{deliveryWords[state]}</span>
          <Time iso={createdAt} />
        </span>
        {may('deliveries', 'write') && state !== 'pending' && state !== 'retrying' && (
          <button
            type="button"
            class="button small"
            disabled={action.busy}
            onClick={() =>
              void action.run(async () => {
                await call('POST', `/v1/deliveries/${id}/replay`, {});
                reloadAll();
                say('The event is sent again.');
              })
            }
          >
            Send again
          </button>
        )}
      </div>
    </li>
  );
}

function Create({ onClose }: { onClose: () => void }) {
  const [url, setUrl] = useState('');
  const [types, setTypes] = useState('');
  const [secret, setSecret] = useState<string>();
  const known = useLive<{ id: string; detail?: string }[]>(
    may('events', 'read') ? '/v1/choices/event-types' : undefined,
    0,
  );
  const action = useAction();
  if (secret !== undefined) return <Secret secret={secret} onClose={onClose} />;
  return (
    <Dialog title="Subscribe a target" onClose={onClose}>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          void action.run(async () => {
            const made = await call<{ secret: string }>('POST', '/v1/subscriptions', {
              url,
              types: types.split(/[\s,]+/).filter(Boolean),
            });
            reloadAll();
            setSecret(made.secret);
          });
        }}
      >
        <div class="field">
          <label for="target">Address that events are posted to</label>
          <input
            id="target"
            type="url"
            required
            placeholder="https://alarms.example/trunkline"
            value={url}
            onInput={(event) => setUrl(event.currentTarget.value)}
          />
        </div>
        <div class="field">
          <label for="types">Event types</label>
          <input
            id="types"
            required
            list="known-types"
            placeholder="trunkline.run.failed, talk.*"
            value={types}
            onInput={(event) => setTypes(event.currentTarget.value)}
          />
          <datalist id="known-types">
            {known.data?.map(({ id, detail }) => (
              <option key={id} value={id}>
                {detail}
              </option>
            ))}
          </datalist>
          <p class="hint">One or more, with commas between. A type that ends in .* means all below it.</p>
        </div>
        <Notice problem={action.problem} />
        <div class="dialog-actions">
          <button type="button" class="button" onClick={onClose}>
            Cancel
          </button>
          <button type="submit" class="button primary" disabled={action.busy}>
            Subscribe
          </button>
        </div>
      </form>
    </Dialog>
  );
}

function Secret({ secret, onClose }: { secret: string; onClose: () => void }) {
  return (
    <Dialog title="The signing secret" onClose={onClose}>
      <div>
        <p>
          <strong>It is shown this once.</strong> The target checks with it that a post is from Trunkline (Standard
          Webhooks).
        </p>
        <CopyField value={secret} label="Secret" />
        <div class="dialog-actions">
          <button type="button" class="button primary" onClick={onClose}>
            I have copied it
          </button>
        </div>
      </div>
    </Dialog>
  );
}

function Rotate({ subscription, onClose }: { subscription: Subscription; onClose: () => void }) {
  const [secret, setSecret] = useState<string>();
  const action = useAction();
  if (secret !== undefined) return <Secret secret={secret} onClose={onClose} />;
  return (
    <Dialog title="Give it a new secret?" onClose={onClose}>
      <div>
        <p>For a day everything is signed with both, so that the target can change over.</p>
        <Notice problem={action.problem} />
        <div class="dialog-actions">
          <button type="button" class="button" onClick={onClose}>
            Cancel
          </button>
          <button
            type="button"
            class="button primary"
            disabled={action.busy}
            onClick={() =>
              void action.run(async () => {
                const made = await call<{ secret: string }>('POST', `/v1/subscriptions/${subscription.id}/rotate`, {});
                setSecret(made.secret);
              })
            }
          >
            Make a new secret
          </button>
        </div>
      </div>
    </Dialog>
  );
}

/** Sends again what was given up within a time. */
function ReplayRange({ subscription, onClose }: { subscription: Subscription; onClose: () => void }) {
  const [hours, setHours] = useState(24);
  const action = useAction();
  return (
    <Dialog title="Send again what was given up" onClose={onClose}>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          void action.run(async () => {
            let from: string | undefined = new Date(Date.now() - hours * 3_600_000).toISOString();
            let count = 0;
            while (from !== undefined) {
              const page: { deliveries: string[]; nextFrom?: string } = await call('POST', '/v1/deliveries/replay', {
                subscription: subscription.id,
                from,
              });
              count += page.deliveries.length;
              from = page.nextFrom;
            }
            reloadAll();
            say(count === 0 ? 'Nothing was given up in that time.' : `${count} are sent again.`);
            onClose();
          });
        }}
      >
        <div class="field">
          <label for="hours">Of the last</label>
          <select id="hours" value={hours} onChange={(event) => setHours(Number(event.currentTarget.value))}>
            <option value={1}>hour</option>
            <option value={24}>24 hours</option>
            <option value={168}>7 days</option>
            <option value={720}>30 days</option>
          </select>
        </div>
        <Notice problem={action.problem} />
        <div class="dialog-actions">
          <button type="button" class="button" onClick={onClose}>
            Cancel
          </button>
          <button type="submit" class="button primary" disabled={action.busy}>
            {action.busy ? 'Sending…' : 'Send again'}
          </button>
        </div>
      </form>
    </Dialog>
  );
}

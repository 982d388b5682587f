import { useState } from 'preact/hooks';
import { callOnce, may } from '../api.ts';
import { Button } from '../button.tsx';
import { FormDialog, ShownOnce } from '../dialog.tsx';
import { Chips, TextField } from '../fields.tsx';
import { Icon } from '../icons.tsx';
import { reloadAll, useList, useLive } from '../live.ts';
import { Empty, Notice, Page, Section, say, Time, type Tone, useAction } from '../parts.tsx';
import type { Delivery, Subscription } from '../readings.ts';
import { query, setQuery } from '../router.tsx';
import { LiveList, Row } from '../rows.tsx';
import { span } from '../time.ts';
import { count } from '../words.ts';

const subscriptionStates: Readonly<Record<Subscription['state'], { tone: Tone; word: string }>> = {
  active: { tone: 'good', word: 'On' },
  paused: { tone: 'idle', word: 'Paused' },
  disabled: { tone: 'bad', word: 'Disabled' },
  gone: { tone: 'bad', word: 'Gone' },
};
/** The state of a subscription; one that is on may be failing. */
export const subscriptionState = ({ state, failingSince }: Pick<Subscription, 'state' | 'failingSince'>) =>
  state === 'active' && failingSince !== undefined
    ? { tone: 'warn' as const, word: 'Failing' }
    : subscriptionStates[state];
const deliveryTone: Readonly<Record<Delivery['state'], Tone>> = {
  pending: 'busy',
  retrying: 'warn',
  delivered: 'good',
  given_up: 'bad',
  cancelled: 'idle',
};
const deliveryWords: Readonly<Record<Delivery['state'], string>> = {
  pending: 'Pending',
  retrying: 'Retrying',
  delivered: 'Delivered',
  given_up: 'Given up',
  cancelled: 'Cancelled',
};

/** The targets of events, and the outcome of each delivery. */
export function Subscriptions() {
  const subscriptions = useLive<Subscription[]>('/v1/subscriptions', 5000);
  const write = may('subscriptions', 'write');
  const create = write && (
    <Button primary onClick={() => setQuery({ new: '1' })}>
      <Icon name="plus" />
      Subscribe a target
    </Button>
  );
  const some = subscriptions.data !== undefined && subscriptions.data.length > 0;
  return (
    <Page
      title="Subscriptions"
      lead="Addresses that events are posted to, signed, with up to ten attempts over three days."
      actions={some && create}
    >
      <LiveList
        live={subscriptions}
        loading={2}
        empty={
          <Empty title="No events are sent to anyone." icon="deliveries">
            <p>A subscription posts each event of some types to an address of yours.</p>
            {create}
          </Empty>
        }
      >
        {(subscription) => {
          const { id, url, types, connection, description, reason, failingSince } = subscription;
          const { tone, word } = subscriptionState(subscription);
          return (
            <Row
              key={id}
              tone={tone}
              to={`/subscriptions/${id}`}
              title={description ?? url}
              text={[`${types.join(', ')}${connection === undefined ? '' : ` of ${connection}`} → ${url}`, reason]}
              side={[<span class={`word ${tone}`}>{word}</span>, failingSince && <Time key="at" iso={failingSince} />]}
            />
          );
        }}
      </LiveList>
      {may('deliveries', 'read') && some && <Deliveries />}
      {query.value.has('new') && write && <Create onClose={() => setQuery({ new: undefined })} />}
    </Page>
  );
}

/** The newest deliveries, of one subscription or of all. */
export function Deliveries({ subscription }: { subscription?: string }) {
  const state = query.value.get('state') ?? '';
  const search = new URLSearchParams({
    ...(state && { state }),
    ...(subscription !== undefined && { subscription }),
  });
  const deliveries = useList<Delivery>(`/v1/deliveries?${search}`, { everyMs: 4000, at: ({ createdAt }) => createdAt });
  return (
    <Section title="Deliveries" count={deliveries.data?.length}>
      <div class="filters">
        <Chips
          label="Which deliveries"
          value={state}
          options={[['', 'All'], ...Object.entries(deliveryWords)]}
          onChange={(next) => setQuery({ state: next })}
        />
      </div>
      <LiveList
        live={deliveries}
        loading={3}
        empty={<Empty title={state ? 'No delivery is in this state.' : 'Nothing has been delivered yet.'} />}
      >
        {(delivery) => <DeliveryRow key={delivery.id} delivery={delivery} />}
      </LiveList>
    </Section>
  );
}

function DeliveryRow({ delivery }: { delivery: Delivery }) {
  const { id, eventId, eventType, state, reason, attempts, nextAttemptAt, createdAt } = delivery;
  const tone = deliveryTone[state];
  const action = useAction();
  const ended = state !== 'pending' && state !== 'retrying';
  return (
    <Row
      tone={tone}
      to={`/events/${eventId}`}
      title={eventType}
      mono
      text={[
        <>
          {count(attempts.length, 'attempt')}
          {nextAttemptAt && (
            <>
              , next at <Time iso={nextAttemptAt} exact />
            </>
          )}
          {reason && `: ${reason}`}
        </>,
      ]}
      side={[<span class={`word ${tone}`}>{deliveryWords[state]}</span>, <Time key="at" iso={createdAt} />]}
      actions={
        may('deliveries', 'write') &&
        ended && (
          <Button
            small
            disabled={action.busy}
            onClick={() =>
              void action.run(async () => {
                await callOnce(`/v1/deliveries/${id}/replay`, {});
                reloadAll();
                say('The event is sent again.');
              })
            }
          >
            Send again
          </Button>
        )
      }
    >
      {attempts.length > 0 && (
        <details class="json">
          <summary>Attempts</summary>
          <table class="attempts">
            <thead>
              <tr>
                <th>Attempt</th>
                <th>At</th>
                <th>Took</th>
                <th>Response</th>
              </tr>
            </thead>
            <tbody>
              {attempts.map(({ number, at, ms, status, excerpt, error }) => (
                <tr key={number}>
                  <td>{number}</td>
                  <td>
                    <Time iso={at} exact />
                  </td>
                  <td>{span(ms)}</td>
                  <td>
                    {status ?? 'none'} {error ?? <code>{excerpt}</code>}
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        </details>
      )}
      <Notice problem={action.problem} />
    </Row>
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
  if (secret !== undefined) return <SigningSecret secret={secret} onClose={onClose} />;
  return (
    <FormDialog
      title="Subscribe a target"
      submit="Subscribe"
      onClose={onClose}
      onSubmit={async () => {
        const made = await callOnce<{ secret: string }>('/v1/subscriptions', {
          url,
          types: types.split(/[\s,]+/).filter(Boolean),
        });
        reloadAll();
        setSecret(made.secret);
      }}
    >
      <TextField
        label="Address that events are posted to"
        type="url"
        required
        placeholder="https://alarms.example/trunkline"
        value={url}
        onChange={setUrl}
      />
      <TextField
        label="Event types"
        required
        list="known-types"
        placeholder="trunkline.run.failed, talk.*"
        value={types}
        onChange={setTypes}
        hint="One or more, separated by commas. A type that ends in .* includes all types below it."
      />
      <datalist id="known-types">
        {known.data?.map(({ id, detail }) => (
          <option key={id} value={id}>
            {detail}
          </option>
        ))}
      </datalist>
    </FormDialog>
  );
}

export function SigningSecret({ secret, onClose }: { secret: string; onClose: () => void }) {
  return (
    <ShownOnce title="The signing secret" values={{ Secret: secret }} onClose={onClose}>
      <p>The target uses it to verify that a post is from Trunkline (Standard Webhooks).</p>
    </ShownOnce>
  );
}

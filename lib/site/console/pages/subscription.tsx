import { useRef, useState } from 'preact/hooks';
import { call, callOnce, may } from '../api.ts';
import { Button } from '../button.tsx';
import { DeleteDialog, FormDialog, RotateDialog } from '../dialog.tsx';
import { CheckField, TextField } from '../fields.tsx';
import { reloadAll, useLive } from '../live.ts';
import { Notice, Page, Progress, say, useAction, When } from '../parts.tsx';
import type { Subscription } from '../readings.ts';
import { Fact, LiveItem, Verdict } from '../rows.tsx';
import { daysAgo, moment } from '../time.ts';
import { count } from '../words.ts';
import { Deliveries, SigningSecret, subscriptionState } from './subscriptions.tsx';

const back = { to: '/subscriptions', name: 'Subscriptions' };

/** One target of events with its deliveries. */
export function SubscriptionPage({ params: [id = ''] }: { params: readonly string[] }) {
  const subscription = useLive<Subscription>(`/v1/subscriptions/${id}`, 5000);
  return (
    <LiveItem live={subscription} title="Subscription" back={back} missing={<p>It was deleted.</p>}>
      {(each) => <KnownSubscription subscription={each} />}
    </LiveItem>
  );
}

function KnownSubscription({ subscription }: { subscription: Subscription }) {
  const { id, url, types, connection, filter, description, state, reason, failingSince, createdAt } = subscription;
  const [asked, setAsked] = useState<'rotate' | 'replay' | 'delete'>();
  const [secret, setSecret] = useState<string>();
  const action = useAction();
  const onClose = () => setAsked(undefined);
  const toggle = () =>
    action.run(async () => {
      await call('PATCH', `/v1/subscriptions/${id}`, { enabled: state !== 'active' });
      reloadAll();
      say(state === 'active' ? 'The subscription is paused.' : 'The subscription is on again.');
    });
  return (
    <Page
      title={description ?? url}
      back={back}
      actions={
        may('subscriptions', 'write') && (
          <>
            <Button disabled={action.busy} onClick={() => void toggle()}>
              {state === 'active' ? 'Pause' : 'Switch on'}
            </Button>
            {may('deliveries', 'write') && state === 'active' && (
              <Button onClick={() => setAsked('replay')}>Replay a range</Button>
            )}
            <Button onClick={() => setAsked('rotate')}>New secret</Button>
            <Button onClick={() => setAsked('delete')}>Delete</Button>
          </>
        )
      }
    >
      <Notice problem={action.problem} />
      <Verdict {...subscriptionState(subscription)}>
        {reason && <p>{reason}</p>}
        {failingSince && (
          <p>
            Failing since <When iso={failingSince} />. The attempts below show what the target answered. Once it is
            mended, what was given up can be replayed.
          </p>
        )}
      </Verdict>
      <dl class="facts">
        <Fact name="Address">{url}</Fact>
        <Fact name="Event types">{types.join(', ')}</Fact>
        <Fact name="Connection">{connection}</Fact>
        <Fact name="Filter">{filter && <code>{filter}</code>}</Fact>
        <Fact name="Created">
          <When iso={createdAt} />
        </Fact>
        <Fact name="Id" mono>
          {id}
        </Fact>
      </dl>
      {may('deliveries', 'read') && <Deliveries subscription={id} />}
      {asked === 'rotate' && (
        <RotateDialog<{ secret: string }>
          title="A new secret"
          submit="Create a new secret"
          label="Sign with both secrets for"
          path={`/v1/subscriptions/${id}/rotate`}
          warning="The target refuses events until it has the new secret."
          onClose={onClose}
          onMade={(made) => {
            onClose();
            setSecret(made.secret);
          }}
        />
      )}
      {secret !== undefined && <SigningSecret secret={secret} onClose={() => setSecret(undefined)} />}
      {asked === 'replay' && <ReplayRange id={id} onClose={onClose} />}
      {asked === 'delete' && (
        <DeleteDialog
          name={description ?? 'this subscription'}
          path={`/v1/subscriptions/${id}`}
          to="/subscriptions"
          onClose={onClose}
        >
          Deliveries that are still pending are cancelled.
        </DeleteDialog>
      )}
    </Page>
  );
}

/** The local time as an `<input type="datetime-local">` takes it. */
const localInput = (time: number) =>
  new Date(time - new Date(time).getTimezoneOffset() * 60_000).toISOString().slice(0, 16);

/** The moment of a local time; of the two in the night in which the clock is set back, the later one. */
function lastTime(local: string): number {
  const time = Date.parse(new Date(local).toISOString());
  const later = [60, 30].map((minutes) => time + minutes * 60_000).find((each) => localInput(each) === local);
  return later ?? time;
}

/** Sends the events of a time range again. */
function ReplayRange({ id, onClose }: { id: string; onClose: () => void }) {
  const [from, setFrom] = useState(() => localInput(Date.parse(daysAgo(1))));
  const [to, setTo] = useState(() => localInput(Date.now()));
  const [delivered, setDelivered] = useState(false);
  const [missing, setMissing] = useState(false);
  const [progress, setProgress] = useState<{ done: number; total: number; words: string }>();
  const action = useAction();
  const stopped = useRef(false);
  // After a failure, it continues where it stopped.
  const reached = useRef<{ key: string; next: string; sent: number }>(undefined);
  return (
    <FormDialog
      title="Replay a range"
      submit="Send again"
      busy="Sending…"
      cancel={action.busy ? 'Stop' : 'Cancel'}
      action={action}
      onClose={() => {
        stopped.current = true;
        onClose();
      }}
      onSubmit={async () => {
        const key = [from, to, delivered, missing].join();
        const begin = Date.parse(new Date(from).toISOString());
        let { next, sent }: { next: string | undefined; sent: number } =
          reached.current?.key === key ? reached.current : { next: new Date(begin).toISOString(), sent: 0 };
        // To the end of the chosen minute.
        const end = new Date(lastTime(to) + 59_999).toISOString();
        while (next !== undefined && !stopped.current) {
          setProgress({
            done: Date.parse(next) - begin,
            total: Date.parse(end) - begin,
            words: sent === 0 ? 'Looking for events…' : `${count(sent, 'event')} sent again, up to ${moment(next)}`,
          });
          const page: { deliveries: string[]; nextFrom?: string } = await callOnce('/v1/deliveries/replay', {
            subscription: id,
            from: next,
            to: end,
            ...(delivered && { states: ['given_up', 'cancelled', 'delivered'] }),
            missing,
          });
          sent += page.deliveries.length;
          next = page.nextFrom;
          reached.current = next === undefined ? undefined : { key, next, sent };
        }
        reloadAll();
        const outcome = next === undefined ? 'sent again' : 'sent again before it was stopped';
        say(
          sent === 0 && next === undefined
            ? 'There is nothing to send in that range.'
            : `${count(sent, 'event')} ${outcome}.`,
        );
        onClose();
      }}
    >
      <fieldset disabled={action.busy}>
        <TextField label="From (local time)" type="datetime-local" required value={from} onChange={setFrom} />
        <TextField label="To (local time)" type="datetime-local" required value={to} onChange={setTo} />
        <p class="muted">Deliveries that were given up or cancelled are sent again.</p>
        <CheckField checked={missing} onChange={setMissing}>
          Also events that came while the subscription was off
        </CheckField>
        <CheckField checked={delivered} onChange={setDelivered}>
          Also what was delivered: the target receives it twice
        </CheckField>
      </fieldset>
      {progress && <Progress {...progress} />}
    </FormDialog>
  );
}

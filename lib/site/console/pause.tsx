import { useState } from 'preact/hooks';
import { call, may } from './api.ts';
import { Button } from './button.tsx';
import { FormDialog } from './dialog.tsx';
import { TextField } from './fields.tsx';
import { Icon } from './icons.tsx';
import { reloadAll, useLive } from './live.ts';
import { Mark, Notice, say, Time, useAction } from './parts.tsx';
import type { Pause } from './readings.ts';
import { count } from './words.ts';

const pausePath = '/v1/pause';
const readable = () => (may('pause', 'read') ? pausePath : undefined);

/** Pauses all sending, after a confirmation. */
export function PauseButton() {
  const { data } = useLive<Pause>(readable(), 5000);
  const [asked, setAsked] = useState(false);
  if (!data || data.paused || !may('pause', 'write')) return null;
  return (
    <>
      <button type="button" class="button pause" aria-label="Pause all sending" onClick={() => setAsked(true)}>
        <Icon name="pause" />
        <span>
          Pause<span class="more-words"> all sending</span>
        </span>
      </button>
      {asked && <PauseDialog onClose={() => setAsked(false)} />}
    </>
  );
}

function PauseDialog({ onClose }: { onClose: () => void }) {
  const [reason, setReason] = useState('');
  return (
    <FormDialog
      title="Pause all sending?"
      submit="Pause all sending"
      busy="Pausing…"
      cancel="Keep sending"
      danger
      onClose={onClose}
      onSubmit={async () => {
        await call('POST', pausePath, reason.trim() === '' ? {} : { reason: reason.trim() });
        reloadAll();
        say('All sending is paused.');
        onClose();
      }}
    >
      <p>
        Nothing is sent to any vendor or subscriber until you resume: <strong>no siren, no message, no row.</strong>{' '}
        Hooks still accept posts. Runs and deliveries wait, and none is lost.
      </p>
      <TextField
        label="Reason, for the next operator"
        maxLength={200}
        placeholder="Testing the alarm panel until 03:00"
        value={reason}
        onChange={setReason}
      />
    </FormDialog>
  );
}

/** Shows on every page that nothing is sent, who paused it, and what is waiting. */
export function PauseBanner() {
  const { data } = useLive<Pause>(readable(), 5000);
  const action = useAction();
  if (!data?.paused) return null;
  const { runs, deliveries } = data.waiting;
  const resume = () =>
    action.run(async () => {
      await call('DELETE', pausePath);
      reloadAll();
      say(runs + deliveries === 0 ? 'Sending again.' : 'Sending again. What waited is sent now.');
    });
  return (
    <div class="banner" role="alert">
      <Mark tone="warn" large />
      <div>
        <p class="banner-title">All sending is paused</p>
        <p>
          Paused {data.by && `by ${data.by} `}
          <Time iso={data.since} />
          {data.reason && `: “${data.reason}”`}. {count(runs, 'run')} and {count(deliveries, 'delivery', 'deliveries')}{' '}
          are waiting.
        </p>
        <Notice problem={action.problem} />
      </div>
      {may('pause', 'write') && (
        <Button primary disabled={action.busy} onClick={() => void resume()}>
          <Icon name="play" />
          {action.busy ? 'Resuming…' : 'Resume sending'}
        </Button>
      )}
    </div>
  );
}

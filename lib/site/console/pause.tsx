import { useState } from 'preact/hooks';
import { call, may } from './api.ts';
import { Icon } from './icons.tsx';
import { reloadAll, useLive } from './live.ts';
import { Dialog, Mark, Notice, say, Time, useAction } from './parts.tsx';
import type { Pause } from './readings.ts';

const pausePath = '/v1/pause';
const readable = () => (may('pause', 'read') ? pausePath : undefined);

/** Stops all sending, after a question. */
export function PauseButton() {
  const { data } = useLive<Pause>(readable(), 5000);
  const [asked, setAsked] = useState(false);
  if (!data || data.paused || !may('pause', 'write')) return null;
  return (
    <>
      <button type="button" class="button pause" aria-label="Pause all sending" onClick={() => setAsked(true)}>
        <Icon name="pause" />
        <span>Pause all sending</span>
      </button>
      {asked && <PauseDialog onClose={() => setAsked(false)} />}
    </>
  );
}

function PauseDialog({ onClose }: { onClose: () => void }) {
  const [reason, setReason] = useState('');
  const action = useAction();
  const pause = () =>
    action.run(async () => {
      await call('POST', pausePath, reason.trim() === '' ? {} : { reason: reason.trim() });
      reloadAll();
      say('All sending is paused.');
      onClose();
    });
  return (
    <Dialog title="Pause all sending?" onClose={onClose}>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          void pause();
        }}
      >
        <p>
          Nothing is sent to any vendor or subscriber until you resume: <strong>no siren, no message, no row.</strong>{' '}
          Hooks still take what comes in; runs and deliveries wait and are lost to nobody.
        </p>
        <label for="reason">Reason, for whoever comes next</label>
        <input
          id="reason"
          maxLength={200}
          value={reason}
          placeholder="Testing the alarm panel until 03:00"
          onInput={(event) => setReason(event.currentTarget.value)}
        />
        <Notice problem={action.problem} />
        <div class="dialog-actions">
          <button type="button" class="button" onClick={onClose}>
            Go on sending
          </button>
          <button type="submit" class="button danger" disabled={action.busy}>
            {action.busy ? 'Pausing…' : 'Pause all sending'}
          </button>
        </div>
      </form>
    </Dialog>
  );
}

/** Says on every page that nothing is sent, who stopped it, and what waits. */
export function PauseBanner() {
  const { data } = useLive<Pause>(readable(), 5000);
  const action = useAction();
  if (!data?.paused) return null;
  const { runs, deliveries } = data.waiting;
  const resume = () =>
    action.run(async () => {
      await call('DELETE', pausePath);
      reloadAll();
      say('Sending again.');
    });
  return (
    <div class="banner" role="alert">
      <Mark tone="warn" large />
      <div>
        <p class="banner-title">All sending is paused</p>
        <p>
          {data.by && `${data.by} pressed it `}
          <Time iso={data.since} />
          {data.reason && `: “${data.reason}”`}. {runs} {runs === 1 ? 'run waits' : 'runs wait'}, {deliveries}{' '}
          {deliveries === 1 ? 'delivery waits' : 'deliveries wait'}.
        </p>
        <Notice problem={action.problem} />
      </div>
      {may('pause', 'write') && (
        <button type="button" class="button primary" disabled={action.busy} onClick={() => void resume()}>
          <Icon name="play" />
          {action.busy ? 'Resuming…' : 'Resume sending'}
        </button>
      )}
    </div>
  );
}

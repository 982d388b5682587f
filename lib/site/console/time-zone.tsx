import { useState } from 'preact/hooks';
import { parseTime } from '../../core/zone-time.ts';
import { call } from './api.ts';
import { Button } from './button.tsx';
import { FormDialog } from './dialog.tsx';
import { SelectField } from './fields.tsx';
import { reloadAll, useLive } from './live.ts';
import { Loading, Notice, say } from './parts.tsx';
import type { Connection } from './readings.ts';
import { Fact } from './rows.tsx';
import { localTime, now, span, zoneName } from './time.ts';
import { likeliestZone, toleranceMs } from './zone-time.ts';

/** Lets the operator choose the zone of a ProPTT2 server's dates by comparing its newest date with the clock. */
export function Calibration({ connection, onClose }: { connection: Connection; onClose: () => void }) {
  const { id, name, settings } = connection;
  const users = useLive<{ users?: { name?: string; locationDate?: string }[] }>(
    `/v1/proptt2/${name}/getUserList`,
    5000,
  );
  const local = Intl.DateTimeFormat().resolvedOptions().timeZone;
  const [chosen, setChosen] = useState(typeof settings.timeZone === 'string' ? settings.timeZone : 'UTC');
  const zones = ['UTC', ...Intl.supportedValuesOf('timeZone').filter((zone) => zone !== 'UTC')];
  const newest = (users.data?.users ?? [])
    .filter(({ locationDate }) => locationDate !== undefined && locationDate !== '')
    .sort((one, other) => ((one.locationDate ?? '') < (other.locationDate ?? '') ? 1 : -1))[0];
  const date = newest?.locationDate;
  const time = date === undefined ? undefined : parseTime(date, chosen, now.value);
  const age = time === undefined ? undefined : now.value - time;
  const likely =
    date === undefined ? undefined : likeliestZone([...new Set([local, 'UTC', ...zones])], date, now.value);
  return (
    <FormDialog
      title={`Time zone of ${name}`}
      submit="Use this zone"
      busy="Saving…"
      onClose={onClose}
      onSubmit={async () => {
        await call('PATCH', `/v1/connections/${id}`, { settings: { timeZone: chosen } });
        reloadAll();
        say(`Dates of ${name} are read in ${chosen}.`);
        onClose();
      }}
    >
      <p>
        ProPTT2 sends dates without a zone. Let somebody move with a radio, and choose the zone in which the newest date
        is a few seconds old.
      </p>
      <Notice problem={users.problem} onRetry={() => void users.reload()} />
      {!users.data && !users.problem && <Loading rows={1} />}
      <dl class="facts panel">
        <Fact name="Newest date from the server">
          {date ?? 'no position yet'} {newest?.name && <span class="muted">({newest.name})</span>}
        </Fact>
        <Fact name="Clock here">
          {localTime(now.value)} {zoneName(now.value)}
        </Fact>
        <Fact name={`Age in ${chosen}`}>
          {age !== undefined &&
            (age < -toleranceMs ? (
              <span class="word bad">{span(-age)} in the future</span>
            ) : (
              <span class={`word ${age < 3_600_000 ? 'good' : 'warn'}`}>{span(Math.max(0, age))} ago</span>
            ))}
        </Fact>
      </dl>
      <SelectField
        label="Time zone"
        value={chosen}
        options={zones.map((zone) => [zone, zone])}
        onChange={setChosen}
        hint={
          likely !== undefined && likely !== chosen ? (
            <>
              In {likely} the date is the most recent.{' '}
              <Button small onClick={() => setChosen(likely)}>
                Choose {likely}
              </Button>
            </>
          ) : undefined
        }
      />
    </FormDialog>
  );
}

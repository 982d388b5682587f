import { useState } from 'preact/hooks';
import { call, isAdmin, may } from '../api.ts';
import { Icon } from '../icons.tsx';
import { reloadAll, useLive } from '../live.ts';
import { CopyField, Dialog, Empty, Loading, Mark, Notice, Page, Section, say, Time, useAction } from '../parts.tsx';

interface Key {
  id: string;
  name: string;
  scopes: string[];
  perMinute: number;
  createdAt: string;
  rotatedAt?: string;
}

interface Entry {
  id: string;
  at: string;
  keyId: string;
  keyName?: string;
  operation: string;
  target?: string;
  created?: string;
  fields?: string[];
  outcome?: 'done' | 'denied';
}

/** Keys for programs and people, and the audit log of their changes. */
export function Keys() {
  const { data, problem, reload } = useLive<Key[]>('/v1/keys', 10_000);
  const [making, setMaking] = useState(false);
  const [revoking, setRevoking] = useState<Key>();
  const write = may('keys', 'write');
  const create = write && (
    <button type="button" class="button primary" onClick={() => setMaking(true)}>
      <Icon name="plus" />
      Make a key
    </button>
  );
  return (
    <Page
      title="Keys and audit"
      lead="A key for each caller, with no more scopes than it needs. The admin key is not listed."
      actions={data && data.length > 0 && create}
    >
      <Notice problem={problem} onRetry={() => void reload()} />
      {!data && !problem && <Loading rows={3} />}
      {data?.length === 0 && (
        <Empty title="There is only the admin key." icon="keys">
          <p>Make a key for each integration and each wall screen, so that one can be revoked without the others.</p>
          {create}
        </Empty>
      )}
      {data && data.length > 0 && (
        <ul class="rows">
          {data.map((key) => (
            <li key={key.id} class="row">
              <div class="row-in">
                <span class="row-main">
                  <span class="row-title">{key.name}</span>
                  <span class="row-text mono">{key.scopes.join(' ')}</span>
                </span>
                <span class="row-side">
                  <span class="muted">
                    made <Time iso={key.createdAt} />
                  </span>
                </span>
                {write && (
                  <button type="button" class="button small" onClick={() => setRevoking(key)}>
                    Revoke
                  </button>
                )}
              </div>
            </li>
          ))}
        </ul>
      )}
      {isAdmin() && <Audit />}
      {making && <Make onClose={() => setMaking(false)} />}
      {revoking && <Revoke apiKey={revoking} onClose={() => setRevoking(undefined)} />}
    </Page>
  );
}

function Audit() {
  const [month, setMonth] = useState(() => new Date().toISOString().slice(0, 7));
  const { data, problem, reload } = useLive<Entry[]>(`/v1/audit?month=${month}&limit=200`, 10_000);
  return (
    <Section
      title="Audit"
      count={data?.length}
      actions={
        <input
          type="month"
          class="month"
          aria-label="Month"
          value={month}
          onInput={(event) => event.currentTarget.value && setMonth(event.currentTarget.value)}
        />
      }
    >
      <Notice problem={problem} onRetry={() => void reload()} />
      {!data && !problem && <Loading rows={4} />}
      {data?.length === 0 && <Empty title="Nothing was changed in this month." />}
      {data && data.length > 0 && (
        <ul class="rows">
          {data.map(({ id, at, keyId, keyName, operation, target, created, fields = [], outcome }) => (
            <li key={id} class={`row ${outcome === 'denied' ? 'warn' : ''}`}>
              <div class="row-in">
                {outcome === 'denied' && <Mark tone="warn" />}
                <span class="row-main">
                  <span class="row-title">
                    {operation}
                    {outcome === 'denied' && ', denied'}
                  </span>
                  <span class="row-text">
                    {keyName ?? keyId}
                    {(target || created) && ` · ${created ?? target}`}
                    {fields.length > 0 && ` · ${fields.join(', ')}`}
                  </span>
                </span>
                <span class="row-side">
                  <Time iso={at} exact />
                </span>
              </div>
            </li>
          ))}
        </ul>
      )}
      {data?.length === 200 && <p class="muted">These are the newest 200 of the month.</p>}
    </Section>
  );
}

const presets = [
  {
    name: 'A screen on the wall: sees everything, changes nothing',
    scopes:
      'trunkline/connections/read trunkline/runs/read trunkline/hooks/read trunkline/events/read trunkline/automations/read',
  },
  {
    name: 'An operator: also replays, pauses and switches',
    scopes:
      'trunkline/connections/read trunkline/runs/* trunkline/hooks/read trunkline/events/read trunkline/automations/read trunkline/pause/* trunkline/deliveries/*',
  },
  { name: 'Everything', scopes: '*/*/*' },
] as const;

function Make({ onClose }: { onClose: () => void }) {
  const [name, setName] = useState('');
  const [scopes, setScopes] = useState<string>(presets[0].scopes);
  const [made, setMade] = useState<string>();
  const action = useAction();
  if (made !== undefined) {
    return (
      <Dialog title={`The key “${name}”`} onClose={onClose}>
        <div>
          <p>
            <strong>It is shown this once.</strong> Give it to nobody but the caller that it is for.
          </p>
          <CopyField value={made} label="Key" />
          <div class="dialog-actions">
            <button type="button" class="button primary" onClick={onClose}>
              I have copied it
            </button>
          </div>
        </div>
      </Dialog>
    );
  }
  return (
    <Dialog title="Make a key" onClose={onClose}>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          void action.run(async () => {
            const body = { name: name.trim(), scopes: scopes.split(/[\s,]+/).filter(Boolean) };
            setMade((await call<{ key: string }>('POST', '/v1/keys', body)).key);
            reloadAll();
          });
        }}
      >
        <div class="field">
          <label for="key-name">Who it is for</label>
          <input
            id="key-name"
            required
            maxLength={100}
            value={name}
            onInput={(event) => setName(event.currentTarget.value)}
          />
        </div>
        <div class="field">
          <label for="preset">For</label>
          <select id="preset" onChange={(event) => setScopes(event.currentTarget.value)}>
            {presets.map((preset) => (
              <option key={preset.name} value={preset.scopes}>
                {preset.name}
              </option>
            ))}
          </select>
        </div>
        <div class="field">
          <label for="scopes">Scopes</label>
          <textarea
            id="scopes"
            rows={5}
            required
            spellcheck={false}
            value={scopes}
            onInput={(event) => setScopes(event.currentTarget.value)}
          />
          <p class="hint">vendor/connection/operation, or trunkline/area/read or write; with * for all.</p>
        </div>
        <Notice problem={action.problem} />
        <div class="dialog-actions">
          <button type="button" class="button" onClick={onClose}>
            Cancel
          </button>
          <button type="submit" class="button primary" disabled={action.busy}>
            Make the key
          </button>
        </div>
      </form>
    </Dialog>
  );
}

function Revoke({ apiKey, onClose }: { apiKey: Key; onClose: () => void }) {
  const action = useAction();
  return (
    <Dialog title={`Revoke “${apiKey.name}”?`} onClose={onClose}>
      <div>
        <p>Within ten seconds no call and no sign-in with it is taken any more. This cannot be undone.</p>
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
                await call('DELETE', `/v1/keys/${apiKey.id}`);
                reloadAll();
                say(`${apiKey.name} is revoked.`);
                onClose();
              })
            }
          >
            Revoke
          </button>
        </div>
      </div>
    </Dialog>
  );
}

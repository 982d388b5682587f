import { useState } from 'preact/hooks';
import { callOnce, isAdmin, may } from '../api.ts';
import { Button } from '../button.tsx';
import { DeleteDialog, FormDialog, RotateDialog, ShownOnce } from '../dialog.tsx';
import { SelectField, TextArea, TextField } from '../fields.tsx';
import { Icon } from '../icons.tsx';
import { reloadAll, useLive } from '../live.ts';
import { Empty, Page, Section, Time } from '../parts.tsx';
import { LiveList, Row } from '../rows.tsx';

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
  const keys = useLive<Key[]>('/v1/keys', 10_000);
  const [creating, setCreating] = useState(false);
  const [rotating, setRotating] = useState<Key>();
  const [deleting, setDeleting] = useState<Key>();
  const [made, setMade] = useState<{ name: string; key: string }>();
  const write = may('keys', 'write');
  const create = write && (
    <Button primary onClick={() => setCreating(true)}>
      <Icon name="plus" />
      Create a key
    </Button>
  );
  return (
    <Page
      title="Keys and audit"
      lead="One key for each caller, with no more scopes than it needs. The admin key is not listed."
      actions={keys.data && keys.data.length > 0 && create}
    >
      <LiveList
        live={keys}
        loading={3}
        empty={
          <Empty title="There is only the admin key." icon="keys">
            <p>
              Create a key for each integration and each wall screen, so that you can revoke one without the others.
            </p>
            {create}
          </Empty>
        }
      >
        {(key) => (
          <Row
            key={key.id}
            title={key.name}
            text={<span class="mono">{key.scopes.join(' ')}</span>}
            side={[
              <>
                {key.rotatedAt === undefined ? 'created' : 'new value'} <Time iso={key.rotatedAt ?? key.createdAt} />
              </>,
            ]}
            actions={
              write && (
                <>
                  <Button small onClick={() => setRotating(key)}>
                    New value
                  </Button>
                  <Button small onClick={() => setDeleting(key)}>
                    Delete
                  </Button>
                </>
              )
            }
          />
        )}
      </LiveList>
      {isAdmin() && <Audit />}
      {creating && (
        <Create
          onClose={() => setCreating(false)}
          onMade={(next) => {
            setCreating(false);
            setMade(next);
          }}
        />
      )}
      {rotating && (
        <RotateDialog<{ key: string }>
          title={`A new value for “${rotating.name}”`}
          submit="Create a new value"
          label="The old value keeps working for"
          path={`/v1/keys/${rotating.id}/rotate`}
          onClose={() => setRotating(undefined)}
          onMade={({ key }) => {
            setMade({ name: rotating.name, key });
            setRotating(undefined);
          }}
        />
      )}
      {made && (
        <ShownOnce title={`The key “${made.name}”`} values={{ Key: made.key }} onClose={() => setMade(undefined)} />
      )}
      {deleting && (
        <DeleteDialog
          name={`the key “${deleting.name}”`}
          path={`/v1/keys/${deleting.id}`}
          onClose={() => setDeleting(undefined)}
        >
          Within ten seconds, no call and no sign-in with it is accepted any more.
        </DeleteDialog>
      )}
    </Page>
  );
}

function Audit() {
  const [month, setMonth] = useState(() => new Date().toISOString().slice(0, 7));
  const audit = useLive<Entry[]>(`/v1/audit?month=${month}&limit=200`, 10_000);
  return (
    <Section
      title="Audit"
      count={audit.data?.length}
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
      <LiveList live={audit} empty={<Empty title="Nothing was changed in this month." />}>
        {({ id, at, keyId, keyName, operation, target, created, fields = [], outcome }) => (
          <Row
            key={id}
            tone={outcome === 'denied' ? 'warn' : undefined}
            title={`${operation}${outcome === 'denied' ? ', denied' : ''}`}
            text={[keyName ?? keyId, created ?? target, fields.join(', ')].filter(Boolean).join(' · ')}
            side={[<Time key="at" iso={at} exact />]}
          />
        )}
      </LiveList>
      {audit.data?.length === 200 && <p class="muted">These are the newest 200 of the month.</p>}
    </Section>
  );
}

const presets: readonly (readonly [scopes: string, name: string])[] = [
  [
    'trunkline/connections/read trunkline/runs/read trunkline/hooks/read trunkline/events/read trunkline/automations/read trunkline/pause/read',
    'A wall screen: sees everything, changes nothing',
  ],
  [
    'trunkline/connections/read trunkline/runs/* trunkline/hooks/read trunkline/events/read trunkline/automations/read trunkline/pause/* trunkline/deliveries/*',
    'An operator: also replays, pauses and switches',
  ],
  ['*/*/*', 'Everything'],
];

function Create({ onClose, onMade }: { onClose: () => void; onMade: (made: { name: string; key: string }) => void }) {
  const [name, setName] = useState('');
  const [scopes, setScopes] = useState(presets[0]?.[0] ?? '');
  return (
    <FormDialog
      title="Create a key"
      submit="Create the key"
      onClose={onClose}
      onSubmit={async () => {
        const body = { name: name.trim(), scopes: scopes.split(/[\s,]+/).filter(Boolean) };
        const { key } = await callOnce<{ key: string }>('/v1/keys', body);
        reloadAll();
        onMade({ name: body.name, key });
      }}
    >
      <TextField label="Who it is for" required maxLength={100} value={name} onChange={setName} />
      <SelectField
        label="Rights"
        value={presets.find(([preset]) => preset === scopes)?.[0] ?? ''}
        options={[...presets, ['', 'The scopes below']]}
        onChange={(preset) => preset !== '' && setScopes(preset)}
      />
      <TextArea
        label="Scopes"
        rows={5}
        required
        value={scopes}
        onChange={setScopes}
        hint="vendor/connection/operation, or trunkline/area/read or write, with * for all. Separate them with spaces."
      />
    </FormDialog>
  );
}

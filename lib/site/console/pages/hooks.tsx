import { useEffect, useState } from 'preact/hooks';
import { call, may } from '../api.ts';
import { Icon } from '../icons.tsx';
import { reloadAll, useLive } from '../live.ts';
import { CopyField, Dialog, Empty, Loading, Mark, Notice, Page, say, type Tone, useAction } from '../parts.tsx';
import { QrCode } from '../qr-code.tsx';
import type { Hook } from '../readings.ts';
import { Link, query, setQuery } from '../router.tsx';
import {
  type ApiDocument,
  apiDocument,
  bodyOf,
  constantsOf,
  fieldTitle,
  formsOf,
  formWith,
  resolved,
} from '../schema.ts';
import { SchemaForm, type Values } from '../schema-form.tsx';
import { ago } from '../time.ts';

/** The URLs that third parties post to. */
export function Hooks() {
  const { data: hooks, problem, reload } = useLive<Hook[]>('/v1/hooks', 5000);
  const creating = query.value.has('new');
  const write = may('hooks', 'write');
  const create = write && (
    <button type="button" class="button primary" onClick={() => setQuery({ new: '1' })}>
      <Icon name="plus" />
      Create a hook
    </button>
  );
  return (
    <Page
      title="Hooks"
      lead="Addresses that alarm panels, forms and other services post to. Whatever comes in is stored first and then acted on."
      actions={hooks && hooks.length > 0 && create}
    >
      <Notice problem={problem} onRetry={() => void reload()} />
      {!hooks && !problem && <Loading rows={4} />}
      {hooks?.length === 0 && (
        <Empty title="Nobody can post to Trunkline yet." icon="hooks">
          <p>Create a hook, paste its address into the sender, and the first post appears here.</p>
          {create}
        </Empty>
      )}
      {hooks && hooks.length > 0 && (
        <ul class="rows">
          {hooks.map((hook) => (
            <HookRow key={hook.id} hook={hook} />
          ))}
        </ul>
      )}
      {creating && write && <CreateHook onClose={() => setQuery({ new: undefined })} />}
    </Page>
  );
}

function HookRow({ hook }: { hook: Hook }) {
  const refused = hook.lastRefusal !== undefined && hook.lastRefusal.at > (hook.lastReceivedAt ?? '');
  const tone: Tone = refused ? 'warn' : hook.lastReceivedAt ? 'good' : 'idle';
  return (
    <li class={`row ${tone}`}>
      <Link to={`/hooks/${hook.id}`}>
        <Mark tone={tone} />
        <span class="row-main">
          <span class="row-title">{hook.name}</span>
          <span class="row-text">
            {kindWords(hook.verify.kind)}.{' '}
            {refused
              ? `Last post refused: ${hook.lastRefusal?.reason}`
              : hook.lastReceivedAt
                ? `Last post ${ago(hook.lastReceivedAt)}.`
                : 'Nothing has come in yet.'}
          </span>
        </span>
        <span class="row-side">
          <span>{hook.received} received</span>
          <span class="muted">
            {hook.repeated} repeated, {hook.refused} refused
          </span>
        </span>
      </Link>
    </li>
  );
}

const kinds: Readonly<Record<string, string>> = {
  none: 'No verification: whoever knows the address may post',
  'standard-webhooks': 'Standard Webhooks signature',
  github: 'GitHub signature',
  stripe: 'Stripe signature',
  bearer: 'Bearer token',
  basic: 'User and password',
  'talk-bot': 'Nextcloud Talk bot',
  'proptt2-callback': 'ProPTT2 callback',
};
export const kindWords = (kind: string): string => kinds[kind] ?? fieldTitle(kind.replaceAll('-', '_'));

/** The response for a hook whose URL or secret is new. */
export interface NewHook extends Hook {
  url: string;
  secret?: string;
}

/** Asks for a name and how the sender is verified. Shows the URL and the secret once. */
function CreateHook({ onClose }: { onClose: () => void }) {
  const [document, setDocument] = useState<ApiDocument>();
  const [name, setName] = useState('');
  const [verify, setVerify] = useState<Values>({ kind: 'none' });
  const [made, setMade] = useState<NewHook>();
  const action = useAction();
  const load = useAction();
  useEffect(() => {
    void load.run(async () => setDocument(await apiDocument()));
  }, []);
  if (made) return <MadeHook hook={made} onClose={onClose} />;
  const forms = document
    ? formsOf(document, resolved(document, bodyOf(document, 'post', '/v1/hooks').properties?.verify))
    : [];
  const form = formWith(forms, 'kind', verify.kind);
  const create = () =>
    action.run(async () => {
      setMade(await call<NewHook>('POST', '/v1/hooks', { name: name.trim(), verify }));
      reloadAll();
    });
  return (
    <Dialog title="Create a hook" onClose={onClose}>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          void create();
        }}
      >
        <div class="field">
          <label for="hook-name">Name</label>
          <input
            id="hook-name"
            required
            maxLength={100}
            placeholder="Alarm panel, north gate"
            value={name}
            onInput={(event) => setName(event.currentTarget.value)}
          />
        </div>
        <div class="field">
          <label for="hook-kind">How the sender proves who it is</label>
          <select
            id="hook-kind"
            value={String(verify.kind)}
            onChange={(event) => setVerify({ kind: event.currentTarget.value })}
          >
            {(forms.length > 0 ? forms.flatMap((each) => constantsOf(each.properties?.kind)) : ['none']).map((kind) => (
              <option key={String(kind)} value={String(kind)}>
                {kindWords(String(kind))}
              </option>
            ))}
          </select>
        </div>
        {document && form && (
          <SchemaForm
            document={document}
            schema={form}
            value={verify}
            onChange={setVerify}
            errors={action.problem?.errors ?? []}
            pointer="/verify"
            without={['kind']}
          />
        )}
        <Notice problem={load.problem ?? action.problem} />
        <div class="dialog-actions">
          <button type="button" class="button" onClick={onClose}>
            Cancel
          </button>
          <button type="submit" class="button primary" disabled={action.busy}>
            {action.busy ? 'Creating…' : 'Create'}
          </button>
        </div>
      </form>
    </Dialog>
  );
}

/** The values that are shown only once, with a test post. */
export function MadeHook({ hook, onClose }: { hook: NewHook; onClose: () => void }) {
  const [answer, setAnswer] = useState<string>();
  const [busy, setBusy] = useState(false);
  const test = async () => {
    setBusy(true);
    try {
      const posted = await fetch(hook.url, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ test: true, from: 'Trunkline console' }),
      });
      setAnswer(
        posted.ok
          ? 'It arrived. It stands among the recent posts of the hook.'
          : `It was refused with ${posted.status}. A test from here carries no signature; that is right for a hook that asks for one.`,
      );
      reloadAll();
    } catch {
      setAnswer('The address does not answer from here.');
    }
    setBusy(false);
  };
  return (
    <Dialog title={`${hook.name} is ready`} onClose={onClose}>
      <div>
        <p>
          <strong>The address is a secret and is shown this once.</strong> Paste it into the sender now; a new one can
          be made later.
        </p>
        <CopyField value={hook.url} label="Address" />
        {hook.secret && <CopyField value={hook.secret} label="Secret" />}
        <QrCode text={hook.url} />
        {answer && (
          <p class="notice busy" role="status">
            {answer}
          </p>
        )}
        <div class="dialog-actions">
          <button type="button" class="button" disabled={busy} onClick={() => void test()}>
            Send a test
          </button>
          <button
            type="button"
            class="button primary"
            onClick={() => {
              onClose();
              say('The hook takes posts now.');
            }}
          >
            I have copied it
          </button>
        </div>
      </div>
    </Dialog>
  );
}

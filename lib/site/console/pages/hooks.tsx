import { useState } from 'preact/hooks';
import { callOnce, may } from '../api.ts';
import { Button } from '../button.tsx';
import { FormDialog, ShownOnce } from '../dialog.tsx';
import { SelectField, TextField } from '../fields.tsx';
import { Icon } from '../icons.tsx';
import { reloadAll, useLive } from '../live.ts';
import { Empty, Notice, Page, say, useAction } from '../parts.tsx';
import { QrCode } from '../qr-code.tsx';
import type { Hook } from '../readings.ts';
import { query, setQuery } from '../router.tsx';
import { LiveList, Row } from '../rows.tsx';
import { bodyOf, constantsOf, fieldTitle, formsOf, formWith, resolved, useApiDocument } from '../schema.ts';
import { SchemaForm, type Values } from '../schema-form.tsx';
import { hookState } from '../words.ts';

/** The URLs that third parties post to. */
export function Hooks() {
  const hooks = useLive<Hook[]>('/v1/hooks', 5000);
  const write = may('hooks', 'write');
  const create = write && (
    <Button primary onClick={() => setQuery({ new: '1' })}>
      <Icon name="plus" />
      Create a hook
    </Button>
  );
  return (
    <Page
      title="Hooks"
      lead="Addresses that alarm panels, forms and other services post to. Each post is stored before it is acted on."
      actions={hooks.data && hooks.data.length > 0 && create}
    >
      <LiveList
        live={hooks}
        empty={
          <Empty title="Nobody can post to Trunkline yet." icon="hooks">
            <p>Create a hook, paste its address into the sender, and the first post appears here.</p>
            {create}
          </Empty>
        }
      >
        {(hook) => {
          const { tone, sentence } = hookState(hook);
          return (
            <Row
              key={hook.id}
              tone={tone}
              to={`/hooks/${hook.id}`}
              title={hook.name}
              text={[`${kindWords(hook.verify.kind)}.`, sentence]}
              side={[`${hook.received} received`, `${hook.repeated} repeated, ${hook.refused} refused`]}
            />
          );
        }}
      </LiveList>
      {query.value.has('new') && write && <CreateHook onClose={() => setQuery({ new: undefined })} />}
    </Page>
  );
}

const kinds: Readonly<Record<string, string>> = {
  none: 'No verification: anyone who knows the address may post',
  'standard-webhooks': 'Standard Webhooks signature',
  hmac: 'HMAC signature in a header',
  header: 'Secret in a header',
  bearer: 'Bearer token',
  basic: 'User and password',
  'talk-bot': 'Nextcloud Talk bot',
  'proptt2-callback': 'ProPTT2 callback',
  sns: 'Amazon SNS signature',
};
const brands: Readonly<Record<string, string>> = {
  github: 'GitHub',
  gitlab: 'GitLab',
  pagerduty: 'PagerDuty',
  sendgrid: 'SendGrid',
};
export const kindWords = (kind: string): string =>
  kinds[kind] ?? `${brands[kind] ?? fieldTitle(kind.replaceAll('-', '_'))} signature`;

/** The response for a hook whose URL or secret is new. */
export interface NewHook extends Hook {
  url?: string;
  secret?: string;
}

/** Asks for a name and how the sender is verified. Shows the URL and the secret once. */
function CreateHook({ onClose }: { onClose: () => void }) {
  const { document, problem } = useApiDocument();
  const [name, setName] = useState('');
  const [verify, setVerify] = useState<Values>({ kind: 'none' });
  const [made, setMade] = useState<NewHook>();
  const action = useAction();
  if (made) return <MadeHook hook={made} onClose={onClose} />;
  const forms = document
    ? formsOf(document, resolved(document, bodyOf(document, 'post', '/v1/hooks').properties?.verify))
    : [];
  const form = formWith(forms, 'kind', verify.kind);
  const known = forms.flatMap((each) => constantsOf(each.properties?.kind)).map(String);
  return (
    <FormDialog
      title="Create a hook"
      submit="Create"
      busy="Creating…"
      action={action}
      onSubmit={async () => {
        setMade(await callOnce<NewHook>('/v1/hooks', { name: name.trim(), verify }));
        reloadAll();
      }}
      onClose={onClose}
    >
      <TextField
        label="Name"
        required
        maxLength={100}
        placeholder="Alarm panel, north gate"
        value={name}
        onChange={setName}
      />
      <SelectField
        label="How the sender is verified"
        value={String(verify.kind)}
        options={(known.length > 0 ? known : ['none']).map((kind) => [kind, kindWords(kind)])}
        onChange={(kind) => setVerify({ kind })}
      />
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
      <Notice problem={problem} />
    </FormDialog>
  );
}

/** The values of a new hook that are shown only once, with a test post. */
export function MadeHook({ hook, onClose }: { hook: NewHook; onClose: () => void }) {
  const [answer, setAnswer] = useState<string>();
  const [busy, setBusy] = useState(false);
  const { url, secret } = hook;
  const test = async (address: string) => {
    setBusy(true);
    setAnswer(await postTo(address));
    reloadAll();
    setBusy(false);
  };
  return (
    <ShownOnce
      title={`${hook.name} is ready`}
      values={{ Address: url, Secret: secret }}
      actions={
        url !== undefined && (
          <Button disabled={busy} onClick={() => void test(url)}>
            Send a test
          </Button>
        )
      }
      onClose={() => {
        onClose();
        say('The hook accepts posts.');
      }}
    >
      {url !== undefined && <QrCode text={url} />}
      {answer && (
        <p class="notice busy" role="status">
          {answer}
        </p>
      )}
    </ShownOnce>
  );
}

/** Posts a harmless body as a third party would, and says in words what came back. */
async function postTo(url: string): Promise<string> {
  try {
    const { ok, status } = await fetch(url, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ test: true, from: 'Trunkline console' }),
    });
    return ok
      ? 'It arrived and is among the recent posts of the hook.'
      : `It was refused with status ${status}. The test carries no signature, so a hook that requires one refuses it.`;
  } catch {
    return 'The address cannot be reached from this browser.';
  }
}

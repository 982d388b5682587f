import { useState } from 'preact/hooks';
import { call, callOnce, may } from '../api.ts';
import { Button } from '../button.tsx';
import { Dialog } from '../dialog.tsx';
import { TextField } from '../fields.tsx';
import { Form } from '../form.tsx';
import { reloadAll, useLive } from '../live.ts';
import { CopyField, Json, Mark, Page, Section, say, useAction } from '../parts.tsx';
import { QrCode } from '../qr-code.tsx';
import type { Automation, Recipe } from '../readings.ts';
import { RecipeForm } from '../recipe-form.tsx';
import { go, Link } from '../router.tsx';
import { LiveItem, Row } from '../rows.tsx';
import { callsOf, count, isAlarm } from '../words.ts';
import { kindWords } from './hooks.tsx';

const back = { to: '/recipes', name: 'Recipes' };

/** One recipe: its requirements, a form, a preview, and its installation. */
export function RecipePage({ params: [name = ''] }: { params: readonly string[] }) {
  const recipe = useLive<Recipe>(`/v1/recipes/${name}`, 0);
  return (
    <LiveItem live={recipe} title="Recipe" back={back} missing={<p>Another version of Trunkline may have it.</p>}>
      {(each) => <KnownRecipe recipe={each} />}
    </LiveItem>
  );
}

interface Preview {
  hooks: { key: string; name: string; verify: { kind: string }; exists: boolean }[];
  automations: (Pick<Automation, 'name' | 'when' | 'if' | 'do'> & { exists: boolean })[];
}

interface Installed {
  hooks: { key: string; id: string; name: string; url?: string; secret?: string }[];
  automations: { id: string; name: string }[];
}

function KnownRecipe({ recipe }: { recipe: Recipe }) {
  const [name, setName] = useState(recipe.title);
  const [inputs, setInputs] = useState<Record<string, unknown>>({});
  const [preview, setPreview] = useState<Preview>();
  const [installed, setInstalled] = useState<Installed>();
  const action = useAction();
  const body = { name: name.trim(), inputs };
  const path = `/v1/recipes/${recipe.name}`;
  const rename = (next: string) => {
    setName(next);
    setPreview(undefined);
  };
  const change = (values: Record<string, unknown>) => {
    setInputs((before) => ({ ...before, ...values }));
    setPreview(undefined);
  };
  const write = may('automations', 'write');
  const errors = action.problem?.errors ?? [];
  return (
    <Page title={recipe.title} back={back} lead={recipe.summary}>
      <Section title="What it needs">
        <ul class="bullets">
          {recipe.requirements.map((each) => (
            <li key={each}>{each}</li>
          ))}
        </ul>
      </Section>
      <Section title="Settings">
        <div class="panel">
          <Form
            submit="Preview"
            busy="Checking…"
            quiet={preview !== undefined}
            action={action}
            onSubmit={async () => setPreview(await call<Preview>('POST', `${path}/preview`, body))}
          >
            <TextField
              label="Name of this installation"
              required
              maxLength={60}
              value={name}
              onChange={rename}
              hint="Hooks and automations are named after it. Installing again under the same name updates them and keeps addresses and secrets."
            />
            <RecipeForm inputs={recipe.inputs} value={inputs} onChange={change} errors={errors} />
          </Form>
        </div>
      </Section>
      {preview && (
        <Section title="What is created">
          <ul class="rows">
            {preview.hooks.map((hook) => (
              <Row
                key={hook.key}
                title={hook.name}
                text={`${kindWords(hook.verify.kind)}. ${hook.exists ? 'Its address and secret stay as they are.' : 'You see its address once, after the installation.'}`}
                side={[hook.exists ? 'hook, updated' : 'new hook']}
              />
            ))}
            {preview.automations.map((automation) => {
              const calls = callsOf(automation.do);
              return (
                <Row
                  key={automation.name}
                  title={automation.name}
                  text={[
                    `${count(calls.length, 'call')}: ${[...new Set(calls)].join(', ')}`,
                    calls.some(isAlarm) && <span class="word bad">It raises alarms.</span>,
                  ]}
                  side={[automation.exists ? 'automation, updated' : 'new automation']}
                >
                  <Json label="Definition" value={automation} open={false} />
                </Row>
              );
            })}
          </ul>
          {preview.automations.some(({ exists }) => exists) && (
            <p class="notice warn">
              <Mark tone="warn" />
              <span>
                An installation named {name} exists. Its automations are replaced; changes made to them by hand are
                lost.
              </span>
            </p>
          )}
          <div class="dialog-actions">
            <Button
              primary
              disabled={action.busy || !write}
              onClick={() =>
                void action.run(async () => {
                  setInstalled(await callOnce<Installed>(`${path}/install`, body));
                  reloadAll();
                })
              }
            >
              {action.busy ? 'Installing…' : 'Install'}
            </Button>
          </div>
        </Section>
      )}
      {installed && (
        <Done
          installed={installed}
          onClose={() => {
            say(`${name} is installed.`);
            const [first] = installed.automations;
            go(installed.automations.length === 1 && first ? `/automations/${first.id}` : '/automations');
          }}
        />
      )}
    </Page>
  );
}

/** What was installed, with the addresses and secrets that are shown once. */
function Done({ installed: { hooks, automations }, onClose }: { installed: Installed; onClose: () => void }) {
  const isSecret = hooks.some(({ url, secret }) => url !== undefined || secret !== undefined);
  return (
    <Dialog title="Installed" onClose={onClose} wide>
      <div>
        {isSecret && (
          <p>
            <strong>Addresses and secrets are shown only once.</strong> Copy them now; you can create new ones later.
          </p>
        )}
        {hooks.map(({ id, name, url, secret }) => (
          <section key={id} class="installed">
            <h3>
              <Link to={`/hooks/${id}`}>{name}</Link>
            </h3>
            {url !== undefined && <CopyField label={`Address of ${name}`} value={url} />}
            {secret !== undefined && <CopyField label={`Secret of ${name}`} value={secret} />}
            {url !== undefined && <QrCode text={url} />}
            {url === undefined && secret === undefined && (
              <p class="muted">Its address and secret stay as they were.</p>
            )}
          </section>
        ))}
        <h3>Automations</h3>
        <ul class="bullets">
          {automations.map(({ id, name }) => (
            <li key={id}>
              <Link to={`/automations/${id}`}>{name}</Link>
            </li>
          ))}
        </ul>
        <div class="dialog-actions">
          <Button primary onClick={onClose}>
            {isSecret ? 'I have copied it' : 'Done'}
          </Button>
        </div>
      </div>
    </Dialog>
  );
}

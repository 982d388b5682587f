import { intro, log, note, outro, password, select, text } from '@clack/prompts';
import { type Account, storeAccount, userAccountFile } from '../account.ts';
import { type Api, apiOf } from '../api.ts';
import { ApiError, UsageError } from '../failures.ts';
import { inputOf } from '../input.ts';
import { resolved } from '../openapi.ts';
import { type Output, recordsOf, signOf } from '../output.ts';

interface Schema {
  type?: string;
  properties?: Record<string, Schema>;
  required?: string[];
  description?: string;
  enum?: unknown[];
  const?: unknown;
  $ref?: string;
  oneOf?: Schema[];
  writeOnly?: boolean;
}

/** `trunkline sign-in`: stores an address and a key for this user, once the key has been accepted. */
export async function signIn(output: Output, given: Partial<Account>): Promise<void> {
  const url =
    given.url ??
    (await asked(() => text({ message: 'Address of the installation', placeholder: 'http://127.0.0.1:8787' })));
  const key = given.key ?? (await asked(() => password({ message: 'Key (tl_…)' })));
  const account = { url, key };
  const me = await apiOf(account).get<{ name?: string }>('/v1/me');
  storeAccount(userAccountFile(), account);
  output.result(me, `Signed in to ${url} as ${me.name ?? 'this key'}.`);
}

/** `trunkline connect [VENDOR] [NAME] name=value…`: asks for what is missing, creates the connection and checks it. */
export async function connect(
  api: Api,
  output: Output,
  vendor: string | undefined,
  name: string | undefined,
  words: string[],
): Promise<boolean> {
  const isInteractive = process.stdin.isTTY && !output.json;
  if (isInteractive) intro('New connection');
  const forms = formsOf(await api.get<Record<string, unknown>>('/openapi.json'));
  const chosen =
    vendor ??
    (await asked(() => select({ message: 'Vendor', options: [...forms.keys()].map((value) => ({ value })) })));
  const form = forms.get(chosen);
  if (!form) throw new UsageError(`There is no vendor ${chosen}. There are: ${[...forms.keys()].join(', ')}.`);
  const slug = name ?? (await asked(() => text({ message: 'Name of the connection', placeholder: 'dispatch' })));
  const given = inputOf(words);
  const settings = await fields(form.settings, given, isInteractive);
  const credentials = await fields(form.credentials, given, isInteractive);
  const unknown = Object.keys(given).find((each) => !(each in settings) && !(each in credentials));
  if (unknown !== undefined) throw new UsageError(`${unknown} is neither a setting nor a credential of ${chosen}.`);
  const connection = { vendor: chosen, name: slug, settings, credentials };
  await (isInteractive ? storeAsking(api, connection, form) : api.post('/v1/connections', connection));
  const check = await api.post<{ findings?: unknown[] }>(`/v1/connections/${chosen}/${slug}/check`);
  const findings = recordsOf(check.findings);
  const lines = findings.map(
    ({ state, subject, message }) => `${signOf(state)} ${String(subject)}: ${String(message)}`,
  );
  if (isInteractive) {
    note(lines.join('\n'), `${chosen}/${slug}`);
    outro(`Stored. Call it as ${chosen}/${slug}/…`);
  } else output.result(check, lines.join('\n'));
  return findings.every(({ state }) => state !== 'bad');
}

interface Entered {
  vendor: string;
  name: string;
  settings: Record<string, unknown>;
  credentials: Record<string, unknown>;
}

/**
 * Creates a connection. For each field that is refused it shows why and asks again: some are required only together with others.
 */
async function storeAsking(api: Api, connection: Entered, form: Record<'settings' | 'credentials', Schema>) {
  for (;;) {
    try {
      await api.post('/v1/connections', connection);
      return;
    } catch (error) {
      const { pointer, message } = error instanceof ApiError ? (recordsOf(error.problem.errors)[0] ?? {}) : {};
      const [, part, field] = /^\/(settings|credentials)(?:\/(\w+))?$/.exec(String(pointer)) ?? [];
      if (part !== 'settings' && part !== 'credentials') throw error;
      const { properties = {} } = form[part];
      log.warn(`${field ?? part} ${String(message)}`);
      // Where settings or credentials as a whole are refused, there are several ways out; the message may name one.
      const initialValue = Object.keys(properties).find((each) => String(message).includes(`set ${each} `));
      const choice = {
        message: 'Which field do you want to set?',
        options: optionsOf(properties),
        ...(initialValue !== undefined && { initialValue }),
      };
      const name = field ?? (await asked(() => select(choice)));
      connection[part][name] = await askField(name, properties[name] ?? {});
    }
  }
}

function optionsOf(properties: Record<string, Schema>) {
  return Object.entries(properties).map(([value, { description: hint }]) => ({ value, ...(hint && { hint }) }));
}

function askField(name: string, { description, writeOnly }: Schema): Promise<string> {
  const message = `${name}${description === undefined ? '' : ` (${description})`}`;
  return asked(() => (writeOnly || /key|password|secret/i.test(name) ? password({ message }) : text({ message })));
}

/** The fields that were given, and on a terminal the required ones that were not. */
async function fields(schema: Schema, given: Record<string, unknown>, isInteractive: boolean) {
  const found: Record<string, unknown> = {};
  for (const [name, field] of Object.entries(schema.properties ?? {})) {
    if (given[name] !== undefined) found[name] = given[name];
    else if (isInteractive && schema.required?.includes(name)) found[name] = await askField(name, field);
  }
  return found;
}

/** The settings and credentials of each vendor, from the body of `createConnection`. */
function formsOf(document: Record<string, unknown>): Map<string, { settings: Schema; credentials: Schema }> {
  // References of the document lead to schemas of the document.
  const resolve = (schema: Schema) => resolved(document, schema) as Schema;
  const paths = document.paths as Record<
    string,
    { post?: { requestBody?: { content: Record<string, { schema: Schema }> } } }
  >;
  const body = resolve(paths['/v1/connections']?.post?.requestBody?.content['application/json']?.schema ?? {});
  const forms = new Map<string, { settings: Schema; credentials: Schema }>();
  for (const form of (body.oneOf ?? [body]).map(resolve)) {
    const vendor = resolve(form.properties?.vendor ?? {});
    const part = (name: string): Schema => {
      const schema = resolve(form.properties?.[name] ?? {});
      const alternatives = (schema.oneOf ?? []).map(resolve);
      return alternatives.length === 0
        ? schema
        : {
            properties: Object.assign({}, ...alternatives.map(({ properties = {} }) => properties)) as Record<
              string,
              Schema
            >,
          };
    };
    for (const name of [vendor.const ?? vendor.enum ?? []].flat()) {
      forms.set(String(name), { settings: part('settings'), credentials: part('credentials') });
    }
  }
  return forms;
}

async function asked(ask: () => Promise<string | symbol>): Promise<string> {
  if (!process.stdin.isTTY)
    throw new UsageError('Something is missing, and there is no terminal to ask on. See --help.');
  const answer = await ask();
  if (typeof answer !== 'string') throw new UsageError('Cancelled. Nothing was stored.');
  return answer;
}

import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createTwoFilesPatch } from 'diff';
import type { Api } from '../api.ts';
import { UsageError } from '../failures.ts';
import { isRecord, type Output } from '../output.ts';

type Document = Record<string, unknown>;

/** One kind of thing that a folder holds. */
interface Kind {
  /** The folder, and the section of `GET /v1/export`. */
  folder: string;
  /** The name by which the installation finds what exists. */
  nameOf(document: Document): string;
  /** The path below which it is deleted by id; absent for what is never deleted. */
  path?: string;
}

const byName = (document: Document): string => String(document.name);

const kinds: readonly Kind[] = [
  { folder: 'connections', nameOf: ({ vendor, name }) => `${String(vendor)}/${String(name)}` },
  { folder: 'hooks', nameOf: byName, path: '/v1/hooks' },
  { folder: 'automations', nameOf: byName, path: '/v1/automations' },
  { folder: 'recipes', nameOf: byName },
  {
    folder: 'subscriptions',
    nameOf: ({ url, types, connection }) =>
      [url, ...[types].flat().map(String).sort(), ...(connection === undefined ? [] : [connection])].join(' '),
    path: '/v1/subscriptions',
  },
];

/** `trunkline export FOLDER`: a file for each connection, hook, automation, installed recipe and subscription, alike from one export to the next. */
export async function exportFolder(api: Api, output: Output, folder: string): Promise<void> {
  const installation = await exported(api);
  const written: string[] = [];
  for (const kind of kinds) {
    const directory = join(folder, kind.folder);
    mkdirSync(directory, { recursive: true });
    const names = new Map([...installation(kind)].map(([name, document]) => [fileName(name), document]));
    for (const file of readdirSync(directory)) {
      if (file.endsWith('.json') && !names.has(file)) rmSync(join(directory, file));
    }
    for (const [file, document] of names) {
      writeFileSync(join(directory, file), textOf(document));
      written.push(join(kind.folder, file));
    }
  }
  output.result(written, `${written.length} files are in ${folder}. Secrets are not among them.`);
}

interface Imported {
  kind: string;
  name: string;
  action: string;
  message?: string;
  secrets?: string[];
  url?: string;
  secret?: string;
  /** Those of a recipe that was installed. */
  hooks?: { url?: string; secret?: string }[];
}

/**
 * `trunkline diff FOLDER` and `trunkline apply FOLDER`: what the folder would change, and the change itself. Returns false where
 * something differs, or was refused.
 */
export async function applyFolder(
  api: Api,
  output: Output,
  folder: string,
  { dryRun, prune }: { dryRun: boolean; prune: boolean },
): Promise<boolean> {
  if (!existsSync(folder)) throw new UsageError(`There is no folder ${folder}.`);
  const installation = await exported(api);
  const changed: Record<string, Document[]> = {};
  const superfluous: { kind: Kind; name: string }[] = [];
  for (const kind of kinds) {
    const existing = installation(kind);
    const wanted = readFolder(join(folder, kind.folder), kind);
    for (const [name, document] of wanted) {
      const patch = patchOf(`${kind.folder}/${name}`, existing.get(name), document);
      if (patch === undefined) continue;
      if (dryRun) output.note(patch);
      changed[kind.folder] = [...(changed[kind.folder] ?? []), document];
    }
    if (prune && kind.path !== undefined)
      for (const name of existing.keys()) if (!wanted.has(name)) superfluous.push({ kind, name });
  }
  const isChanged = Object.keys(changed).length > 0;
  const results = isChanged
    ? (await api.post<{ results: Imported[] }>('/v1/import', { ...changed, dryRun })).results
    : [];
  if (!dryRun) for (const { kind, name } of superfluous) await remove(api, kind, name);
  const deleted = superfluous.map(({ kind, name }) => ({ kind: kind.folder, name, action: 'deleted' }));
  const all: Imported[] = [...results, ...deleted];
  output.result(all, all.length === 0 ? 'Nothing differs.' : all.map(lineOf).join('\n'));
  const failed = results.some(({ action }) => action === 'refused' || action === 'needs_secret');
  return dryRun ? all.length === 0 : !failed;
}

function lineOf({ kind, name, action, message, secrets = [], url, secret, hooks = [] }: Imported): string {
  const lacks = secrets.length > 0 ? ` (${secrets.join(', ')})` : '';
  const shown = hooks.flatMap((hook) => [hook.url, hook.secret]);
  const details = [message, url, secret, ...shown].filter((each) => each !== undefined).join(' ');
  return `${action.replace('_', ' ')} ${kind} ${name}${lacks}${details === '' ? '' : `: ${details}`}`;
}

/** Deletes by the id that the list of its kind shows. */
async function remove(api: Api, kind: Kind, name: string): Promise<void> {
  const path = kind.path ?? '';
  const hooks = new Map(
    (await api.get<Document[]>('/v1/hooks')).map(({ id, name: hook }) => [id, `hook/${String(hook)}`]),
  );
  const found = (await api.get<Document[]>(path)).find((each) => {
    const connection = hooks.get(each.connection) ?? each.connection;
    return kind.nameOf({ ...each, connection }) === name;
  });
  if (!found) throw new UsageError(`${kind.folder}/${name} has gone in the meantime. Run the command again.`);
  await api.send('DELETE', `${path}/${String(found.id)}`);
}

/** The documents of an installation, by kind and name. */
async function exported(api: Api): Promise<(kind: Kind) => Map<string, Document>> {
  const whole = await api.get<Record<string, Document[]>>('/v1/export');
  return ({ folder, nameOf }) => new Map((whole[folder] ?? []).map((document) => [nameOf(document), document]));
}

function readFolder(directory: string, kind: Kind): Map<string, Document> {
  const documents = new Map<string, Document>();
  if (!existsSync(directory)) return documents;
  for (const file of readdirSync(directory)
    .filter((name) => name.endsWith('.json'))
    .sort()) {
    const path = join(directory, file);
    const document = parsed(path);
    const name = kind.nameOf(document);
    if (documents.has(name)) throw new UsageError(`Two files of ${directory} describe ${name}.`);
    documents.set(name, document);
  }
  return documents;
}

function parsed(path: string): Document {
  try {
    const value: unknown = JSON.parse(readFileSync(path, 'utf8'));
    if (isRecord(value)) return value;
  } catch (cause) {
    throw new UsageError(`${path} is not valid JSON: ${cause instanceof Error ? cause.message : String(cause)}`);
  }
  throw new UsageError(`${path} must hold a JSON object.`);
}

function patchOf(name: string, before: Document | undefined, after: Document): string | undefined {
  const [old, next] = [before ? textOf(before) : '', textOf(after)];
  if (old === next) return undefined;
  return createTwoFilesPatch(before ? name : '/dev/null', name, old, next);
}

/** Keys sorted, so that files differ only where documents do. */
function textOf(document: Document): string {
  return `${JSON.stringify(sorted(document), undefined, 2)}\n`;
}

function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (!isRecord(value)) return value;
  return Object.fromEntries(
    Object.keys(value)
      .sort()
      .map((key) => [key, sorted(value[key])]),
  );
}

function fileName(name: string): string {
  return `${name.replace(/[^\p{L}\p{N}._-]+/gu, '-').slice(0, 100)}.json`;
}

import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createTwoFilesPatch } from 'diff';
import type { Api } from '../api.ts';
import { UsageError } from '../failures.ts';
import { isRecord, type Output } from '../output.ts';

type Document = Record<string, unknown>;

/** One kind of thing that a folder holds, in the order in which they are applied: what others name comes first. */
interface Kind {
  folder: string;
  path: string;
  /** The file name, unique among its kind. */
  nameOf(document: Document): string;
  /** The request that stores a document under its name. */
  store(api: Api, document: Document, existing: Document | undefined): Promise<unknown>;
}

const byName = (document: Document): string => String(document.name);
const putByName = (path: string) => (api: Api, document: Document) =>
  api.send('PUT', `${path}/${encodeURIComponent(byName(document))}`, { body: document });

const kinds: readonly Kind[] = [
  { folder: 'hooks', path: '/v1/hooks', nameOf: byName, store: putByName('/v1/hooks') },
  { folder: 'automations', path: '/v1/automations', nameOf: byName, store: putByName('/v1/automations') },
  {
    folder: 'subscriptions',
    path: '/v1/subscriptions',
    nameOf: ({ url, types }) => `${String(url).replace(/^https?:\/\//, '')} ${[types].flat().join(' ')}`,
    store: (api, document, existing) =>
      existing
        ? api.send('PATCH', `/v1/subscriptions/${String(existing.id)}`, { body: document })
        : api.send('POST', '/v1/subscriptions', { body: document }),
  },
];

/** What an installation says of itself and nobody writes. */
const readOnly: ReadonlySet<string> = new Set([
  'id',
  'createdAt',
  'updatedAt',
  'createdBy',
  'creator',
  'keyId',
  'scopes',
  'version',
  'lastRun',
  'lastFired',
  'nextRunAt',
  'lastRefusal',
  'lastReceivedAt',
  'received',
  'refused',
  'repeated',
  'rejected',
  'sample',
  'secret',
  'secrets',
  'state',
  'status',
  'reason',
]);

/** `trunkline export FOLDER`: a file for each hook, automation and subscription, alike from one export to the next. */
export async function exportFolder(api: Api, output: Output, folder: string): Promise<void> {
  const written: string[] = [];
  for (const kind of kinds) {
    const directory = join(folder, kind.folder);
    mkdirSync(directory, { recursive: true });
    const documents = await listed(api, kind);
    const names = new Map([...documents].map(([name, document]) => [fileName(name), document]));
    for (const file of readdirSync(directory)) {
      if (file.endsWith('.json') && !names.has(file)) rmSync(join(directory, file));
    }
    for (const [file, document] of names) {
      writeFileSync(join(directory, file), textOf(writable(kind, document)));
      written.push(join(kind.folder, file));
    }
  }
  output.result(written, `${written.length} files are in ${folder}. Secrets are not among them.`);
}

/** `trunkline diff FOLDER` and `trunkline apply FOLDER`: what the folder would change, and the change itself. */
export async function applyFolder(
  api: Api,
  output: Output,
  folder: string,
  { dryRun, prune }: { dryRun: boolean; prune: boolean },
): Promise<boolean> {
  if (!existsSync(folder)) throw new UsageError(`There is no folder ${folder}.`);
  const changes: { action: 'create' | 'change' | 'delete'; name: string }[] = [];
  for (const kind of kinds) {
    const existing = await listed(api, kind);
    const wanted = readFolder(join(folder, kind.folder), kind);
    for (const [name, document] of wanted) {
      const before = existing.get(name);
      const patch = patchOf(`${kind.folder}/${name}`, before && writable(kind, before), document);
      if (patch === undefined) continue;
      changes.push({ action: before ? 'change' : 'create', name: `${kind.folder}/${name}` });
      if (dryRun) output.note(patch);
      else await kind.store(api, document, before);
    }
    if (!prune) continue;
    for (const [name, document] of existing) {
      if (wanted.has(name)) continue;
      changes.push({ action: 'delete', name: `${kind.folder}/${name}` });
      if (!dryRun) await api.send('DELETE', `${kind.path}/${String(document.id)}`);
    }
  }
  const lines = changes.map(({ action, name }) => `${action} ${name}`);
  output.result(changes, lines.length === 0 ? 'Nothing differs.' : lines.join('\n'));
  return changes.length === 0;
}

async function listed(api: Api, kind: Kind): Promise<Map<string, Document>> {
  const documents = await api.get<Document[]>(kind.path);
  return new Map(documents.map((document) => [kind.nameOf(document), document]));
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

/** A document without what only the installation knows. A hook's address is a secret, a subscription's is its target. */
function writable(kind: Kind, document: Document): Document {
  const isKept = (name: string) => !readOnly.has(name) && !(kind.folder === 'hooks' && name === 'url');
  return Object.fromEntries(Object.entries(document).filter(([name]) => isKept(name)));
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

import type { JsonAnswer } from '../api/idempotency.ts';
import type { HttpRequest } from '../api/request.ts';
import { serverUrl } from '../api/server-url.ts';
import type { Clock } from '../core/clock.ts';
import { GatewayError, methodNotAllowed } from '../core/errors.ts';
import type { FileStore } from '../core/files.ts';
import { LruMap } from '../core/lru-map.ts';
import { keys } from '../store/items.ts';
import type { Table } from '../store/table.ts';
import { type HealthReport, lateAfterMs } from '../watch/checks.ts';
import { consoleFiles, consolePolicy, tilesOrigin } from './console-files.ts';
import { type Asset, asset, docsAssets } from './docs/assets.ts';
import { contentSecurityPolicy } from './docs/page.ts';
import type { ApiDescription, OpenApiDocument } from './openapi/document.ts';

/** What the site needs from its environment. */
export interface SiteServices {
  table: Pick<Table, 'get'>;
  clock: Pick<Clock, 'now'>;
  files?: Pick<FileStore, 'freeBytes'>;
}

/** A year, in seconds: for files with their version in the URL. */
const forever = 'public, max-age=31536000, immutable';
/** Revalidated on each request. Unchanged content returns 304. */
const fresh = 'no-cache';
/** How many hosts' texts are cached. They differ only by the server's URL. */
const maxHosts = 20;

/** Creates the handler of everything that needs no key: `/`, `/docs`, `/console`, `/openapi.json`, `/health`. `describe` is called once, at the first request that needs it. */
export function site<S extends SiteServices>(
  describe: (services: S) => ApiDescription,
): (request: HttpRequest, services: S) => Promise<JsonAnswer> {
  let document: OpenApiDocument | undefined;
  const texts = new LruMap<string, Asset>(maxHosts);
  const documentFor = async (request: HttpRequest, services: S): Promise<Asset> => {
    const url = serverUrl(request) || '/';
    const known = texts.get(url);
    if (known) return known;
    const { openApiDocument } = await import('./openapi/document.ts');
    document ??= openApiDocument(describe(services));
    const made = asset(JSON.stringify({ ...document, servers: [{ url }] }), 'application/json');
    texts.set(url, made);
    return made;
  };
  return async (request, services) => {
    const path = request.path.length > 1 ? request.path.replace(/\/+$/, '') : request.path;
    const found = await find(path, request, services, documentFor);
    if (!found) throw new GatewayError('not_found', `There is no ${path.slice(0, 200)}. See /docs for every call.`);
    if (request.method !== 'GET' && request.method !== 'HEAD') {
      throw methodNotAllowed(request.path, request.method, ['GET', 'HEAD']);
    }
    // Of a HEAD the server sends the headers that a GET would have, the length included, and no body.
    return open(found);
  };
}

/** Public content can be read by a page from any origin. */
function open(answer: JsonAnswer): JsonAnswer {
  return { ...answer, headers: { ...answer.headers, 'access-control-allow-origin': '*' } };
}

async function find<S extends SiteServices>(
  path: string,
  request: HttpRequest,
  services: S,
  documentFor: (request: HttpRequest, services: S) => Promise<Asset>,
): Promise<JsonAnswer | undefined> {
  if (path === '' || path === '/') return { status: 302, headers: { location: '/docs' }, body: undefined };
  if (path === '/health') return health(services);
  if (path === '/openapi.json') return send(await documentFor(request, services), fresh, { vary: 'host' });
  if (path === '/console' || path.startsWith('/console/')) return consoleFile(path, request.headers.cookie);
  if (!path.startsWith('/docs')) return undefined;
  const assets = await docsAssets();
  const file = Object.hasOwn(assets, path) ? assets[path] : undefined;
  if (!file) return undefined;
  if (path === '/docs') {
    return send(file, fresh, {
      'content-security-policy': contentSecurityPolicy,
      'referrer-policy': 'no-referrer',
      'cross-origin-opener-policy': 'same-origin',
    });
  }
  return send(file, request.query.get('v') === file.tag ? forever : fresh);
}

/** A file of the console; every other address below it is the page, which finds its own way. */
async function consoleFile(path: string, cookie: string | undefined): Promise<JsonAnswer | undefined> {
  const files = await consoleFiles();
  const name = path.match(/^\/console\/assets\/([\w.-]+)$/)?.[1];
  const file = name === undefined ? files['index.html'] : Object.hasOwn(files, name) ? files[name] : undefined;
  if (!file) return undefined;
  if (name !== undefined) return send(file, forever);
  // A browser keeps the policy of the page that it has, so another policy has another tag.
  const tiles = tilesOrigin(cookie);
  return send(tiles === undefined ? file : { ...file, tag: `${file.tag}-${tiles}` }, fresh, {
    'content-security-policy': consolePolicy(tiles),
    'referrer-policy': 'no-referrer',
    'cross-origin-opener-policy': 'same-origin',
  });
}

/** A file with its tag, by which a caller that already has it gets a 304. */
function send(file: Asset, cache: string, more: Record<string, string> = {}): JsonAnswer {
  const headers = { etag: `"${file.tag}"`, 'cache-control': cache, 'x-content-type-options': 'nosniff', ...more };
  return { status: 200, headers: { 'content-type': file.type, ...headers }, body: file.text };
}

/** With less free space than this, in bytes, the database may soon be unable to write. */
const minFreeBytes = 50_000_000;

/** Whether there is room on the disk; nothing where room cannot run out. */
async function roomLeft(files: SiteServices['files']): Promise<HealthReport['checks']> {
  const free = await files?.freeBytes?.();
  if (free === undefined) return [];
  const left = `${Math.floor(free / 1_000_000)} MB are left for data`;
  return [
    { name: 'disk', ok: free >= minFreeBytes, message: free >= minFreeBytes ? left : `${left}: free some space` },
  ];
}

/** 200 while the last minute's work was completed, otherwise 503 with the reasons. */
async function health({ table, clock, files }: SiteServices): Promise<JsonAnswer> {
  let report: HealthReport | undefined;
  try {
    report = await table.get<HealthReport>(keys.health(), true);
  } catch (cause) {
    throw new GatewayError('unavailable', 'The table does not answer.', { retryAfter: 5, cause });
  }
  const headers = { 'cache-control': 'no-store' };
  const room = await roomLeft(files);
  if (!report)
    return { status: 503, headers: { ...headers, 'retry-after': '5' }, body: { status: 'starting', checks: room } };
  const age = clock.now() - report.checkedAt;
  const watch = { name: 'clock watch', ok: age <= lateAfterMs, message: `ticked ${Math.round(age / 1000)} s ago` };
  const checks = [watch, ...room, ...report.checks];
  const ok = checks.every((check) => check.ok);
  const checkedAt = new Date(report.checkedAt).toISOString();
  return { status: ok ? 200 : 503, headers, body: { status: ok ? 'ok' : 'failing', checkedAt, checks } };
}

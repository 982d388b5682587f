import { readdir, readFile } from 'node:fs/promises';
import { extname } from 'node:path';
import { once } from '../core/once.ts';
import { type Asset, asset } from './docs/assets.ts';

/** Where map tiles may come from, as the operator entered it in this browser. */
const tilesCookie = /(?:^|;\s*)trunkline_tiles=([^;|]+)/;

/** Exactly one host: a policy would take `*` for many. */
const oneOrigin = /^https?:\/\/([\w.-]+|\[[\da-f:.]+\])(:\d+)?$/;

/** The origin of the map tiles that a browser shows; undefined if it shows none. */
export function tilesOrigin(cookie: string | undefined): string | undefined {
  const [, address] = tilesCookie.exec(cookie ?? '') ?? [];
  try {
    const { origin } = new URL(decodeURIComponent(address ?? ''));
    return oneOrigin.test(origin) ? origin : undefined;
  } catch {
    return undefined;
  }
}

/** Nothing may be loaded from another host except map tiles, and the page contains no inline script or style. */
export const consolePolicy = (tiles: string | undefined): string =>
  [
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    `img-src 'self' data:${tiles === undefined ? '' : ` ${tiles}`}`,
    "connect-src 'self'",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
  ].join('; ');

const types: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
};

/** The built console is next to this code if both are bundled. Otherwise it is where `npm start` and the tests build it. */
const folders = [new URL('console/', import.meta.url), new URL('../../dist/local/console/', import.meta.url)];

/** The files of the console by name, read once per process. */
export const consoleFiles = once(async (): Promise<Readonly<Record<string, Asset>>> => {
  for (const folder of folders) {
    const names = await readdir(folder).catch((): string[] => []);
    if (!names.includes('index.html')) continue;
    const files = names.flatMap((name) => {
      const type = types[extname(name)];
      return type === undefined ? [] : [{ name, type }];
    });
    return Object.fromEntries(
      await Promise.all(
        files.map(
          async ({ name, type }) => [name, asset(await readFile(new URL(name, folder), 'utf8'), type)] as const,
        ),
      ),
    );
  }
  throw new Error('The console is not built. Run "npm run build".');
});

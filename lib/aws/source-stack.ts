import type { SourceMap } from 'node:module';

const maps = new Map<string, SourceMap | undefined>();

/**
 * A text whose stacks name the sources instead of the bundle, where the bundle has a map next to it. Maps are read at the first
 * need: Node's own `--enable-source-maps` reads them all at the start, and a cold start takes a quarter longer for it.
 */
export function sourceStack(text: string): string {
  if (!text.includes('.mjs:')) return text;
  return text.replace(/(file:\/\/[^\s()]+\.mjs):(\d+):(\d+)/g, (place, url: string, line: string, column: string) => {
    if (!maps.has(url)) maps.set(url, readMap(url));
    const entry = maps.get(url)?.findEntry(Number(line) - 1, Number(column) - 1);
    if (entry === undefined || !('originalSource' in entry)) return place;
    return `${entry.originalSource}:${entry.originalLine + 1}:${entry.originalColumn + 1}`;
  });
}

function readMap(url: string): SourceMap | undefined {
  const { readFileSync } = process.getBuiltinModule('node:fs');
  const { SourceMap } = process.getBuiltinModule('node:module');
  try {
    return new SourceMap(JSON.parse(readFileSync(new URL(`${url}.map`), 'utf8')));
  } catch {
    return undefined;
  }
}

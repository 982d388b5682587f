/** Where map tiles come from: the URL that the operator entered, and the attribution that it requires. */
export interface TileSource {
  /** Has `{z}`, `{x}` and `{y}` where a tile's zoom level, column and row stand. */
  url: string;
  attribution: string;
}

/** The server reads it too: the page's policy allows images from this one address. */
const cookieName = 'trunkline_tiles';
const yearSeconds = 31_536_000;

/** The source of this visit. The page loads again after a change, because its policy changes with it. */
export const tiles: TileSource | undefined = stored();

function stored(): TileSource | undefined {
  const value = document.cookie
    .split('; ')
    .find((each) => each.startsWith(`${cookieName}=`))
    ?.slice(cookieName.length + 1);
  const [url = '', attribution = ''] = (value ?? '').split('|').map(decodeURIComponent);
  return url === '' ? undefined : { url, attribution };
}

/** Why an address cannot be used; undefined if it can. */
export function tileProblem(url: string): string | undefined {
  const missing = ['{z}', '{x}', '{y}'].filter((part) => !url.includes(part));
  if (!/^https?:\/\/[\w.-]+(:\d+)?\//.test(url))
    return 'must be an address such as https://tiles.example.com/{z}/{x}/{y}.png';
  return missing.length > 0 ? `must contain ${missing.join(', ')}` : undefined;
}

/** Stores the source in this browser, or without one removes it, and loads the page again. */
export function storeTiles(source: TileSource | undefined): void {
  const value = source ? [source.url, source.attribution].map(encodeURIComponent).join('|') : '';
  const secure = location.protocol === 'https:' ? '; Secure' : '';
  const age = source ? yearSeconds : 0;
  // biome-ignore lint/suspicious/noDocumentCookie: the server has to read it with the next page
  document.cookie = `${cookieName}=${value}; Path=/console; Max-Age=${age}; SameSite=Strict${secure}`;
  location.reload();
}

export const tileAddress = (url: string, zoom: number, column: number, row: number): string =>
  url.replaceAll('{z}', String(zoom)).replaceAll('{x}', String(column)).replaceAll('{y}', String(row));

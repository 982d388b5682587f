import { parseJson } from '../core/json.ts';

/** A request as places look into it. */
export interface Placed {
  readonly headers: Readonly<Record<string, string | undefined>>;
  readonly rawBody: Uint8Array;
  readonly query?: URLSearchParams;
}

/**
 * The text at a place of a request: `headers.NAME`, `query.NAME`, or a path below `body` such as `body.0.data.code` for a body that
 * is JSON or a form. Undefined where there is none.
 */
export function valueAt(request: Placed, place: string): string | undefined {
  const dot = place.indexOf('.');
  const [part, path] = [place.slice(0, dot), place.slice(dot + 1)];
  if (part === 'headers') return request.headers[path.toLowerCase()];
  if (part === 'query') return request.query?.get(path) ?? undefined;
  let value: unknown = bodyOf(request.rawBody);
  for (const step of path.split('.')) {
    value =
      value !== null && typeof value === 'object' && Object.hasOwn(value, step) ? Reflect.get(value, step) : undefined;
  }
  return typeof value === 'string' || typeof value === 'number' ? String(value) : undefined;
}

function bodyOf(rawBody: Uint8Array): unknown {
  const text = Buffer.from(rawBody).toString('utf8');
  try {
    return parseJson(text);
  } catch {
    return Object.fromEntries(new URLSearchParams(text));
  }
}

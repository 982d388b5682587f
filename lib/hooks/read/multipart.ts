import { GatewayError } from '../../core/errors.ts';
import { defined } from '../../core/record.ts';
import { textOf } from './text.ts';

/** One part of `multipart/form-data`. */
export interface Part {
  name: string;
  /** Present for a file, empty where the sender gave none. */
  filename?: string;
  contentType?: string;
  bytes: Buffer;
}

const maxParts = 1000;
const blankLine = Buffer.from('\r\n\r\n');

/** The parts of a body, by the boundary of its content type (RFC 7578). Throws `invalid_request` for anything else. */
export function partsOf(body: Buffer, contentType: string): Part[] {
  const [, quoted, plain] = /;\s*boundary\s*=\s*(?:"([^"]{1,200})"|([^\s;"]{1,200}))/i.exec(contentType) ?? [];
  const boundary = quoted ?? plain;
  if (boundary === undefined) throw invalid('its Content-Type names no boundary');
  // The line break before a delimiter belongs to it; the first delimiter may be at the very start.
  const whole = Buffer.concat([Buffer.from('\r\n'), body]);
  const delimiter = Buffer.from(`\r\n--${boundary}`);
  const parts: Part[] = [];
  let start = whole.indexOf(delimiter);
  if (start < 0) throw invalid('its boundary is not in the body');
  for (;;) {
    start += delimiter.length;
    if (whole.toString('latin1', start, start + 2) === '--') return parts;
    const end = whole.indexOf(delimiter, start);
    if (end < 0) throw invalid('its last part has no end');
    parts.push(partOf(whole.subarray(start, end)));
    if (parts.length > maxParts) throw invalid(`it has more than ${maxParts} parts`);
    start = end;
  }
}

/** A part from the end of its delimiter line on. */
function partOf(bytes: Buffer): Part {
  const end = bytes.indexOf(blankLine);
  if (end < 0) throw invalid('a part has no blank line after its headers');
  const headers = new Map(
    textOf(bytes.subarray(0, end), undefined)
      .split('\r\n')
      .map((line): [string, string] => {
        const colon = line.indexOf(':');
        return [line.slice(0, Math.max(0, colon)).trim().toLowerCase(), line.slice(colon + 1).trim()];
      }),
  );
  const disposition = headers.get('content-disposition') ?? '';
  const name = parameter(disposition, 'name');
  if (name === undefined) throw invalid('a part has no name');
  const filename = extended(disposition) ?? parameter(disposition, 'filename');
  const contentType = headers.get('content-type');
  return {
    name,
    ...defined({ filename, contentType }),
    bytes: bytes.subarray(end + blankLine.length),
  };
}

/** Browsers escape quotes and line breaks in names as `%22`, `%0D` and `%0A`. */
function parameter(header: string, name: string): string | undefined {
  const [, quoted, plain] =
    new RegExp(`;\\s*${name}\\s*=\\s*(?:"((?:[^"\\\\]|\\\\.)*)"|([^\\s;"]+))`, 'i').exec(header) ?? [];
  const unescaped = quoted?.replace(/\\(["\\])/g, '$1') ?? plain;
  return unescaped?.replace(/%(22|0d|0a)/gi, (_, code: string) => String.fromCharCode(Number.parseInt(code, 16)));
}

function extended(header: string): string | undefined {
  const encoded = /;\s*filename\*\s*=\s*UTF-8''([^\s;]+)/i.exec(header)?.[1];
  try {
    return encoded === undefined ? undefined : decodeURIComponent(encoded);
  } catch {
    return undefined;
  }
}

function invalid(reason: string): GatewayError {
  return new GatewayError('invalid_request', `The body is not valid multipart/form-data: ${reason}.`);
}

import { invalidJson } from '../../api/request.ts';
import { GatewayError } from '../../core/errors.ts';
import { parseJson } from '../../core/json.ts';
import { wellFormed } from '../../core/well-formed.ts';
import { formFields } from './form.ts';
import { type Part, partsOf } from './multipart.ts';
import { contentTypeOf, textOf, xmlCharset } from './text.ts';

/** What a hook takes in bytes. */
export const maxHookBodyBytes = 10 * 1024 * 1024;
/** A body of up to this many bytes is included in its event. A larger one is written to the file store. */
export const maxInlineBodyBytes = 256 * 1024;

const maxFields = 1000;

/** A file of a message in the file store, where `uploadId` opens it for a day. */
export interface StoredBody {
  uploadId: string;
  type: string;
  size: number;
  name?: string;
}

/** Puts bytes into the file store. */
export type StoreBody = (bytes: Buffer, type: string, name?: string) => Promise<StoredBody>;

/**
 * A body as included in an event: JSON unchanged, lines of JSON as a list, a form and XML as objects, any other text as text, nothing
 * as null. A text that is entirely a JSON object or list is read as JSON whatever its type says. Files, bytes of another type and
 * what is too large for an event are stored. Throws `invalid_json`, `invalid_request` or `unsupported_media_type`.
 */
export async function readBody(body: Buffer, contentType: string | undefined, store: StoreBody): Promise<unknown> {
  if (body.length === 0) return null;
  const { media, charset } = contentTypeOf(contentType);
  const form = formOf(media);
  if (form === 'multipart') return readMultipart(body, contentType ?? '', store);
  if (form === undefined || body.length > maxInlineBodyBytes) return store(body, media || 'application/octet-stream');
  return readText(form, body, charset);
}

type TextForm = 'json' | 'lines' | 'xml' | 'form' | 'text';

async function readText(form: TextForm, body: Buffer, charset: string | undefined): Promise<unknown> {
  switch (form) {
    case 'json': {
      const text = textOf(body, charset);
      return text.trim() === '' ? null : readJson(text);
    }
    case 'lines':
      return textOf(body, charset)
        .split('\n')
        .filter((line) => line.trim() !== '')
        .map(readJson);
    case 'xml': {
      // Loaded on use: the parser is a tenth of what the function loads, and most senders post JSON.
      const { readXml } = await import('./xml.ts');
      return readXml(textOf(body, charset ?? xmlCharset(body)));
    }
    case 'form':
      // `curl -d` declares everything that it sends as a form.
      return (opensJson(body) && jsonStructure(textOf(body, charset))) || fieldsOf(formFields(body, charset));
    case 'text': {
      const text = textOf(body, charset);
      return jsonStructure(text) ?? text;
    }
  }
}

async function readMultipart(body: Buffer, contentType: string, store: StoreBody): Promise<unknown> {
  const fields: [string, unknown][] = [];
  for (const part of partsOf(body, contentType)) fields.push([part.name, await readPart(part, store)]);
  return fieldsOf(fields);
}

/** A text part is a field. JSON and XML are read even as files, as alarm panels send them; any other file is stored. */
async function readPart({ filename, contentType, bytes }: Part, store: StoreBody): Promise<unknown> {
  const { media, charset } = contentTypeOf(contentType);
  const form = formOf(media);
  const isFile = filename !== undefined || form === undefined || form === 'multipart';
  const readable = form === 'json' || form === 'xml' || !isFile;
  if (readable && bytes.length <= maxInlineBodyBytes) {
    return readText(form, bytes, charset);
  }
  return store(bytes, media || 'application/octet-stream', filename);
}

/** Form fields and query parameters: one that comes several times is a list. */
export function fieldsOf<Value>(parameters: Iterable<[string, Value]>): Record<string, Value | Value[]> {
  const fields = new Map<string, Value[]>();
  for (const [name, value] of parameters) {
    if (name === '__proto__') continue;
    fields.set(name, [...(fields.get(name) ?? []), value]);
    if (fields.size > maxFields) throw new GatewayError('invalid_request', `There are more than ${maxFields} fields.`);
  }
  // A field that came has at least one value.
  return Object.fromEntries(
    [...fields].map(([name, values]) => [name, values.length > 1 ? values : (values[0] as Value)]),
  );
}

function formOf(media: string): TextForm | 'multipart' | undefined {
  if (/^(?:application|text)\/(?:x-)?(?:nd|l)json$|^application\/(?:x-)?jsonlines$|\+json-seq$/.test(media))
    return 'lines';
  if (/^[\w.-]+\/(?:[\w.+-]+\+)?(?:x-)?json$/.test(media)) return 'json';
  if (/^[\w.-]+\/(?:[\w.+-]+\+)?xml$/.test(media)) return 'xml';
  if (media === 'application/x-www-form-urlencoded') return 'form';
  if (media === 'multipart/form-data') return 'multipart';
  return media === '' || media.startsWith('text/') ? 'text' : undefined;
}

function readJson(text: string): unknown {
  try {
    return repaired(parseJson(text), text);
  } catch (cause) {
    throw invalidJson(cause);
  }
}

/** Whether a body starts like a JSON object or list. */
function opensJson(body: Buffer): boolean {
  return /^\s*[{[]/.test(body.toString('latin1', 0, 100));
}

function jsonStructure(text: string): object | undefined {
  if (!/^\s*[{[]/.test(text)) return undefined;
  try {
    return repaired(parseJson(text), text) as object;
  } catch {
    return undefined;
  }
}

/** Only an escape of JSON can spell half a character: looking for one is quicker than looking through the value. */
function repaired(value: unknown, text: string): unknown {
  return /\\u[dD][89a-fA-F]/.test(text) ? wellFormed(value) : value;
}

import { GatewayError } from '../../core/errors.ts';
import { parseJson } from '../../core/json.ts';
import { contentTypeOf, textOf } from './text.ts';
import { readXml, xmlCharset } from './xml.ts';

/** What a hook takes in bytes. */
export const hookBodyLimit = 256 * 1024;

const maxFields = 1000;

/**
 * A body as it stands in an event: JSON as it is, a form and XML as objects, any other text as text, nothing as null. A text that
 * is wholly a JSON object or list is read as JSON whatever it is called. Throws `invalid_json`, `invalid_request` or
 * `unsupported_media_type`.
 */
export function readBody(rawBody: Buffer, contentType: string | undefined): unknown {
  if (rawBody.length === 0) return null;
  const { media, charset } = contentTypeOf(contentType);
  switch (formOf(media)) {
    case 'json':
      return readJson(textOf(rawBody, charset));
    case 'xml':
      return readXml(textOf(rawBody, charset ?? xmlCharset(rawBody)));
    case 'form': {
      const text = textOf(rawBody, charset);
      // What `curl -d` says of everything that it sends.
      return jsonStructure(text) ?? readForm(text);
    }
    case 'text': {
      const text = textOf(rawBody, charset);
      return jsonStructure(text) ?? text;
    }
    default:
      throw new GatewayError(
        'unsupported_media_type',
        `Send JSON, a form, XML or text, not ${JSON.stringify(media.slice(0, 80))}.`,
      );
  }
}

/** Form fields and query parameters: one that comes several times is a list. */
export function fieldsOf(parameters: Iterable<[string, string]>): Record<string, string | string[]> {
  const fields = new Map<string, string | string[]>();
  for (const [name, value] of parameters) {
    if (name === '__proto__') continue;
    const before = fields.get(name);
    if (before === undefined) fields.set(name, value);
    else if (Array.isArray(before)) before.push(value);
    else fields.set(name, [before, value]);
    if (fields.size > maxFields) throw new GatewayError('invalid_request', `There are more than ${maxFields} fields.`);
  }
  return Object.fromEntries(fields);
}

function formOf(media: string): 'json' | 'xml' | 'form' | 'text' | undefined {
  if (/^(?:application|text)\/(?:[\w.+-]+\+)?json$/.test(media)) return 'json';
  if (/^[\w.-]+\/(?:[\w.+-]+\+)?xml$/.test(media)) return 'xml';
  if (media === 'application/x-www-form-urlencoded') return 'form';
  return media === '' || media.startsWith('text/') ? 'text' : undefined;
}

function readJson(text: string): unknown {
  try {
    return parseJson(text);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : 'unreadable';
    throw new GatewayError('invalid_json', `The body is not valid JSON: ${reason}`, { cause });
  }
}

function readForm(text: string): Record<string, string | string[]> {
  return fieldsOf(new URLSearchParams(text));
}

function jsonStructure(text: string): object | undefined {
  if (!/^\s*[{[]/.test(text)) return undefined;
  try {
    return parseJson(text) as object;
  } catch {
    return undefined;
  }
}

import { decoderFor } from './text.ts';

/**
 * The fields of a form in the order in which they came. Percent-escapes stand for bytes, so they are undone before the charset is
 * applied. Throws `invalid_request` for bytes that are not valid in the charset.
 */
export function formFields(body: Buffer, charset: string | undefined): [string, string][] {
  const decode = decoderFor(charset ?? 'utf-8', charset === undefined);
  return body
    .toString('latin1')
    .split('&')
    .filter((pair) => pair !== '')
    .map((pair) => {
      const equals = pair.indexOf('=');
      const [name, value] = equals < 0 ? [pair, ''] : [pair.slice(0, equals), pair.slice(equals + 1)];
      return [decode(unescaped(name)), decode(unescaped(value))];
    });
}

function unescaped(text: string): Buffer {
  const bytes = text
    .replaceAll('+', ' ')
    .replace(/%([\da-fA-F]{2})/g, (_, code: string) => String.fromCharCode(Number.parseInt(code, 16)));
  return Buffer.from(bytes, 'latin1');
}

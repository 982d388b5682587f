import { readFileSync } from 'node:fs';
import { basename, extname } from 'node:path';
import { UsageError } from './failures.ts';

/** Of the files that people attach to alarms. */
const contentTypes: Readonly<Record<string, string>> = {
  '.csv': 'text/csv',
  '.gif': 'image/gif',
  '.jpeg': 'image/jpeg',
  '.jpg': 'image/jpeg',
  '.json': 'application/json',
  '.mp3': 'audio/mpeg',
  '.mp4': 'video/mp4',
  '.pdf': 'application/pdf',
  '.png': 'image/png',
  '.txt': 'text/plain',
  '.wav': 'audio/wav',
};

/**
 * The fields of an input from words: `name=text`, `name:=json`, `name=@file` for the text of a file, and `name@=file` for a file that
 * is sent. A field named twice is a list.
 */
export function inputOf(words: readonly string[]): Record<string, unknown> {
  const input: Record<string, unknown> = {};
  for (const word of words) {
    const match = /^([A-Za-z_][\w.-]*)(:=|@=|=)(.*)$/s.exec(word);
    if (!match)
      throw new UsageError(`${JSON.stringify(word)} is not a field. Write name=text, name:=json or name@=file.`);
    const [, name = '', sign, text = ''] = match;
    const value = sign === ':=' ? jsonOf(name, text) : sign === '@=' ? fileOf(text) : textOf(text);
    const before = input[name];
    input[name] = before === undefined ? value : [...(Array.isArray(before) ? before : [before]), value];
  }
  return input;
}

/** Throws a `UsageError` for a text that does not name an operation. */
export function requireOperation(text: string): void {
  if (/^[\w-]+\/[\w-]+\/[\w-]+$/.test(text)) return;
  throw new UsageError(
    `${text} is not an operation. Write vendor/connection/operation, such as talk/team/sendChatMessage.`,
  );
}

/** JSON from an argument: the text itself, `@file`, or `-` for standard input. */
export function jsonArgument(text: string): unknown {
  const source = text === '-' ? readFileSync(0, 'utf8') : text.startsWith('@') ? readText(text.slice(1)) : text;
  return jsonOf('The data', source);
}

function jsonOf(what: string, text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new UsageError(`${what} is not valid JSON: ${cause instanceof Error ? cause.message : String(cause)}`);
  }
}

function textOf(text: string): string {
  if (text.startsWith('@@')) return text.slice(1);
  return text.startsWith('@') ? readText(text.slice(1)) : text;
}

function fileOf(path: string): { name: string; type: string; base64: string } {
  const type = contentTypes[extname(path).toLowerCase()] ?? 'application/octet-stream';
  return { name: basename(path), type, base64: readBytes(path).toString('base64') };
}

function readText(path: string): string {
  return readBytes(path).toString('utf8');
}

function readBytes(path: string): Buffer {
  try {
    return readFileSync(path);
  } catch (cause) {
    throw new UsageError(`${path} cannot be read: ${cause instanceof Error ? cause.message : String(cause)}`);
  }
}

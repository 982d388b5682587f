import { createHash } from 'node:crypto';
import type { Expression } from 'jsonata';
import { parseJson } from '../core/json.ts';
import { parseTime } from '../core/zone-time.ts';
import { given } from './sandbox.ts';

/** Adds the functions that recipes need. */
export function registerFunctions(expression: Expression): void {
  for (const [name, implementation, signature] of functions) {
    expression.registerFunction(name, implementation, signature);
  }
}

type Row = Required<Parameters<Expression['registerFunction']>>;

const functions: readonly Row[] = [
  ['hash', (text?: string) => (text === undefined ? undefined : sha256(text)), '<s-:s>'],
  ['ref', (event?: { id?: unknown } | string) => reference(event), '<(os)-:s>'],
  ['base64', encodeBase64, '<s-:s>'],
  // JSONata's own two functions treat each character as a byte, so text beyond Latin-1 is garbled.
  ['base64encode', encodeBase64, '<s-:s>'],
  ['base64decode', decodeBase64, '<s-:s>'],
  ['link', link, '<s:s>'],
  ['distance', distance, '<nnnn:n>'],
  ['decodeURIComponentSafe', (text?: string) => (text === undefined ? undefined : decodeSafely(text)), '<s-:s>'],
  [
    'parseTime',
    (text?: string, zone?: string) => (text === undefined ? undefined : parseTime(text, zone, given.now)),
    '<s-s?:n>',
  ],
  ['parse', (text?: string) => (text === undefined ? undefined : parseJson(text)), '<s-:x>'],
  ['eval', refuseEval, '<sx?:x>'],
];

function encodeBase64(text?: string): string | undefined {
  return text === undefined ? undefined : Buffer.from(text, 'utf8').toString('base64');
}

function decodeBase64(text?: string): string | undefined {
  if (text === undefined) return undefined;
  if (!/^[\w+/-]*={0,2}$/.test(text.trim())) throw new TypeError('$base64decode: this is not Base64');
  return Buffer.from(text, 'base64').toString('utf8');
}

function link(name: string): string {
  const address = Object.hasOwn(given.links, name) ? given.links[name] : undefined;
  if (address !== undefined) return address;
  throw new TypeError(
    `$link('${name.slice(0, 50)}') works in the steps of an automation, with its name written as a text`,
  );
}

/** Metres between two points on the earth, given as latitude and longitude in degrees: $distance(lat, lon, lat, lon). */
function distance(lat1: number, lon1: number, lat2: number, lon2: number): number {
  const earthRadiusMetres = 6_371_008.8;
  const rad = (degrees: number) => (degrees * Math.PI) / 180;
  const half = (radians: number) => Math.sin(radians / 2) ** 2;
  const a = half(rad(lat2 - lat1)) + Math.cos(rad(lat1)) * Math.cos(rad(lat2)) * half(rad(lon2 - lon1));
  return 2 * earthRadiusMetres * Math.asin(Math.min(1, Math.sqrt(a)));
}

function refuseEval(): never {
  throw new TypeError('$eval is not available: what is data must not become an expression');
}

function reference(event: { id?: unknown } | string | undefined): string | undefined {
  const id = typeof event === 'object' && event !== null ? event.id : event;
  return typeof id === 'string' ? sha256(id).slice(0, 4).toUpperCase() : undefined;
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}

function decodeSafely(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

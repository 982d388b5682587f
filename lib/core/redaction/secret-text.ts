/** The text that replaces a secret in a log. */
export const mask = '[redacted]';

const secretNames =
  /^skey$|(?:password|passwd|passphrase|pwd|secret|sesskey|sessionkey|authkey|oauthkey|appkey|interactionkey|apikey|accesskey|privatekey|adminkey|hooktoken|(?:access|refresh|session|security)token|authorization|cookies?|credentials|signature\d*)$/;

const verdicts = new Map<string, boolean>();

/** Whether a field, parameter or header of this name holds a secret; case, hyphens and underscores do not matter. */
export function isSecretName(name: string): boolean {
  const known = verdicts.get(name);
  if (known !== undefined) return known;
  const secret = secretNames.test(name.toLowerCase().replace(/[-_]/g, ''));
  if (name.length <= 64 && verdicts.size < 2000) verdicts.set(name, secret);
  return secret;
}

const colon = 0x3a;
const equals = 0x3d;
const percent = 0x25;
const backslash = 0x5c;

const openingQuote = /\\{0,7}["']|%2[27]/y;
const bareValue = /(?:(?:bearer|basic|digest|token|negotiate)(?:\s+|%20|\+))?[^\s&,;"'<>{}[\]\\]+/iy;
const restOfLine = /[^\r\n"'\\]+/y;

/** Trunkline keys, webhook secrets, hook paths, credentials of an HTTP scheme, and passwords inside URLs. */
const recognised =
  /\btl_[\w-]{16,}|\bwhsec_[\w+/=-]{16,}|(?<=\/hooks\/)[\w-]{8,}|(?<=\b(?:bearer|basic)\s{1,4})[\w+/=.~-]{8,}|(?<=:\/\/[^\s/@:]{0,64}:)[^\s/@]+(?=@)/gi;

/** Masks the values that follow secret names in a text, and what is recognised as a secret by its form. */
export function maskSecretText(text: string): string {
  const named = maskNamedValues(maskSealed(text));
  const mayHoldSecrets =
    named.includes('tl_') ||
    named.includes('whsec_') ||
    named.includes('/hooks/') ||
    named.includes('@') ||
    /bearer|basic/i.test(named);
  return mayHoldSecrets ? named.replace(recognised, mask) : named;
}

/** A sealed text (`lib/core/sealed-text.ts`): `{sealed:OWNER:BASE64URL}`. */
export const sealedForm = /\{sealed:([a-z0-9]+):([A-Za-z0-9_-]{38,})\}/g;

/** Masks sealed texts, which are encrypted and therefore of no use to a reader. */
export function maskSealed(text: string): string {
  return text.includes('{sealed:') ? text.replace(sealedForm, mask) : text;
}

/** Finds the separators before values, which are few, and reads the name backwards from there. */
function maskNamedValues(text: string): string {
  let masked = '';
  let copied = 0;
  for (let at = 1; at < text.length; at++) {
    const code = text.charCodeAt(at);
    const width = code === colon || code === equals ? 1 : code === percent ? encodedSign(text, at) : 0;
    if (width === 0) continue;
    const name = nameBefore(text, at);
    if (name === '' || !isSecretName(name)) continue;
    const [from, to] = valueAt(text, at + width, name);
    if (to <= from || (to - from <= 9 && /^(?:null|true|false|undefined)$/.test(text.slice(from, to)))) continue;
    masked += text.slice(copied, from) + mask;
    copied = to;
    at = Math.max(at, to - 1);
  }
  return copied === 0 ? text : masked + text.slice(copied);
}

/** The length of `%3A` or `%3D`. */
function encodedSign(text: string, at: number): number {
  return text.charCodeAt(at + 1) === 0x33 && /[ad]/i.test(text.charAt(at + 2)) ? 3 : 0;
}

/** The word that ends before a sign, without the quote around it and without the escape that runs into it. */
function nameBefore(text: string, sign: number): string {
  let end = sign;
  while (end > 0 && sign - end < 4 && text.charCodeAt(end - 1) === 0x20) end--;
  const last = text.charCodeAt(end - 1);
  if (last === 0x22 || last === 0x27) {
    end--;
    while (text.charCodeAt(end - 1) === backslash) end--;
  } else if (
    text.charCodeAt(end - 3) === percent &&
    (text.startsWith('%22', end - 3) || text.startsWith('%27', end - 3))
  ) {
    end -= 3;
  }
  let start = end;
  while (start > 0 && end - start < 64 && isNameCode(text.charCodeAt(start - 1))) start--;
  const before = text.charCodeAt(start - 1);
  if (before === percent) start += 2;
  const name = text.slice(start, end);
  return before === backslash ? name.replace(/^(?:u[\da-f]{4}|[bfnrt])/i, '') : name;
}

function isNameCode(code: number): boolean {
  return (
    (code >= 0x61 && code <= 0x7a) ||
    (code >= 0x41 && code <= 0x5a) ||
    (code >= 0x30 && code <= 0x39) ||
    code === 0x5f ||
    code === 0x2d
  );
}

function valueAt(text: string, sign: number, name: string): [from: number, to: number] {
  let start = sign;
  while (start - sign < 4 && text.charCodeAt(start) === 0x20) start++;
  const quote = matchAt(openingQuote, text, start);
  if (quote !== undefined) {
    const from = start + quote.length;
    return [from, closingQuote(text, from, quote)];
  }
  const pattern = /cookies?$/i.test(name) ? restOfLine : bareValue;
  return [start, start + (matchAt(pattern, text, start)?.length ?? 0)];
}

/** Where the same quote stands again without one more backslash before it; the end of the text if it never does. */
function closingQuote(text: string, from: number, quote: string): number {
  for (let at = text.indexOf(quote, from); at !== -1; at = text.indexOf(quote, at + 1)) {
    let before = at;
    while (text.charCodeAt(before - 1) === 0x5c) before--;
    if (quote.startsWith('%') || (at - before) % 2 === 0) return at;
  }
  return text.length;
}

function matchAt(pattern: RegExp, text: string, at: number): string | undefined {
  pattern.lastIndex = at;
  return pattern.exec(text)?.[0];
}

/** How deep a document may nest; what is deeper is hostile or broken. */
const deepest = 100;

/** A run of digits that a double may not carry. */
const longDigits = /\d{16}/;

/**
 * Parses JSON without rounding: integers beyond ±(2^53−1) become decimal strings. A key named `__proto__` is refused, as is
 * nesting deeper than 100. Throws `SyntaxError`.
 */
export function parseJson(text: string): unknown {
  if (text.includes('__proto__') || text.includes('\\u005f') || text.includes('\\u005F')) refuseProto(JSON.parse(text));
  checkDepth(text);
  if (!longDigits.test(text)) return JSON.parse(text);
  return JSON.parse(text, keepDigits);
}

function keepDigits(_key: string, value: unknown, context?: { source?: string }): unknown {
  if (typeof value !== 'number' || Number.isSafeInteger(value)) return value;
  const source = context?.source ?? '';
  return /^-?\d+$/.test(source) ? source : value;
}

/** Parses what ProPTT2 may answer: as `parseJson`, with commas missing between members and trailing ones left over. */
export function parseLenientJson(text: string): unknown {
  return parseJson(mendCommas(text));
}

/** Adds the commas that stand between no two members and drops those before a closing bracket; strings are left alone. */
function mendCommas(text: string): string {
  const tokens = text.match(/"(?:[^"\\]|\\.)*"|[{}[\],:]|[^\s"{}[\],:]+/g) ?? [];
  let mended = '';
  let before = '';
  for (const [at, token] of tokens.entries()) {
    const opensValue = token !== ',' && token !== ':' && token !== '}' && token !== ']';
    const endsValue = before !== '' && before !== ',' && before !== ':' && before !== '{' && before !== '[';
    const next = tokens[at + 1];
    const trailing = token === ',' && (next === '}' || next === ']' || next === undefined);
    if (!trailing) {
      mended += opensValue && endsValue ? `,${token}` : token;
      before = token;
    }
  }
  return mended;
}

function checkDepth(text: string): void {
  // Fewer opening brackets than the limit cannot nest deeper than it; most documents end here.
  if (text.length < deepest) return;
  let depth = 0;
  let inString = false;
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (inString) {
      if (code === 92) at++;
      else if (code === 34) inString = false;
    } else if (code === 34) inString = true;
    else if (code === 91 || code === 123) {
      if (++depth > deepest) throw new SyntaxError(`nested deeper than ${deepest}`);
    } else if (code === 93 || code === 125) depth--;
  }
}

function refuseProto(value: unknown): void {
  const left = [value];
  while (left.length > 0) {
    const each = left.pop();
    if (each === null || typeof each !== 'object') continue;
    if (Object.hasOwn(each, '__proto__')) throw new SyntaxError('the key __proto__ is not allowed');
    left.push(...Object.values(each));
  }
}

const mask = '[redacted]';
const secretNames =
  /^(skey|sesskey|sessionkey|authkey|hashedpassword|password|pwd|oauthkey|appkey|interactionkey|apppassword|botsecret|secret|authorization|cookie|set-cookie|x-[\w-]*signature|key)$/i;
const pairs =
  /([?&;\s,{"']|^)((?:skey|sesskey|sessionkey|authkey|hashedpassword|password|pwd|oauthkey|appkey|interactionkey|apppassword|botsecret|secret)["']?\s*[=:]\s*["']?)([^"'&;\s,}]+)/gi;
const ownKeys = /\b(tl_[a-z0-9]{16}_)[A-Za-z0-9_-]{43}/g;

/** Known secret values, newest last; a bounded list. */
const known = new Set<string>();
const mostKnown = 2_000;

/** Masks a value wherever it turns up from now on. Values shorter than 6 characters would mask ordinary words and are left out. */
export function registerSecret(value: string): void {
  if (value.length < 6 || known.has(value)) return;
  if (known.size >= mostKnown) known.delete(known.values().next().value ?? '');
  known.add(value);
}

/** A copy of a value with everything secret masked, by name, by form and by known value. */
export function redact(value: unknown, depth = 0): unknown {
  if (typeof value === 'string') return redactText(value);
  if (value === null || typeof value !== 'object' || depth > 20) return value;
  if (Array.isArray(value)) return value.map((each) => redact(each, depth + 1));
  return Object.fromEntries(
    Object.entries(value).map(([name, each]) => [
      name,
      secretNames.test(name) && each ? mask : redact(each, depth + 1),
    ]),
  );
}

/** Text with secrets in queries, forms and JSON masked, and every known value. */
export function redactText(text: string): string {
  let clean = text.replace(pairs, `$1$2${mask}`).replace(ownKeys, `$1${mask}`);
  for (const secret of known) if (clean.includes(secret)) clean = clean.replaceAll(secret, mask);
  return clean;
}

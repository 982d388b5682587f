/** The cookies of one connection, by name. Values remain as the server wrote them. */
export type Cookies = Readonly<Record<string, string>>;

/** The jar after a response: cookies that it sets are kept, those that it deletes or expires are removed. */
export function withCookies(jar: Cookies, setCookie: readonly string[] | undefined, now: number): Cookies {
  if (setCookie === undefined || setCookie.length === 0) return jar;
  const kept = new Map(Object.entries(jar));
  for (const line of setCookie) {
    const [pair = '', ...attributes] = line.split(';');
    const at = pair.indexOf('=');
    const name = pair.slice(0, at).trim();
    if (at < 1) continue;
    const value = pair.slice(at + 1).trim();
    if (value === 'deleted' || isOver(attributes, now)) kept.delete(name);
    else kept.set(name, value);
  }
  return Object.fromEntries(kept);
}

/** The `Cookie` header of a jar; none for an empty one. */
export function cookieHeader(jar: Cookies): Record<string, string> {
  const pairs = Object.entries(jar).map(([name, value]) => `${name}=${value}`);
  return pairs.length === 0 ? {} : { cookie: pairs.join('; ') };
}

/** Whether two jars have the same contents. */
export function sameCookies(one: Cookies, other: Cookies): boolean {
  const names = Object.keys(one);
  return names.length === Object.keys(other).length && names.every((name) => one[name] === other[name]);
}

function isOver(attributes: readonly string[], now: number): boolean {
  for (const attribute of attributes) {
    const [name = '', value = ''] = attribute.split('=').map((part) => part.trim());
    if (/^max-age$/i.test(name)) return Number(value) <= 0;
    if (/^expires$/i.test(name) && Date.parse(value) <= now) return true;
  }
  return false;
}

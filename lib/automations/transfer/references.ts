/** Fields whose values are data of vendors or of expressions, in which nothing refers to a hook. */
const opaque: ReadonlySet<string> = new Set(['input', 'set', 'value', 'expect', 'data']);

/** How a `connection` names a hook in an exported document. */
const hookPrefix = 'hook/';

/**
 * A definition in which every hook is named instead of numbered, so that it means the same in another installation: `when.hook`
 * holds the name, and a `connection` that is a hook `hook/` and the name.
 */
export function withHookNames<T>(definition: T, nameOf: (id: string) => string | undefined): T {
  return replaced(definition, (field, value) => {
    const name = nameOf(value);
    return name === undefined || field === 'hook' ? name : `${hookPrefix}${name}`;
  });
}

/** The same definition with the ids of this installation. Anything else stays unchanged. */
export function withHookIds<T>(definition: T, idOf: (name: string) => string | undefined): T {
  return replaced(definition, (field, value) => {
    if (field === 'hook') return idOf(value);
    return value.startsWith(hookPrefix) ? idOf(value.slice(hookPrefix.length)) : undefined;
  });
}

function replaced<T>(value: T, change: (field: 'hook' | 'connection', value: string) => string | undefined): T {
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) return value.map((each) => replaced(each, change)) as T;
  const members = Object.entries(value).map(([name, member]: [string, unknown]) => {
    if ((name === 'hook' || name === 'connection') && typeof member === 'string')
      return [name, change(name, member) ?? member];
    return [name, opaque.has(name) ? member : replaced(member, change)];
  });
  // Only texts were replaced by texts.
  return Object.fromEntries(members) as T;
}

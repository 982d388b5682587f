/** Reads the text format of Prometheus (0.0.4) as strictly as its own parser: values by series, labels included. */
export function series(text: string): Record<string, number> {
  const found: Record<string, number> = {};
  const types = new Map<string, string>();
  if (!text.endsWith('\n')) throw new Error('The last line does not end');
  for (const line of text.slice(0, -1).split('\n')) {
    const [, comment, named = '', rest = ''] = /^# (HELP|TYPE) ([a-zA-Z_:][\w:]*) (.+)$/.exec(line) ?? [];
    if (comment === 'TYPE') {
      if (!/^(counter|gauge|histogram)$/.test(rest) || types.has(named)) throw new Error(`Not a type: ${line}`);
      types.set(named, rest);
    }
    if (comment !== undefined) continue;
    const label = '[a-zA-Z_]\\w*="(?:[^"\\\\\\n]|\\\\["\\\\n])*"';
    const [, name = '', labels = '', value] =
      new RegExp(`^([a-zA-Z_:][\\w:]*)(\\{${label}(?:,${label})*\\})? (\\S+)$`).exec(line) ?? [];
    const family = types.has(name) ? name : name.replace(/_(bucket|sum|count)$/, '');
    if (value === undefined || !types.has(family) || Number.isNaN(Number(value)))
      throw new Error(`Not a sample: ${line}`);
    if (`${name}${labels}` in found) throw new Error(`Twice: ${line}`);
    found[`${name}${labels}`] = Number(value);
  }
  return found;
}

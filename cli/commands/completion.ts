import type { Api } from '../api.ts';
import { UsageError } from '../failures.ts';
import { resolved, valueAt } from '../openapi.ts';
import { isRecord } from '../output.ts';

const scripts: Readonly<Record<string, string>> = {
  bash: `_trunkline() {
  local IFS=$'\\n'
  COMPREPLY=($(compgen -W "$(trunkline __complete "\${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)" -- "\${COMP_WORDS[COMP_CWORD]}"))
  [[ \${COMPREPLY[0]} == */ || \${COMPREPLY[0]} == *= ]] && compopt -o nospace
}
complete -F _trunkline trunkline
`,
  zsh: `#compdef trunkline
_trunkline() {
  local -a found
  found=("\${(@f)$(trunkline __complete "\${words[@]:1:$((CURRENT - 1))}" 2>/dev/null)}")
  compadd -S '' -a found
}
compdef _trunkline trunkline
`,
};

/** `trunkline completion bash|zsh`: the script for the shell. */
export function completionScript(shell: string): string {
  const script = Object.hasOwn(scripts, shell) ? scripts[shell] : undefined;
  if (script === undefined) throw new UsageError(`There is a completion for ${Object.keys(scripts).join(' and ')}.`);
  return script;
}

/** What may come at the end of a command line: commands, then operations, then their fields and the fields' choices. */
export async function complete(
  words: readonly string[],
  commands: readonly string[],
  api: () => Api,
): Promise<string[]> {
  const [command = '', ...rest] = words;
  if (rest.length === 0) return commands.filter((name) => name.startsWith(command));
  const last = rest.at(-1) ?? '';
  if (command !== 'call' && command !== 'bulk') return [];
  const at = command === 'call' ? 0 : 1;
  if (rest.length === at + 1) return operations(api(), last);
  const [vendor = '', connection = '', operation = ''] = (rest[at] ?? '').split('/');
  return fields(api(), { vendor, connection, operation }, rest.slice(at + 1, -1), last);
}

async function operations(api: Api, typed: string): Promise<string[]> {
  const connections = await api.get<{ vendor: string; name: string }[]>('/v1/connections');
  const places = connections.map(({ vendor, name }) => `${vendor}/${name}/`);
  const place = places.find((each) => typed.startsWith(each));
  if (place === undefined) return places.filter((each) => each.startsWith(typed));
  const vendor = place.split('/')[0] ?? '';
  const { paths } = await api.get<{ paths: Record<string, unknown> }>('/openapi.json');
  const prefix = `/v1/${vendor}/{connection}/`;
  return Object.keys(paths)
    .filter((path) => path.startsWith(prefix) && !path.includes('/raw/'))
    .map((path) => place + path.slice(prefix.length))
    .filter((each) => each.startsWith(typed));
}

async function fields(
  api: Api,
  target: { vendor: string; connection: string; operation: string },
  before: readonly string[],
  typed: string,
) {
  const { vendor, connection, operation } = target;
  const document = await api.get<Record<string, unknown>>('/openapi.json');
  const path = [
    'paths',
    `/v1/${vendor}/{connection}/${operation}`,
    'post',
    'requestBody',
    'content',
    'application/json',
    'schema',
  ];
  const schema = resolved(document, valueAt(document, path));
  const properties = isRecord(schema) && isRecord(schema.properties) ? schema.properties : {};
  const name = /^(\w+)=/.exec(typed)?.[1];
  if (name === undefined) {
    return Object.keys(properties)
      .map((each) => `${each}=`)
      .filter((each) => each.startsWith(typed) && !before.some((word) => word.startsWith(each)));
  }
  const field = resolved(document, properties[name]);
  const source = isRecord(field) && isRecord(field['x-choices']) ? field['x-choices'] : undefined;
  if (source === undefined) return [];
  // Tables are those of a book: the fields that the choices depend on come before.
  const given = new Map(before.map((word) => [word.split('=', 1)[0] ?? '', word.slice(word.indexOf('=') + 1)]));
  const { kind, of = [] } = source as { kind: string; of?: string[] };
  const query = Object.fromEntries(of.map((each) => [each, given.get(each)]));
  const choices = await api.get<{ id: string | number }[]>(`/v1/choices/${vendor}/${connection}/${kind}`, query);
  return choices.map(({ id }) => `${name}=${id}`).filter((each) => each.startsWith(typed));
}

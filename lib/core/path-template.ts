import { refusedField } from './errors.ts';

/** A path with `{names}` for single segments, such as `/channels/{channelId}/users`. */
export interface PathTemplate {
  readonly names: readonly string[];
  /** The values of the names in a path, or undefined if the path has another form. */
  match(path: string): Record<string, string> | undefined;
  /** The same for a server that may not tell upper from lower case. */
  matchAnyCase(path: string): Record<string, string> | undefined;
  /** The path with each value percent-encoded. Throws `invalid_input` for a value that would be another path. */
  fill(values: Readonly<Record<string, unknown>>): string;
}

const known = new Map<string, PathTemplate>();

/** The template of a text; each is compiled once per process. */
export function pathTemplate(template: string): PathTemplate {
  let made = known.get(template);
  if (!made) {
    made = compile(template);
    known.set(template, made);
  }
  return made;
}

function compile(template: string): PathTemplate {
  // Fixed text and names alternate.
  const pieces = template.split(/\{(\w+)\}/);
  const names = pieces.filter((_, at) => at % 2 === 1);
  const source = pieces
    .map((piece, at) => (at % 2 === 1 ? `(?<${piece}>[^/]+)` : piece.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')))
    .join('');
  const find = (flags: string) => {
    let pattern: RegExp | undefined;
    return (path: string) => {
      pattern ??= new RegExp(`^${source}$`, flags);
      const found = pattern.exec(path);
      return found ? { ...found.groups } : undefined;
    };
  };
  return {
    names,
    match: find(''),
    matchAnyCase: find('i'),
    fill: (values) =>
      pieces.map((piece, at) => (at % 2 === 1 ? segment(piece, String(values[piece])) : piece)).join(''),
  };
}

function segment(name: string, value: string): string {
  if (value === '' || value === '.' || value === '..') throw refusedField(`/${name}`, 'cannot be empty or dots alone');
  if (!value.isWellFormed()) throw refusedField(`/${name}`, 'must be well-formed Unicode');
  return encodeURIComponent(value);
}

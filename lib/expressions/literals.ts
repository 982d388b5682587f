import { embedded, expressionIn } from './template.ts';

/** A literal that can become part of what a template renders to. */
export interface Literal {
  /** Its position in the template; a literal inside an expression includes its quotes. */
  start: number;
  end: number;
  value: string;
  isQuoted: boolean;
}

type Node = Readonly<Record<string, unknown>>;

/** The literals of a template, as `literalsOf` finds them, and whether there are texts beside them that its result may contain. */
export interface Literals {
  literals: Literal[];
  hasOthers: boolean;
}

/**
 * The literals of a template that its result consists of: words outside of expressions, and in expressions the texts that are the
 * result, its branches, or joined to it with `&`. Other texts cannot be replaced, since the expression looks into them; those that
 * only decide about the result (what is compared, filtered by or looked for) are no part of it. `parse` returns the syntax tree
 * of a JSONata expression.
 */
export function literalsOf(template: string, parse: (expression: string) => unknown): Literals {
  const found: Literal[] = [];
  let hasOthers = false;
  const addExpression = (from: number, to: number) => {
    const source = template.slice(from, to);
    const tree = parse(source);
    const texts = resultTexts(tree);
    hasOthers ||= hasOtherText(tree, new Set(texts));
    for (const { value, position } of texts) {
      const start = startOf(source, position, value, parse);
      if (start === undefined) hasOthers = true;
      else found.push({ start: from + start, end: from + position, value, isQuoted: true });
    }
  };
  if (expressionIn(template) !== undefined) {
    addExpression(2, template.length - 2);
    return { literals: found, hasOthers };
  }
  let end = 0;
  const addWords = (to: number) => {
    if (to > end) found.push({ start: end, end: to, value: template.slice(end, to), isQuoted: false });
  };
  for (const { index, 0: whole } of template.matchAll(embedded)) {
    addWords(index);
    end = index + whole.length;
    addExpression(index + 2, end - 2);
  }
  addWords(template.length);
  return { literals: found, hasOthers };
}

/** The template with each of these literals replaced. */
export function withLiterals(
  template: string,
  literals: readonly Literal[],
  replace: (value: string) => string,
): string {
  let made = '';
  let end = 0;
  for (const literal of literals.toSorted((one, other) => one.start - other.start)) {
    const value = replace(literal.value);
    made += template.slice(end, literal.start) + (literal.isQuoted ? JSON.stringify(value) : value);
    end = literal.end;
  }
  return made + template.slice(end);
}

/** A text in a syntax tree, and the place at which it ends. */
interface TextNode {
  value: string;
  position: number;
}

/** The texts in a syntax tree that its result consists of. */
function resultTexts(value: unknown): TextNode[] {
  if (typeof value !== 'object' || value === null) return [];
  if (isText(value)) return value.value === '' ? [] : [value];
  const node = value as Node;
  if (node.type === 'binary' && node.value === '&') return [node.lhs, node.rhs].flatMap(resultTexts);
  if (node.type === 'condition') return [node.then, node.else].flatMap(resultTexts);
  if (node.type === 'block' && Array.isArray(node.expressions)) return resultTexts(node.expressions.at(-1));
  return [];
}

/** Functions that only look for an argument, or name something by it, from the argument at this index on. */
const lookers = new Map([
  ...[
    'contains',
    'formatNumber',
    'fromMillis',
    'lookup',
    'match',
    'split',
    'substringAfter',
    'substringBefore',
    'toMillis',
  ].map((name) => [name, 1] as const),
  ...['assert', 'error', 'link'].map((name) => [name, 0] as const),
]);
const comparisons = new Set(['=', '!=', '<', '<=', '>', '>=', 'in']);
/** Members of a node that filter or sort. */
const deciding = new Set(['condition', 'predicate', 'stages', 'terms']);

/** Whether a syntax tree has a text, other than the `known` ones, that its result may contain. */
function hasOtherText(value: unknown, known: ReadonlySet<unknown>): boolean {
  if (typeof value !== 'object' || value === null || known.has(value)) return false;
  if (Array.isArray(value)) return value.some((each) => hasOtherText(each, known));
  if (isText(value)) return value.value !== '';
  const { type, value: operator, lhs, rhs, arguments: given, ...rest } = value as Node;
  if (type === 'binary' && comparisons.has(String(operator))) return false;
  // Of an object, the names of its members do not count.
  if (Array.isArray(lhs)) return lhs.some((pair: unknown[]) => hasOtherText(pair.slice(1), known));
  // What is piped into a function is its first argument.
  if (type === 'apply') return hasOtherText(lhs, known) || (lookedFrom(rhs) === undefined && hasOtherText(rhs, known));
  const looked = lookedFrom(value);
  if (looked !== undefined && Array.isArray(given)) return hasOtherText(given.slice(0, looked), known);
  const children = Object.entries(rest).flatMap(([name, child]) => (deciding.has(name) ? [] : [child]));
  return [lhs, rhs, given, ...children].some((child) => hasOtherText(child, known));
}

/** The index of the first argument that a call of a function only looks for. */
function lookedFrom(value: unknown): number | undefined {
  const { type, procedure } = value as Node;
  return type === 'function' ? lookers.get(String((procedure as Node).value)) : undefined;
}

function isText(value: object): value is TextNode {
  const { type, value: text, position } = value as Node;
  return type === 'string' && typeof text === 'string' && typeof position === 'number';
}

/** Where a literal begins that ends at a place: at the nearest quote from which it reads as this value. */
function startOf(
  source: string,
  end: number,
  value: string,
  parse: (expression: string) => unknown,
): number | undefined {
  const quote = source[end - 1];
  if (quote !== '"' && quote !== "'") return undefined;
  for (let at = source.lastIndexOf(quote, end - 2); at >= 0; at = at === 0 ? -1 : source.lastIndexOf(quote, at - 1)) {
    try {
      const node = parse(source.slice(at, end)) as Node;
      if (node.type === 'string' && node.value === value) return at;
    } catch {
      // A quote inside the literal.
    }
  }
  return undefined;
}

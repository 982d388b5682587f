import { expressionIn } from './template.ts';

/** A literal that can become part of what a template renders to. */
export interface Literal {
  /** Where it stands in the template; an expression's literal includes its quotes. */
  start: number;
  end: number;
  value: string;
  isQuoted: boolean;
}

type Node = Readonly<Record<string, unknown>>;

/**
 * The literals of a template that its result consists of: words outside of expressions, and in expressions the texts that are the
 * result, its branches, or joined to it with `&`. Texts that are compared or given to a function are not among them. `parse`
 * returns the syntax tree of a JSONata expression.
 */
export function literalsOf(template: string, parse: (expression: string) => unknown): Literal[] {
  const found: Literal[] = [];
  const addExpression = (from: number, to: number) => {
    const source = template.slice(from, to);
    for (const { value, position } of resultTexts(parse(source))) {
      const start = startOf(source, position, value, parse);
      if (start !== undefined) found.push({ start: from + start, end: from + position, value, isQuoted: true });
    }
  };
  if (expressionIn(template) !== undefined) {
    addExpression(2, template.length - 2);
    return found;
  }
  let end = 0;
  const addWords = (to: number) => {
    if (to > end) found.push({ start: end, end: to, value: template.slice(end, to), isQuoted: false });
  };
  for (const { index, 0: whole } of template.matchAll(/\{%[\s\S]*?%\}/g)) {
    addWords(index);
    end = index + whole.length;
    addExpression(index + 2, end - 2);
  }
  addWords(template.length);
  return found;
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

/** The texts in a syntax tree that its result consists of, with the place at which each ends. */
function resultTexts(value: unknown): { value: string; position: number }[] {
  if (typeof value !== 'object' || value === null) return [];
  const node = value as Node;
  if (node.type === 'string' && typeof node.value === 'string' && typeof node.position === 'number')
    return node.value === '' ? [] : [{ value: node.value, position: node.position }];
  if (node.type === 'binary' && node.value === '&') return [node.lhs, node.rhs].flatMap(resultTexts);
  if (node.type === 'condition') return [node.then, node.else].flatMap(resultTexts);
  if (node.type === 'block' && Array.isArray(node.expressions)) return resultTexts(node.expressions.at(-1));
  return [];
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

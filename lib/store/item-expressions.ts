import type { Item, Values } from './table.ts';

/** One item under evaluation: its attributes (none where there is no item) and the values of the placeholders. */
interface Scope {
  item: Readonly<Record<string, unknown>>;
  values: Values;
}

/**
 * Whether an item meets a condition expression, in the subset of DynamoDB's language that this project uses: comparisons,
 * `attribute_exists`, `attribute_not_exists`, AND, OR and parentheses. Throws on anything else.
 */
export function meetsCondition(condition: string, item: Item | undefined, values: Values): boolean {
  const tokens = new Tokens(condition);
  const holds = either(tokens, { item: item ?? {}, values });
  tokens.end();
  return holds;
}

/** The item that an update expression makes of another, in the same subset: SET (with `if_not_exists`), REMOVE and ADD. */
export function updatedItem(expression: string, item: Item, values: Values): Item {
  const changed: Item = { ...item };
  const tokens = new Tokens(expression);
  while (!tokens.isAtEnd) {
    const clause = tokens.take();
    do {
      const name = attribute(tokens.take());
      if (clause === 'REMOVE') delete changed[name];
      else if (clause === 'SET') {
        tokens.take('=');
        // DynamoDB evaluates every operand over the item as it was.
        changed[name] = operand(tokens, { item, values });
      } else if (clause === 'ADD') changed[name] = Number(item[name] ?? 0) + Number(value(tokens.take(), values));
      else throw new Error(`An update expression cannot have ${clause}: ${expression}`);
    } while (tokens.skip(','));
  }
  return changed;
}

class Tokens {
  readonly #text: string;
  readonly #left: string[];

  constructor(text: string) {
    this.#text = text;
    this.#left = text.match(/[#:]?\w+|<=|>=|<>|[^\s\w]/g) ?? [];
  }

  get isAtEnd(): boolean {
    return this.#left.length === 0;
  }

  /** The next token, which must be the given one, if any. */
  take(wanted?: string): string {
    const token = this.#left.shift();
    if (token === undefined || (wanted !== undefined && token !== wanted))
      throw new Error(`Expected ${wanted ?? 'more'} instead of ${token ?? 'the end'} in ${this.#text}`);
    return token;
  }

  skip(wanted: string): boolean {
    if (this.#left[0] !== wanted) return false;
    this.#left.shift();
    return true;
  }

  end(): void {
    if (!this.isAtEnd) throw new Error(`Unexpected ${this.#left[0]} in ${this.#text}`);
  }
}

function either(tokens: Tokens, scope: Scope): boolean {
  let holds = both(tokens, scope);
  // Every side is read, so that the tokens move on.
  while (tokens.skip('OR')) holds = both(tokens, scope) || holds;
  return holds;
}

function both(tokens: Tokens, scope: Scope): boolean {
  let holds = single(tokens, scope);
  while (tokens.skip('AND')) holds = single(tokens, scope) && holds;
  return holds;
}

function single(tokens: Tokens, scope: Scope): boolean {
  if (tokens.skip('(')) {
    const holds = either(tokens, scope);
    tokens.take(')');
    return holds;
  }
  for (const [name, wanted] of [
    ['attribute_exists', true],
    ['attribute_not_exists', false],
  ] as const) {
    if (!tokens.skip(name)) continue;
    tokens.take('(');
    const there = scope.item[attribute(tokens.take())] !== undefined;
    tokens.take(')');
    return there === wanted;
  }
  const left = operand(tokens, scope);
  return compare(left, tokens.take(), operand(tokens, scope));
}

function operand(tokens: Tokens, { item, values }: Scope): unknown {
  if (tokens.skip('if_not_exists')) {
    tokens.take('(');
    const known = item[attribute(tokens.take())];
    tokens.take(',');
    const given = value(tokens.take(), values);
    tokens.take(')');
    return known ?? given;
  }
  const token = tokens.take();
  return token.startsWith('#') ? item[attribute(token)] : value(token, values);
}

/** As in DynamoDB, nothing compares with an attribute that is missing or of another type. */
function compare(left: unknown, operator: string, right: unknown): boolean {
  if (left === undefined || right === undefined) return operator === '<>';
  const same = JSON.stringify(left) === JSON.stringify(right);
  if (operator === '=') return same;
  if (operator === '<>') return !same;
  if (typeof left !== typeof right || (typeof left !== 'number' && typeof left !== 'string')) return false;
  // Of the same type, as just checked.
  const [one, other] = [left, right as typeof left];
  if (operator === '<') return one < other;
  if (operator === '>') return one > other;
  if (operator === '<=') return one <= other;
  if (operator === '>=') return one >= other;
  throw new Error(`A condition cannot have ${operator}`);
}

function attribute(token: string): string {
  if (!token.startsWith('#')) throw new Error(`${token} is not the name of an attribute`);
  return token.slice(1);
}

function value(token: string, values: Values): unknown {
  const known = token.startsWith(':') ? values[token.slice(1)] : undefined;
  if (known === undefined) throw new Error(`The value ${token} is not given`);
  return known;
}

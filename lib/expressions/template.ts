/** The expression in a text that is wholly `{% … %}`, or undefined. */
export function expressionIn(text: string): string | undefined {
  return text.length >= 4 && text.startsWith('{%') && text.endsWith('%}') ? text.slice(2, -2).trim() : undefined;
}

/** Whether a template holds anything to evaluate, at any depth. */
export function hasExpression(template: unknown): boolean {
  if (typeof template === 'string') return expressionIn(template) !== undefined;
  if (typeof template !== 'object' || template === null) return false;
  return Object.values(template).some(hasExpression);
}

/** A JSON pointer one step further down. */
export function below(pointer: string, key: string | number): string {
  return `${pointer}/${String(key).replaceAll('~', '~0').replaceAll('/', '~1')}`;
}

/** A part of a text: a literal, or an expression whose value replaces it. */
export type Part = { readonly text: string } | { readonly expression: string };

/** Each expression in a text, with what stands between its delimiters. */
export const embedded = /\{%([\s\S]*?)%\}/g;

/** The expression in a text that is wholly `{% … %}`, or undefined. */
export function expressionIn(text: string): string | undefined {
  if (text.length < 4 || !text.startsWith('{%') || !text.endsWith('%}')) return undefined;
  const inner = text.slice(2, -2);
  return inner.includes('{%') ? undefined : inner.trim();
}

/** The parts of a text with embedded expressions (`Alarm {% event.data.zone %}!`); undefined for a text without any. */
export function partsIn(text: string): readonly Part[] | undefined {
  const pieces = text.split(embedded);
  if (pieces.length === 1) return undefined;
  return pieces.flatMap((piece, at): Part[] => {
    if (at % 2 === 1) return [{ expression: piece.trim() }];
    return piece === '' ? [] : [{ text: piece }];
  });
}

/** Whether a template contains anything to evaluate, at any depth. */
export function hasExpression(template: unknown): boolean {
  if (typeof template === 'string') return expressionIn(template) !== undefined || partsIn(template) !== undefined;
  if (typeof template !== 'object' || template === null) return false;
  return Object.values(template).some(hasExpression);
}

/** Appends a segment to a JSON pointer. */
export function below(pointer: string, key: string | number): string {
  return `${pointer}/${String(key).replaceAll('~', '~0').replaceAll('/', '~1')}`;
}

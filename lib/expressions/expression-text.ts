import * as z from 'zod/mini';

/** The schema of a text that is one whole expression. */
export const expressionText = () =>
  z.string().check(z.regex(/^\{%[\s\S]*%\}$/, 'must be an expression {% … %}'), z.maxLength(10_000));

import type * as z from 'zod/mini';
import type { FieldError } from './errors.ts';
import { type Definition, definitionOf } from './schema-definition.ts';

/** What keeps an input from its schema, in sentences that go on from a field's name. */
export function errorsOf(error: z.core.$ZodError, schema: z.core.$ZodType): FieldError[] {
  return error.issues.slice(0, 20).flatMap((issue) => fieldErrors(issue, schema));
}

function fieldErrors(issue: z.core.$ZodIssue, schema: z.core.$ZodType): FieldError[] {
  const at = issue.path.map((step) => `/${escaped(String(step))}`).join('');
  if (issue.code === 'unrecognized_keys') {
    return issue.keys.map((key) => ({
      pointer: `${at}/${escaped(key).slice(0, 200)}`,
      message: 'is not a field of this request',
    }));
  }
  if (issue.code === 'invalid_union' && issue.message === 'Invalid input') {
    const near = nearestForm(issue.errors);
    if (near) return near.flatMap((each) => fieldErrors({ ...each, path: [...issue.path, ...each.path] }, schema));
  }
  return [{ pointer: at, message: sentence(issue, schema) }];
}

function escaped(step: string): string {
  return step.replaceAll('~', '~0').replaceAll('/', '~1');
}

/** Of the forms that a value may have, what it lacks for the one that it comes nearest to; undefined where it is near none. */
function nearestForm(forms: readonly (readonly z.core.$ZodIssue[])[]): readonly z.core.$ZodIssue[] | undefined {
  const [first, second] = forms
    .map((issues) => ({ issues, distance: distanceOf(issues) }))
    .sort((one, other) => one.distance - other.distance);
  if (!first || first.distance === Number.POSITIVE_INFINITY || first.distance === second?.distance) return undefined;
  return first.issues;
}

/** How many of its own fields are missing or unknown there. A value of another kind is not a match at all. */
function distanceOf(issues: readonly z.core.$ZodIssue[]): number {
  return issues.reduce((sum, issue) => {
    if (issue.code === 'unrecognized_keys' && issue.path.length === 0) return sum + issue.keys.length;
    if (issue.path.length === 0) return Number.POSITIVE_INFINITY;
    return issue.path.length === 1 && issue.input === undefined ? sum + 1 : sum;
  }, 0);
}

/** What a text of a format has to be. */
const formats: Readonly<Record<string, string>> = {
  url: 'must be an address such as https://example.com',
  base64: 'must be Base64',
  datetime: 'must be a time such as 2026-01-05T02:11:09Z',
};

function sentence(issue: z.core.$ZodIssue, root: z.core.$ZodType): string {
  const own = issue.message !== 'Invalid input' && issue.message !== '' ? issue.message : undefined;
  switch (issue.code) {
    case 'invalid_type': {
      if (issue.input === undefined) return 'is required';
      const schema = schemaAt(root, issue.path);
      return schema && innermostOf(schema).format === 'safeint'
        ? 'must be an integer'
        : `must be of type ${issue.expected}`;
    }
    case 'invalid_value':
      return `must be one of ${issue.values.map((value) => JSON.stringify(value)).join(', ')}`;
    case 'too_small':
      return own ?? `must ${bound('at least', Number(issue.minimum), issue.origin)}`;
    case 'too_big':
      return own ?? `must ${bound('at most', Number(issue.maximum), issue.origin)}`;
    case 'invalid_format':
      return own ?? formats[issue.format] ?? (issue.pattern ? `must match ${issue.pattern}` : 'is not valid');
    case 'invalid_key':
      return own ?? issue.issues[0]?.message ?? 'is not a valid name';
    case 'invalid_union': {
      if (own !== undefined) return own;
      if ('options' in issue && issue.options) return `must be one of ${issue.options.join(', ')}`;
      const schema = schemaAt(root, issue.path);
      if (!schema) return 'has none of the allowed forms';
      return `${issue.input === undefined ? 'is required:' : 'must be'} ${listed(formsOf(schema))}`;
    }
    default:
      return own ?? 'is not valid';
  }
}

function bound(how: string, count: number, origin: string): string {
  if (origin === 'string') return `be ${how} ${count} characters long`;
  if (origin === 'array') return `have ${how} ${count} ${count === 1 ? 'item' : 'items'}`;
  return `be ${how} ${count}`;
}

/** The definition of what a value has to be, below `optional`, `nullable`, `default` and conversions. */
function innermostOf(schema: z.core.$ZodType): Definition {
  const definition = definitionOf(schema);
  const inner = definition.innerType ?? (definition.type === 'pipe' ? definition.in : undefined);
  return inner ? innermostOf(inner) : definition;
}

/** The schema of a place in an input; of several forms, that of the first that has the place. */
function schemaAt(schema: z.core.$ZodType, path: readonly PropertyKey[]): z.core.$ZodType | undefined {
  const [step, ...rest] = path;
  if (step === undefined) return schema;
  const { shape, element, valueType, options } = innermostOf(schema);
  for (const option of options ?? []) {
    const found = schemaAt(option, path);
    if (found) return found;
  }
  const next = shape && Object.hasOwn(shape, step) ? shape[String(step)] : (element ?? valueType);
  return next && schemaAt(next, rest);
}

/** The forms that a value may have, each in a few words: `{url, name?}`, `text`, `"all"`. */
function formsOf(schema: z.core.$ZodType): string[] {
  const { type, shape, options, values, format } = innermostOf(schema);
  if (options) return [...new Set(options.flatMap(formsOf))];
  if (type === 'literal') return (values ?? []).map((value) => JSON.stringify(value));
  if (type === 'string') return [format === 'url' ? 'a URL' : 'text'];
  if (type === 'number') return [format === 'safeint' ? 'an integer' : 'a number'];
  if (type === 'boolean') return ['true or false'];
  if (type === 'array') return ['a list'];
  if (!shape) return [type === 'null' ? 'null' : 'an object'];
  const fields = Object.entries(shape).map(([name, field]) => (field._zod.optin === 'optional' ? `${name}?` : name));
  return [`{${fields.join(', ')}}`];
}

function listed(forms: readonly string[]): string {
  return forms.length < 2 ? forms.join('') : `${forms.slice(0, -1).join(', ')} or ${forms.at(-1)}`;
}

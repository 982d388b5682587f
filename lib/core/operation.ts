import * as z from 'zod/mini';
import { type FieldError, GatewayError } from './errors.ts';

/** `read` is retried; `write` is sent again only when the vendor certainly did not do it; the others need a key that names them. */
export type Effect = 'read' | 'write' | 'destructive' | 'session';

export type Shape = Record<string, z.ZodMiniType>;
export type InputOf<S extends Shape> = z.output<z.ZodMiniObject<S, z.core.$strict>>;

/** An operation that needs several vendor requests: `send` makes one, under the rules of the operation's effect. */
export type Composed<Call, Input, Output, Context> = (
  input: Input,
  send: SendCall<Call>,
  call: Context,
) => Promise<Output>;

/** One vendor request inside a composed operation; answers the vendor's body. */
export type SendCall<Call> = (call: Call, input: Record<string, unknown>) => Promise<unknown>;

/** One thing a vendor can do, declared once. Schemas are built on first use, so that a cold start pays for none of them. */
export interface Operation<Call = unknown> {
  readonly summary: string;
  readonly description?: string;
  readonly effect: Effect;
  /** The vendor may answer 201, for something that was not there before. */
  readonly creates?: true;
  readonly call: Call;
  readonly input: () => Shape;
  /** What no field alone can say: the problem of an input, or nothing. */
  readonly rule?: (input: Record<string, unknown>) => FieldError | undefined;
  readonly output: () => z.ZodMiniType;
  /** The first server version that has it. */
  readonly since?: string;
  /** What the vendor's own refusals mean here, by status or vendor code. */
  readonly errors?: Readonly<Record<string, string>>;
  /** True when this input may take longer than a call may: it becomes a one-step run. */
  readonly slow?: (input: Record<string, unknown>) => boolean;
  /** It raises an alarm: as an automation's step it is tried for half a minute, and its run waits behind no other. */
  readonly alarm?: true;
  /** As an automation's step, a write whose answer was lost is sent again: so many attempts within so many seconds. */
  readonly repeatWhenLost?: { readonly attempts: number; readonly seconds: number };
  /** A sample input for documents and for the contract test. */
  readonly example?: Readonly<Record<string, unknown>>;
}

/** Gives a vendor its `operation(…)`: the declaration is checked against the vendor's own form of call and of context. */
export function operationsOf<Call, Context>() {
  return <S extends Shape, O extends z.ZodMiniType>(
    declaration: Omit<Operation<Call>, 'input' | 'output' | 'call' | 'example' | 'slow' | 'rule'> & {
      input: () => S;
      rule?: (input: InputOf<S>) => FieldError | undefined;
      output: () => O;
      call: Call | Composed<Call, InputOf<S>, z.input<O>, Context>;
      slow?: (input: InputOf<S>) => boolean;
      example?: z.input<z.ZodMiniObject<S, z.core.$strict>>;
    },
  ): Operation<Call> =>
    // A declaration is stored under its general form: the engine hands it only inputs that its own schema accepted.
    declaration as unknown as Operation<Call>;
}

interface Schemas {
  /** The fields of the input. */
  shape: Shape;
  input: z.ZodMiniObject<Shape, z.core.$strict>;
  output: z.ZodMiniType;
}

const built = new WeakMap<Operation, Schemas>();

/** The schemas of an operation, built once. */
export function schemasOf(operation: Operation): Schemas {
  let schemas = built.get(operation);
  if (!schemas) {
    const shape = operation.input();
    schemas = { shape, input: ruled(z.strictObject(shape), operation.rule), output: operation.output() };
    built.set(operation, schemas);
  }
  return schemas;
}

function ruled(schema: Schemas['input'], rule: Operation['rule']): Schemas['input'] {
  if (!rule) return schema;
  return schema.check((given) => {
    const problem = rule(given.value);
    if (!problem) return;
    const path = problem.pointer.split('/').slice(1);
    given.issues.push({ code: 'custom', path, message: problem.message, input: given.value });
  });
}

/** Parses an input or throws `invalid_input` that names each refused field by JSON pointer. */
export function parseInput<T>(schema: z.ZodMiniType<T>, value: unknown, what = 'The input'): T {
  const result = schema.safeParse(value, { reportInput: true });
  if (result.success) return result.data;
  const errors = errorsOf(result.error);
  const first = errors[0];
  throw new GatewayError(
    'invalid_input',
    `${what} was refused: ${first ? `${first.pointer || 'body'} ${first.message}` : 'see errors'}`,
    {
      errors,
    },
  );
}

/** What keeps an input from being accepted, in the words of `parseInput`; an empty list when nothing does. */
export function inputErrors(schema: z.ZodMiniType, value: unknown): FieldError[] {
  const result = schema.safeParse(value, { reportInput: true });
  return result.success ? [] : errorsOf(result.error);
}

function errorsOf(error: z.core.$ZodError): FieldError[] {
  return error.issues.slice(0, 20).flatMap(fieldErrors);
}

function fieldErrors(issue: z.core.$ZodIssue): FieldError[] {
  const at = issue.path.map((step) => `/${String(step).replaceAll('~', '~0').replaceAll('/', '~1')}`).join('');
  if (issue.code === 'unrecognized_keys') {
    return issue.keys.map((key) => ({
      pointer: `${at}/${key.replaceAll('~', '~0').replaceAll('/', '~1').slice(0, 200)}`,
      message: 'is not a field of this request',
    }));
  }
  if (issue.code === 'invalid_union' && issue.message === 'Invalid input') {
    const near = nearestForm(issue.errors);
    if (near) return near.flatMap((each) => fieldErrors({ ...each, path: [...issue.path, ...each.path] }));
  }
  return [{ pointer: at, message: sentence(issue) }];
}

/** Of the forms that a value may have, what it lacks for the one that it comes nearest to; undefined where it is near none. */
function nearestForm(forms: readonly (readonly z.core.$ZodIssue[])[]): readonly z.core.$ZodIssue[] | undefined {
  const [first, second] = forms
    .map((issues) => ({ issues, distance: distanceOf(issues) }))
    .sort((one, other) => one.distance - other.distance);
  if (!first || first.distance === Number.POSITIVE_INFINITY || first.distance === second?.distance) return undefined;
  return first.issues;
}

/** How many fields of its own are missing or not known there; a value of another kind is not near at all. */
function distanceOf(issues: readonly z.core.$ZodIssue[]): number {
  return issues.reduce((sum, issue) => {
    if (issue.code === 'unrecognized_keys' && issue.path.length === 0) return sum + issue.keys.length;
    if (issue.path.length === 0) return Number.POSITIVE_INFINITY;
    return issue.path.length === 1 && issue.input === undefined ? sum + 1 : sum;
  }, 0);
}

function sentence(issue: z.core.$ZodIssue): string {
  switch (issue.code) {
    case 'invalid_type':
      return issue.input === undefined ? 'is required' : `must be of type ${issue.expected}`;
    case 'invalid_value':
      return `must be one of ${issue.values.map((value) => JSON.stringify(value)).join(', ')}`;
    case 'too_small':
      return `must be at least ${issue.minimum}${issue.origin === 'string' ? ' characters long' : ''}`;
    case 'too_big':
      return `must be at most ${issue.maximum}${issue.origin === 'string' ? ' characters long' : ''}`;
    case 'invalid_union':
      return issue.message && issue.message !== 'Invalid input' ? issue.message : 'has none of the allowed forms';
    default:
      return issue.message && issue.message !== 'Invalid input' ? issue.message : 'is not valid';
  }
}

/** Turns query strings into what the schema asks for: numbers, booleans, JSON for objects and lists; strings stay. */
export function coerceQuery(shape: Shape, query: Iterable<[string, string]>): Record<string, unknown> {
  const input: Record<string, unknown> = Object.create(null);
  for (const [name, text] of query) {
    const field = Object.hasOwn(shape, name) ? shape[name] : undefined;
    input[name] = field ? coerce(field, text) : text;
  }
  return { ...input };
}

function coerce(schema: z.core.$ZodType, text: string): unknown {
  const { def } = schema._zod as {
    def: z.core.$ZodTypeDef & {
      innerType?: z.core.$ZodType;
      in?: z.core.$ZodType;
      options?: z.core.$ZodType[];
      values?: unknown[];
    };
  };
  if (def.innerType) return coerce(def.innerType, text);
  switch (def.type) {
    case 'number':
    case 'int':
      return /^-?\d+(\.\d+)?([eE][+-]?\d+)?$/.test(text) ? Number(text) : text;
    case 'boolean':
      return text === 'true' ? true : text === 'false' ? false : text;
    case 'literal':
      return def.values?.find((value) => String(value) === text) ?? text;
    case 'pipe':
      return def.in ? coerce(def.in, text) : text;
    case 'array':
    case 'object':
    case 'record':
      return fromJson(text);
    case 'union':
      for (const option of def.options ?? []) {
        const value = coerce(option, text);
        if (z.safeParse(option, value).success) return value;
      }
      return text;
    default:
      return text;
  }
}

function fromJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

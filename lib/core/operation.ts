import * as z from 'zod/mini';
import { coerce } from './coerce.ts';
import { type FieldError, refusedInput } from './errors.ts';
import { errorsOf } from './input-errors.ts';

/** `read` is retried; `write` is sent again only when the vendor certainly did not do it; the others need a key that names them. */
export type Effect = 'read' | 'write' | 'destructive' | 'session';

export type Shape = Record<string, z.ZodMiniType>;
export type InputOf<S extends Shape> = z.output<z.ZodMiniObject<S, z.core.$strict>>;

/** An operation that needs several vendor requests: `sendRequest` makes one, under the rules of the operation's effect. */
type Composed<Call, Input, Output, Context> = (
  input: Input,
  sendRequest: SendRequest<Call>,
  call: Context,
) => Promise<Output>;

/** One vendor request inside a composed operation. Returns the vendor's body. */
export type SendRequest<Call> = (call: Call, input: Record<string, unknown>) => Promise<unknown>;

/** One thing a vendor can do, declared once. Schemas are built on first use, so that a cold start pays for none of them. */
export interface Operation<Call = unknown> {
  readonly summary: string;
  readonly description?: string;
  readonly effect: Effect;
  /** The vendor may return 201, for something that did not exist before. */
  readonly creates?: true;
  readonly call: Call;
  /** For a composed operation: the vendor request by which a raw request is recognised as it; null if it cannot be made raw. */
  readonly rawRoute?: Call | null;
  readonly input: () => Shape;
  /** Checks across fields: returns the problem of an input, or nothing. */
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
  /** As an automation's step, a write whose answer was lost is sent again, within these limits of attempts and seconds. */
  readonly repeatWhenLost?: { readonly attempts: number; readonly seconds: number };
  /** A setting without which the connection cannot do this, and what to say then. */
  readonly needs?: { readonly setting: string; readonly message: string };
  /** The page of the vendor's documentation that describes it. */
  readonly documentation?: string;
  /** A sample input for documents and for the contract test. */
  readonly example?: Readonly<Record<string, unknown>>;
}

/** Carries out an operation: sends its one vendor request, or runs its function, which makes its requests with `sendRequest`. */
export function carryOut<Request>(
  { call }: Operation,
  input: Record<string, unknown>,
  sendRequest: SendRequest<Request>,
  context: unknown,
): Promise<unknown> {
  // `operation(…)` has checked the type of either at its declaration.
  if (typeof call !== 'function') return sendRequest(call as Request, input);
  return (call as Composed<Request, Record<string, unknown>, unknown, unknown>)(input, sendRequest, context);
}

/** The same operations with the page of the vendor's documentation that describes them. */
export function documentedAt<Operations extends Readonly<Record<string, object>>>(
  documentation: string,
  operations: Operations,
): Operations {
  const all = Object.entries(operations).map(([name, operation]) => [name, { ...operation, documentation }]);
  // Each is what it was, with one field more.
  return Object.fromEntries(all) as Operations;
}

/** Gives a vendor its `operation(…)`: the declaration is checked against the vendor's own form of call and of context. */
export function operationsOf<Call, Context>() {
  return <S extends Shape, O extends z.ZodMiniType>(
    declaration: Omit<Operation<Call>, 'input' | 'output' | 'call' | 'rawRoute' | 'example' | 'slow' | 'rule'> &
      ({ call: Call } | { call: Composed<Call, InputOf<S>, z.input<O>, Context>; rawRoute: Call | null }) & {
        input: () => S;
        rule?: (input: InputOf<S>) => FieldError | undefined;
        output: () => O;
        slow?: (input: InputOf<S>) => boolean;
        example?: z.input<z.ZodMiniObject<S, z.core.$strict>>;
      },
  ): Operation<Call> =>
    // A declaration is stored under its general form: the engine hands it only inputs that its own schema accepted.
    declaration as unknown as Operation<Call>;
}

/** The vendor request by which a raw request is recognised as this operation; undefined if there is none. */
export function rawRouteOf({ call, rawRoute }: Operation): string | undefined {
  const named = typeof call === 'function' ? rawRoute : call;
  return typeof named === 'string' ? named : undefined;
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
  const result = parse(schema, value);
  if (result.success) return result.data;
  throw refusedInput(errorsOf(result.error, schema), what);
}

/** The problems of an input, as `parseInput` words them; empty if it is valid. */
export function inputErrors(schema: z.ZodMiniType, value: unknown): FieldError[] {
  const result = parse(schema, value);
  return result.success ? [] : errorsOf(result.error, schema);
}

/** An input that does not fit as it is may be one that a tool has written as text. */
function parse<T>(schema: z.ZodMiniType<T>, value: unknown) {
  const result = schema.safeParse(value, { reportInput: true });
  return result.success ? result : schema.safeParse(coerce(schema, value), { reportInput: true });
}

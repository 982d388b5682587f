import * as z from 'zod/mini';
import type { FieldChoices } from './choices.ts';
import { nameKeyword } from './json-schema/schema.ts';

/** Extra properties of a field in the OpenAPI document. */
export interface FieldNotes {
  description?: string;
  examples?: unknown[];
  /** The vendor's name of the field, if ours differs. */
  wire?: string;
  writeOnly?: boolean;
  /** The source of its values; `GET /v1/choices` lists them. */
  choices?: FieldChoices;
}

/** Gives a field a wire name, a description, a sample or choices; they reach the OpenAPI document. */
export function field<T extends z.ZodMiniType>(schema: T, notes: FieldNotes): T {
  const { wire, writeOnly, choices, ...rest } = notes;
  const noted = schema.clone();
  z.globalRegistry.add(noted, {
    ...rest,
    // With other notes it is another schema.
    [nameKeyword]: undefined,
    ...(wire !== undefined && { 'x-wire-name': wire }),
    ...(writeOnly && { writeOnly: true }),
    ...(choices && { 'x-choices': choices }),
  });
  return noted;
}

/** Gives a schema a name: it is published under it in `components/schemas`, after the vendor's name where it is a vendor's. */
export function named<T extends z.ZodMiniType>(name: string, schema: T): T {
  const noted = schema.clone();
  z.globalRegistry.add(noted, { ...z.globalRegistry.get(schema), [nameKeyword]: name });
  return noted;
}

/** The vendor's name of a field: the one given with `field`, else our own. */
export function wireName(name: string, schema: z.core.$ZodType): string {
  return noteOf<string>(schema, 'x-wire-name') ?? name;
}

/** The source of a field's values, if it declares one. */
export function choicesOfField(schema: z.core.$ZodType): FieldChoices | undefined {
  return noteOf<FieldChoices>(schema, 'x-choices');
}

/** True for a field that is only ever written, such as a password: it is stored sealed and shown masked. */
export function isWriteOnly(schema: z.core.$ZodType): boolean {
  return noteOf(schema, 'writeOnly') === true;
}

/** A note of a field, or of the field inside an optional one. */
function noteOf<T>(schema: z.core.$ZodType, name: string): T | undefined {
  const note = z.globalRegistry.get(schema)?.[name];
  if (note !== undefined) return note as T;
  const inner = (schema._zod.def as { innerType?: z.core.$ZodType }).innerType;
  return inner && noteOf(inner, name);
}

/** A field that has one allowed value, which it takes when nothing is given. */
export const only = <T extends string>(value: T) => z._default(z.literal(value), value as never);

/** Text of at least one character; at most `most`. */
export const text = (most = 10_000) => z.string().check(z.minLength(1), z.maxLength(most));

/** Text that becomes one segment of a vendor's path: a URL would fold `.` and `..`, and cannot carry half a character. */
export const pathSegment = (most = 200) =>
  text(most).check(
    z.refine((value) => value !== '.' && value !== '..', 'must not be . or .., which a URL folds'),
    z.refine((value) => value.isWellFormed(), 'must be well-formed Unicode: it holds half of a surrogate pair'),
  );

/** An integer that JSON represents exactly. */
export const integer = (least = Number.MIN_SAFE_INTEGER, most = Number.MAX_SAFE_INTEGER) =>
  z.int().check(z.gte(least), z.lte(most));

/** A 64-bit integer: a number or a decimal string in, always a decimal string onwards, so that nothing is rounded. */
export const bigInteger = () =>
  z.pipe(
    z.union([z.int(), z.string().check(z.regex(/^-?\d{1,19}$/, 'must be a whole number of at most 64 bits'))]),
    z.transform((value: number | string) => String(value)),
  );

/** A point in time in ISO 8601, with its offset. */
export const moment = () => z.iso.datetime({ offset: true, error: 'must be a time such as 2026-01-05T02:11:09Z' });

/** Base64 in the standard alphabet with padding, or `data:` free of it. */
export const base64 = () =>
  z
    .string()
    .check(z.regex(/^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/, 'must be Base64 with padding'));

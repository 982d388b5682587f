import * as z from 'zod/mini';
import { covers, operationNeed } from '../api/scopes.ts';
import { type Choice, choicesOf, suggestion } from '../core/choices.ts';
import { GatewayError } from '../core/errors.ts';
import { choicesOfField } from '../core/field.ts';
import { type Operation, schemasOf } from '../core/operation.ts';
import type { Vendor, VendorCall } from '../core/vendor.ts';

type Input = Readonly<Record<string, unknown>>;

/**
 * A vendor's 404 with the field that it is about and the values that exist, where the vendor can list them and the key may ask for
 * the list. Otherwise the error as it is.
 */
export async function withKnownValues(
  error: GatewayError,
  vendor: Vendor,
  call: VendorCall,
  operation: Operation,
  input: Input,
  scopes: readonly string[],
): Promise<GatewayError> {
  const named = error.errors?.map(({ pointer }) => pointer.slice(1));
  for (const [field, kind] of chosenFields(operation)) {
    const value = input[field];
    if (value === undefined || named?.includes(field) === false) continue;
    const choices = await listed(vendor, call, kind, input, scopes);
    if (!choices) return error;
    if (choices.some((choice) => fits(choice, value, input))) continue;
    const wanted = String(value);
    const missing = `is not among the ${kind} that ${vendor.title} lists`;
    const words = named ? '' : ` ${field} ${JSON.stringify(wanted.slice(0, 100))} ${missing}.`;
    return new GatewayError(error.code, `${error.message}${words}${suggestion(wanted, choices)}`, {
      ...error,
      cause: error,
      errors: error.errors ?? [{ pointer: `/${field}`, message: missing }],
    });
  }
  return error;
}

/** The fields that are chosen from a list, those first whose list needs no other field. */
function chosenFields(operation: Operation): [field: string, kind: string][] {
  return Object.entries(schemasOf(operation).shape)
    .flatMap(([field, schema]) => {
      const { kind, of = [] } = choicesOfField(schema) ?? {};
      return kind === undefined ? [] : [{ field, kind, needs: of.length }];
    })
    .sort((one, other) => one.needs - other.needs)
    .map(({ field, kind }) => [field, kind]);
}

/** The choices of a kind, or undefined if they cannot be requested or the request fails. */
async function listed(
  vendor: Vendor,
  call: VendorCall,
  kind: string,
  input: Input,
  scopes: readonly string[],
): Promise<Choice[] | undefined> {
  const source = vendor.choices[kind];
  const list = source && vendor.operations[source.operation];
  if (!list) return undefined;
  if (!covers(scopes, operationNeed(vendor.name, call.connection.name, source.operation, list.effect)))
    return undefined;
  const of = Object.fromEntries(Object.keys(source.of?.() ?? {}).map((name) => [name, input[name]]));
  const asked = z.safeParse(schemasOf(list).input, source.input?.(of) ?? of);
  if (!asked.success) return undefined;
  try {
    const answer = await vendor.send(source.operation, list, asked.data, call);
    if ('file' in answer) return undefined;
    const shaped = schemasOf(list).output.safeParse(answer.body);
    return choicesOf(source.read(shaped.success ? shaped.data : answer.body, of));
  } catch {
    // The caller receives the vendor's answer to the call itself.
    return undefined;
  }
}

function fits({ id, with: settled = {} }: Choice, value: unknown, input: Input): boolean {
  return (
    String(id) === String(value) &&
    Object.entries(settled).every(([name, needed]) => input[name] === undefined || input[name] === needed)
  );
}

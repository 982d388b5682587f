import { inputSealer, sealInput, sealLiterals } from '../connections/sealed-input.ts';
import { refusedField } from '../core/errors.ts';
import { maskIn } from '../core/redaction/redact.ts';
import { mask, maskSealed } from '../core/redaction/secret-text.ts';
import { isSealed } from '../core/sealed-text.ts';
import type { SecretStore } from '../core/secrets.ts';
import type { Catalogue } from '../core/vendor.ts';
import { writeOnlyFields } from '../core/write-only.ts';
import { mapLiterals } from '../expressions/expression.ts';
import { hasExpression } from '../expressions/template.ts';
import { type CallStep, type Definition, isCall, type Step, target } from './definition.ts';
import { operationIn } from './runs/operations.ts';
import { everyStep } from './steps.ts';

type Call = Pick<CallStep, 'call' | 'input'>;

/**
 * The definition as it is stored: literal texts in write-only fields, those in their expressions, and those in `set` steps with
 * `secret` are sealed. A value that a
 * reader was shown masked keeps what `before` has at the same step. Throws `invalid_input` for a masked value without a former one.
 */
export async function sealDefinition(
  services: { secrets: SecretStore; vendors: Catalogue },
  definition: Definition,
  before?: Definition,
): Promise<Definition> {
  const sealed = structuredClone(definition);
  const former = new Map(before && everyStep(before.do).map(({ name, step }) => [name, step]));
  for (const { step, name, pointer } of everyStep(sealed.do)) {
    const old = former.get(name);
    if ('set' in step) {
      const kept = old && 'set' in old ? old.set : undefined;
      if (step.secret === true || kept !== undefined) step.set = unmasked(step.set, kept, `${pointer}/set`);
      if (step.secret === true) step.set = await sealLiterals(services.secrets, step.set, isLiteral);
    }
    if (!isCall(step)) continue;
    await sealCall(services, step, old && isCall(old) ? old : undefined, pointer);
    if (step.undo) await sealCall(services, step.undo, undoOf(old), `${pointer}/undo`);
  }
  return sealed;
}

/** The definition as it is shown, with sealed texts masked. */
export function shownDefinition(definition: Definition): Definition {
  // Only texts change.
  return maskIn(definition, maskSealed) as Definition;
}

async function sealCall(
  { secrets, vendors }: { secrets: SecretStore; vendors: Catalogue },
  call: Call,
  former: Call | undefined,
  pointer: string,
): Promise<void> {
  const { vendor, operation: name } = target(call);
  const operation = operationIn(vendors, vendor, name);
  if (!operation || !call.input) return;
  for (const field of writeOnlyFields(operation)) {
    const given = call.input[field];
    const isExpression = hasExpression(given);
    const kept = former?.call === call.call ? former.input?.[field] : undefined;
    if (typeof given !== 'string' || given === kept) continue;
    if (given === mask || (isExpression && given.includes(mask))) {
      const isKept = typeof kept === 'string' && maskSealed(kept) === given;
      call.input[field] = isKept ? kept : refuse(`${pointer}/input/${field}`);
    } else if (isExpression) {
      const sealed = await mapLiterals(given, await inputSealer(secrets, vendor));
      call.input[field] = sealed ?? refuseText(`${pointer}/input/${field}`);
    }
  }
  call.input = await sealInput(secrets, vendor, operation, call.input, isLiteral);
}

const isLiteral = (text: string) => !hasExpression(text);

function undoOf(step: Step | undefined): Call | undefined {
  return step && isCall(step) ? step.undo : undefined;
}

/** The value with each masked text replaced by the text at the same place in the former value. */
function unmasked(value: unknown, former: unknown, pointer: string): unknown {
  if (value === mask) return isSealed(former) ? former : refuse(pointer);
  if (value === null || typeof value !== 'object') return value;
  const of = (name: string) =>
    former !== null && typeof former === 'object' && Object.hasOwn(former, name)
      ? Reflect.get(former, name)
      : undefined;
  if (Array.isArray(value)) return value.map((each, index) => unmasked(each, of(String(index)), `${pointer}/${index}`));
  return Object.fromEntries(
    Object.entries(value).map(([name, each]) => [name, unmasked(each, of(name), `${pointer}/${name}`)]),
  );
}

function refuseText(pointer: string): never {
  throw refusedField(
    pointer,
    'contains a text that would be stored unencrypted. Texts may stand alone, in the branches of a condition or beside &, as in "a" & event.id; everything else has to come from the event, a secret set step or a hook',
  );
}

function refuse(pointer: string): never {
  throw refusedField(pointer, 'is masked, and there is no former value to keep: enter it');
}

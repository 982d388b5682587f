import * as z from 'zod/mini';
import type { Principal } from '../api/keys/key-check.ts';
import type { Connections } from '../connections/connections.ts';
import type { Clock, Random } from '../core/clock.ts';
import { GatewayError } from '../core/errors.ts';
import { text } from '../core/field.ts';
import { type InputOf, parseInput } from '../core/operation.ts';
import { canonicalJson, defined } from '../core/record.ts';
import { storeSecret, validSecrets } from '../core/rotated-secret.ts';
import { hookSecret, type SecretStore } from '../core/secrets.ts';
import { newSigningSecret } from '../core/standard-webhooks.ts';
import type { EventCatalogue } from '../core/vendor.ts';
import type { HookChange, HookItem, Hooks, HookVerify } from './hooks.ts';
import {
  checkDedupe,
  dedupeInput,
  defaultPerMinute,
  limitInputs,
  receivingInputs,
  resolveVerify,
  type VerifyInput,
  verifyInput,
} from './input.ts';
import { hasSecret, newPlainSecret } from './secrets.ts';
import { handshakeHeader } from './verify/presets.ts';

export interface HookRecordServices {
  hooks: Hooks;
  secrets: SecretStore;
  connections: Connections;
  clock: Clock;
  random: Random;
}

/** A hook in requests. */
export const hookFields = (vendors: EventCatalogue) => ({
  name: text(100),
  verify: verifyInput(vendors),
  dedupe: z.optional(dedupeInput()),
  allowFrom: z.optional(limitInputs().allowFrom),
  silentAfterSeconds: z.optional(limitInputs().silentAfterSeconds),
  perMinute: z._default(limitInputs().perMinute, defaultPerMinute),
  methods: z.optional(receivingInputs().methods),
  challenge: z.optional(receivingInputs().challenge),
  answer: z.optional(receivingInputs().answer),
  redact: z.optional(receivingInputs().redact),
  seal: z.optional(receivingInputs().seal),
});

export type NewHook = InputOf<ReturnType<typeof hookFields>>;

/** A stored hook with what is shown once. */
export interface WrittenHook {
  item: HookItem;
  /** The secret part of its address, for a new hook. */
  token?: string;
  /** The secret, where it was made here. */
  secret?: string;
}

/** Stores a new hook; a name that another one has is a `conflict`. */
export async function createHook(
  services: HookRecordServices,
  vendors: EventCatalogue,
  principal: Principal,
  input: NewHook,
  id = services.hooks.newId(),
): Promise<WrittenHook> {
  const { hooks, secrets, random } = services;
  const { verify: given, ...settings } = input;
  const verify = await resolveVerify(services, vendors, principal, given);
  await checkDedupe(settings.dedupe, verify);
  const secret = secretOf(given, random);
  if (secret) await storeSecret(secrets, hookSecret(id), 1, secret.value);
  const { item, token } = await hooks.create(id, principal.keyId, { ...defined(settings), verify });
  return { item, token, ...(secret?.made && { secret: secret.value }) };
}

/**
 * Changes what is named of a hook. Of a `verify` of the same kind, or without one, what is not named stays, the secret included;
 * another kind replaces it.
 */
export async function patchHook(
  services: HookRecordServices,
  vendors: EventCatalogue,
  principal: Principal,
  before: HookItem,
  { verify: given, ...rest }: Omit<HookChange, 'verify'> & { verify?: Record<string, unknown> | undefined },
): Promise<WrittenHook> {
  if (!given) return changeHook(services, vendors, principal, before, rest);
  const isSameKind = given.kind === undefined || given.kind === before.verify.kind;
  const stored = isSameKind ? await storedVerify(services, before) : {};
  const all = Object.entries({ ...stored, ...given }).filter(([, value]) => value !== null);
  const input = { verify: Object.fromEntries(all) };
  const { verify } = parseInput(z.strictObject({ verify: verifyInput(vendors) }), input);
  return changeHook(services, vendors, principal, before, { ...rest, verify });
}

/** How a hook is verified, as it was written, with its secret. */
async function storedVerify(services: HookRecordServices, { id, verify, secretVersion }: HookItem): Promise<object> {
  const [secret] = hasSecret(verify) ? await validSecrets(services, hookSecret(id), secretVersion) : [];
  return { ...settingsOf(verify), ...(secret !== undefined && credentialsOf(verify.kind, secret)) };
}

function credentialsOf(kind: string, secret: string): object {
  if (kind !== 'basic') return secret === '' ? {} : { secret };
  const [user = ''] = secret.split(':', 1);
  return { user, password: secret.slice(user.length + 1) };
}

/** Changes a hook; another secret takes effect without overlap. */
export async function changeHook(
  services: HookRecordServices,
  vendors: EventCatalogue,
  principal: Principal,
  before: HookItem,
  { verify: given, ...rest }: Omit<HookChange, 'verify'> & { verify?: VerifyInput | undefined },
): Promise<WrittenHook> {
  const { hooks, secrets, random } = services;
  const verify = given ? await resolveVerify(services, vendors, principal, given) : before.verify;
  await checkDedupe(rest.dedupe === undefined ? before.dedupe : rest.dedupe, verify);
  if (!given) return { item: await hooks.change(before, rest) };
  const secret = secretOf(given, random);
  const [known] = hasSecret(before.verify)
    ? await validSecrets(services, hookSecret(before.id), before.secretVersion)
    : [];
  // The same secret stays with its predecessor, which a rotation may have left good for a while.
  if (secret !== undefined && secret.value === known) return { item: await hooks.change(before, { ...rest, verify }) };
  const secretVersion = before.secretVersion + 1;
  const item = await hooks.change(before, { ...rest, verify, secretVersion });
  if (secret) await storeSecret(secrets, hookSecret(item.id), secretVersion, secret.value);
  else await secrets.delete(hookSecret(item.id));
  return { item, ...(secret?.made && { secret: secret.value }) };
}

/**
 * Creates the hook of a name, or gives the one that has it these settings. Its address and secret stay; a `verify` that is shown
 * by a GET needs no secret.
 */
export async function putHook(
  services: HookRecordServices,
  vendors: EventCatalogue,
  principal: Principal,
  input: Record<string, unknown>,
  before: HookItem | undefined,
  id?: string,
): Promise<WrittenHook> {
  const schema = z.strictObject(hookFields(vendors));
  if (!before) return createHook(services, vendors, principal, parseInput(schema, input), id);
  const keepsVerify = input.verify === undefined || isSame(input.verify, before.verify);
  const { verify, ...settings } = parseInput(schema, { ...input, ...(keepsVerify && { verify: { kind: 'none' } }) });
  const wanted: Record<string, unknown> = defined(settings);
  const removed = Object.keys(hookFields(vendors)).filter((name) => name !== 'verify' && !Object.hasOwn(wanted, name));
  const change: HookChange = { ...wanted, ...Object.fromEntries(removed.map((name) => [name, null])) };
  const isChanged = Object.entries(change).some(
    ([name, value]) => !isSame(value ?? undefined, settingOf(before, name)),
  );
  if (!isChanged && keepsVerify) return { item: before };
  const { verify: _, ...rest } = change;
  return changeHook(services, vendors, principal, before, { ...rest, ...(!keepsVerify && { verify }) });
}

/** A hook in the form in which it can be created again, without its secret. */
export function writtenHook(item: HookItem): Record<string, unknown> & { name: string } {
  const { name, verify, dedupe, allowFrom, silentAfterSeconds, perMinute, methods, challenge, answer, redact } = item;
  const { kind, hmac, header, topicArn } = verify;
  const connection = 'connection' in verify ? verify.connection : undefined;
  return defined({
    name,
    verify: { kind, ...hmac, ...defined({ header, topicArn, connection }) },
    dedupe,
    allowFrom,
    silentAfterSeconds,
    perMinute,
    methods,
    challenge,
    answer,
    redact,
  });
}

/** The hook with an id or a name, or `not_found`. */
export async function findHook(hooks: Hooks, idOrName: string): Promise<HookItem> {
  const found = (await hooks.list()).find(({ id, name }) => id === idOrName || name === idOrName);
  if (found) return found;
  throw new GatewayError(
    'not_found',
    `There is no hook with the id or name ${JSON.stringify(idOrName.slice(0, 100))}.`,
  );
}

/** The secret of a hook: given, or made where its kind lets us; undefined where its kind has none. */
export function secretOf(verify: VerifyInput, random: Random): { value: string; made: boolean } | undefined {
  if ('user' in verify) return { value: `${verify.user}:${verify.password}`, made: false };
  if ('secret' in verify && verify.secret !== undefined) return { value: verify.secret, made: false };
  if (handshakeHeader(verify.kind) !== undefined) return { value: '', made: false };
  switch (verify.kind) {
    case 'standard-webhooks':
      return { value: newSigningSecret(random.bytes), made: true };
    default:
      // Where the sender makes the secret, the schema asks for it.
      return hasSecret({ kind: verify.kind }) && !('connection' in verify)
        ? { value: newPlainSecret(random), made: true }
        : undefined;
  }
}

/** How a hook is verified, in the form in which it was written, but for its secret. */
export function settingsOf({ kind, hmac, header, topicArn, vendor, ...rest }: HookVerify): object {
  return {
    kind,
    ...hmac,
    ...defined({ header, topicArn }),
    ...(vendor !== undefined && 'connection' in rest && { connection: `${vendor}/${rest.connection}` }),
  };
}

function settingOf(item: HookItem, name: string): unknown {
  return Object.entries(item).find(([key]) => key === name)?.[1];
}

function isSame(one: unknown, other: unknown): boolean {
  return canonicalJson(one) === canonicalJson(other);
}
